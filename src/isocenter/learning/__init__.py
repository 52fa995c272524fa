"""From labelled arrays to weights."""
