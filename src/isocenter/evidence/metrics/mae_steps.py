"""How many grades a call is off, on average."""

from __future__ import annotations

import numpy as np

from isocenter.evidence.metrics._shared import Answers, Metric, mean


def measure(answers: Answers) -> float:
    """The mean distance of the called from the true grade, in places."""
    return mean(np.abs(answers.truth - answers.called))


METRIC = Metric(
    forms=("classes",),
    low=0.0,
    high=float("inf"),
    better="lower",
    rule="Not defined without cases.",
    measure=measure,
)
