"""Harmonic mean of precision and sensitivity; a mean over more than two classes or findings."""

from __future__ import annotations

from isocenter.evidence.metrics._shared import Column, Metric, over_columns, share


def formula(column: Column) -> float:
    """Found, counted twice, among those called and those that have it."""
    return share(2 * column.found, 2 * column.found + column.false_alarms + column.missed)


METRIC = Metric(
    forms=("classes", "several"),
    low=0.0,
    high=1.0,
    better="higher",
    rule="Not defined where nothing is positive and nothing is called; such classes are left out of the mean.",
    measure=over_columns(formula),
)
