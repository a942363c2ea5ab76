"""What strategies compose: models, shrinking, FLOPs, batches, losses, one training loop, generation, and recipes."""
