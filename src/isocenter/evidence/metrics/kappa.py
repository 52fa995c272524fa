"""Cohen's kappa: agreement with the truth beyond what chance would give."""

from __future__ import annotations

import numpy as np

from isocenter.evidence.metrics._shared import Answers, Metric, agreement


def measure(answers: Answers) -> float:
    """Every disagreement weighs the same."""
    return agreement(answers, 1.0 - np.eye(answers.scores.shape[1]))


METRIC = Metric(
    forms=("classes",),
    low=-1.0,
    high=1.0,
    better="higher",
    rule="Not defined where truth and calls are all of one class.",
    measure=measure,
)
