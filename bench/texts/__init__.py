"""Plain text for continued pretraining, one source per file."""
