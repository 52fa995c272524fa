"""Share of the cases without the finding that are not called; a mean over more than two classes or findings."""

from __future__ import annotations

from isocenter.evidence.metrics._shared import Column, Metric, over_columns, share


def formula(column: Column) -> float:
    """Cleared among those that do not have it."""
    return share(column.cleared, column.cleared + column.false_alarms)


METRIC = Metric(
    forms=("classes", "several"),
    low=0.0,
    high=1.0,
    better="higher",
    rule="Not defined without negative cases; classes without any are left out of the mean.",
    measure=over_columns(formula),
)
