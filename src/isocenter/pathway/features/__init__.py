"""Features: what is measured of an image before any learning. One file is one family of numbers."""
