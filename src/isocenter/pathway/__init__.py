"""The way every image takes, in training and at work alike; no torch is imported here."""
