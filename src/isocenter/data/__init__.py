"""Where images come from, what a folder of them means, and the catalogue that remembers it."""
