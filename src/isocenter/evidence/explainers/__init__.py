"""Explainers: what in the image a reading rests on. One file each, working from the packaged graphs, without torch."""
