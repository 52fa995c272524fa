"""The nouns: what an image, a case, a cohort and a label are, with nothing that touches a disk or a network."""
