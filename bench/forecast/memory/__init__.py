"""Peak GPU memory of training and generation, before any weight is loaded."""
