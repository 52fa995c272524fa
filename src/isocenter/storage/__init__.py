"""Atomic files, locks, the memory-mapped cache and the SQL engine."""
