"""The model at work."""
