"""The command line: one command for each stage and workflow, made from its settings."""
