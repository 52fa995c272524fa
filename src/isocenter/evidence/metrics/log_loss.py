"""How surprised the model is by the truth: the mean of minus the logarithm of what it gave to it."""

from __future__ import annotations

import numpy as np

from isocenter.evidence.metrics._shared import Answers, Array, Column, Metric, mean, over_columns

SMALLEST = float(np.finfo(np.float64).eps)
"""A probability of 0 would make one surprise endless."""


def measure(answers: Answers) -> float:
    """Of one of several classes: the surprise at the true one. Of several findings: at the truth of each."""
    if answers.form == "several":
        return over_columns(formula)(answers)
    given = answers.scores[np.arange(len(answers)), answers.truth.astype(np.int64)]
    return surprise(given)


def formula(column: Column) -> float:
    """The surprise at the presence or absence of one finding."""
    return surprise(np.where(column.truth, column.score, 1.0 - column.score))


def surprise(given: Array) -> float:
    """The mean of minus the logarithm."""
    return mean(-np.log(np.clip(given.astype(np.float64), SMALLEST, 1.0 - SMALLEST)))


METRIC = Metric(
    forms=("classes", "several"),
    low=0.0,
    high=float("inf"),
    better="lower",
    rule="Not defined without cases; findings of which nothing is known are left out of the mean.",
    measure=measure,
)
