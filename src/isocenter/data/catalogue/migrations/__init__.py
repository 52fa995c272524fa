"""How the tables of an older cohort become those of today."""
