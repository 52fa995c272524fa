"""The verbs: one file each, a settings model and one function."""
