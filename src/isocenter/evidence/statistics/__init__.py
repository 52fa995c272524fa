"""Intervals and fits: how far a number can be trusted."""
