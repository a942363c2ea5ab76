"""Pretrained checkpoints, one part per file."""
