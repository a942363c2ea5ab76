"""Pretrained checkpoints: what they are, whence they come, how they are checked."""
