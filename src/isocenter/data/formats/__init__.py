"""File formats: one file each, from bytes to images and back."""
