"""Models: one file per family, networks and classical estimators alike."""
