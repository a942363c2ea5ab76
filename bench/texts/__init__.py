"""Plain text to go on pretraining with, one source a file."""
