"""What strategies compose: models, shrinking, FLOPs, batches, losses, the one loop, generation, and the recipes made of them."""
