"""Metrics: the only home of each formula; each declares range, direction and its rule for empty cases."""
