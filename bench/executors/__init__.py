"""Where fresh processes run, one a file."""
