"""Rules that turn a fingerprint into a recipe, each with the evidence on which it stands."""
