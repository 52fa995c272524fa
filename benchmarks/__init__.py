"""Measurements of what is promised: run them with `python -m benchmarks`."""
