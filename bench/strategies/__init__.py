"""Ways to spend the budget, one per file."""
