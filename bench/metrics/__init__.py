"""From predictions and references to scores, one a file."""
