"""Pictures of images and counts: one look for terminal, page and report."""
