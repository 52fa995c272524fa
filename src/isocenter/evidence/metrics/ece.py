"""Expected calibration error: how far probabilities are from how often they come true."""

from __future__ import annotations

import numpy as np

from isocenter.evidence.metrics._shared import UNDEFINED, Answers, Array, Column, Metric, columns, mean_defined

BINS = 10


def measure(answers: Answers) -> float:
    """Of two classes and of each finding: the positive probability. Of more classes: that of the likeliest one."""
    if answers.form == "classes" and answers.scores.shape[1] > 2:
        likeliest = answers.scores.argmax(axis=1)
        return gap(answers.scores.max(axis=1, initial=0.0), likeliest == answers.truth)
    return mean_defined([formula(column) for column in columns(answers)])


def formula(column: Column) -> float:
    """The gap of one finding."""
    return gap(column.score, column.truth)


def gap(said: Array, came_true: Array) -> float:
    """Mean gap between mean probability and share that came true, over ten equal ranges weighed by their cases."""
    if not len(said):
        return UNDEFINED
    place = np.minimum((said * BINS).astype(np.int64), BINS - 1)
    difference = np.bincount(place, weights=said - came_true, minlength=BINS)
    return float(np.abs(difference).sum() / len(said))


METRIC = Metric(
    forms=("classes", "several"),
    low=0.0,
    high=1.0,
    better="lower",
    rule="Not defined without cases; findings of which nothing is known are left out of the mean.",
    measure=measure,
    no_interval="No interval: among cases drawn again and again this gap is larger than it is.",
)
