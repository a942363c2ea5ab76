"""Analysis -> what a reader sees, section by section."""
