"""Ways to run fresh processes, one per file."""
