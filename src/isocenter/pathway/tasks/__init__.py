"""Tasks: what is asked of a model. One file each: target, loss, decoding, names of its metrics."""
