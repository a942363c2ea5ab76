"""Ways to spend the money, one a file."""
