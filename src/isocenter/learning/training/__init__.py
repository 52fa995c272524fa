"""A small engine: batches, augmentation, loop, checkpoints."""
