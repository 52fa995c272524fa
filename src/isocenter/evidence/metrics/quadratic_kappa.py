"""Agreement on grades beyond chance; a call two grades off weighs four times one that is one off."""

from __future__ import annotations

import numpy as np

from isocenter.evidence.metrics._shared import Answers, Metric, agreement


def measure(answers: Answers) -> float:
    """A disagreement weighs as the square of its steps."""
    grades = np.arange(answers.scores.shape[1], dtype=np.float64)
    return agreement(answers, (grades[:, None] - grades) ** 2)


METRIC = Metric(
    forms=("classes",),
    low=-1.0,
    high=1.0,
    better="higher",
    rule="Not defined where truth and calls are all of one grade.",
    measure=measure,
)
