"""Software that generates text with a model, one per file."""
