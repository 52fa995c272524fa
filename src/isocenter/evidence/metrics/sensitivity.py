"""Share of the cases with the finding that are called; a mean over more than two classes or findings."""

from __future__ import annotations

from isocenter.evidence.metrics._shared import Column, Metric, over_columns, share


def formula(column: Column) -> float:
    """Found among those that have it."""
    return share(column.found, column.found + column.missed)


METRIC = Metric(
    forms=("classes", "several"),
    low=0.0,
    high=1.0,
    better="higher",
    rule="Not defined without positive cases; classes without any are left out of the mean.",
    measure=over_columns(formula),
)
