"""Analysis -> pictures."""
