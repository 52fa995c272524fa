"""Share of calls that are right (positive predictive value); a mean over more than two classes or findings."""

from __future__ import annotations

from isocenter.evidence.metrics._shared import Column, Metric, Tally, of_columns, of_two


def tally(column: Column) -> Tally:
    """Found among those that were called."""
    return Tally(column.truth & column.called, column.called)


METRIC = Metric(
    forms=("classes", "several"),
    low=0.0,
    high=1.0,
    better="higher",
    rule="Not defined where nothing is called; classes that are never called are left out of the mean.",
    measure=of_columns(tally),
    tally=of_two(tally),
)
