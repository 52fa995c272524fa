"""Preparation steps: one file each, fitted on training cases alone, stored in the recipe, applied anywhere."""
