"""Share of the cases without the finding that are not called; a mean over more than two classes or findings."""

from __future__ import annotations

from isocenter.evidence.metrics._shared import Column, Metric, Tally, of_columns, of_two


def tally(column: Column) -> Tally:
    """Cleared among those that do not have it."""
    return Tally(~column.truth & ~column.called, ~column.truth)


METRIC = Metric(
    forms=("classes", "several"),
    low=0.0,
    high=1.0,
    better="higher",
    rule="Not defined without negative cases; classes without any are left out of the mean.",
    measure=of_columns(tally),
    tally=of_two(tally),
)
