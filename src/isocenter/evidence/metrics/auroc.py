"""Area under the ROC curve: how often a case with the finding is scored above one without it."""

from __future__ import annotations

import numpy as np

from isocenter.evidence.metrics._shared import Column, Metric, over_columns, share


def formula(column: Column) -> float:
    """The share of pairs of a positive and a negative case in right order; a tie counts half."""
    positive, negative = np.sort(column.score[column.truth]), np.sort(column.score[~column.truth])
    below = np.searchsorted(negative, positive, side="left").sum()
    below_or_equal = np.searchsorted(negative, positive, side="right").sum()
    return share(float(below + below_or_equal) / 2, len(positive) * len(negative))


METRIC = Metric(
    forms=("classes", "several"),
    low=0.0,
    high=1.0,
    better="higher",
    rule="Not defined unless there are positive and negative cases; classes without both are left out of the mean.",
    measure=over_columns(formula),
)
