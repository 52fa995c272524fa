"""Mean squared error of the probabilities; 0 is perfect, 1 is sure and wrong throughout."""

from __future__ import annotations

import numpy as np

from isocenter.evidence.metrics._shared import Answers, Column, Metric, mean, over_columns


def measure(answers: Answers) -> float:
    """Of one of several classes: half the squared errors of all of them, which for two is the error of either."""
    if answers.form == "several":
        return over_columns(formula)(answers)
    true = np.eye(answers.scores.shape[1])[answers.truth.astype(np.int64)]
    return mean(((answers.scores - true) ** 2).sum(axis=1) / 2)


def formula(column: Column) -> float:
    """The squared error of the probability of one finding."""
    return mean((column.score - column.truth) ** 2)


METRIC = Metric(
    forms=("classes", "several"),
    low=0.0,
    high=1.0,
    better="lower",
    rule="Not defined without cases; findings of which nothing is known are left out of the mean.",
    measure=measure,
)
