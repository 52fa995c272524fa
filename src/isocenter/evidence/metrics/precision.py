"""Share of calls that are right (positive predictive value); a mean over more than two classes or findings."""

from __future__ import annotations

from isocenter.evidence.metrics._shared import Column, Metric, over_columns, share


def formula(column: Column) -> float:
    """Found among those that were called."""
    return share(column.found, column.found + column.false_alarms)


METRIC = Metric(
    forms=("classes", "several"),
    low=0.0,
    high=1.0,
    better="higher",
    rule="Not defined where nothing is called; classes that are never called are left out of the mean.",
    measure=over_columns(formula),
)
