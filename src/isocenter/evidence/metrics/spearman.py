"""Rank correlation: how well the estimates put the cases in order."""

from __future__ import annotations

import numpy as np

from isocenter.evidence.metrics._shared import UNDEFINED, Answers, Metric


def measure(answers: Answers) -> float:
    """The correlation of the ranks; equal values share theirs."""
    from scipy.stats import rankdata

    if not len(answers) or not np.ptp(answers.truth) or not np.ptp(answers.called):
        return UNDEFINED
    return float(np.corrcoef(rankdata(answers.truth), rankdata(answers.called))[0, 1])


METRIC = Metric(
    forms=("number",),
    low=-1.0,
    high=1.0,
    better="higher",
    rule="Not defined unless both the truths and the estimates differ between cases.",
    measure=measure,
)
