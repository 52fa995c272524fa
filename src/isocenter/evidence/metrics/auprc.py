"""Area under the precision-recall curve, as average precision: how pure the calls stay as more cases are found."""

from __future__ import annotations

import numpy as np

from isocenter.evidence.metrics._shared import Column, Metric, mean, over_columns


def formula(column: Column) -> float:
    """The mean over the positive cases of the precision when all that is scored as high as they is called."""
    positive = np.sort(column.score[column.truth])
    found = len(positive) - np.searchsorted(positive, positive)
    called = len(column.score) - np.searchsorted(np.sort(column.score), positive)
    return mean(found / called)


METRIC = Metric(
    forms=("classes", "several"),
    low=0.0,
    high=1.0,
    better="higher",
    rule="Not defined without positive cases; classes without any are left out of the mean.",
    measure=over_columns(formula),
)
