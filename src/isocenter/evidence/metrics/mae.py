"""How far an estimate is off, on average, in the unit of the label."""

from __future__ import annotations

import numpy as np

from isocenter.evidence.metrics._shared import Answers, Metric, mean


def measure(answers: Answers) -> float:
    """The mean distance."""
    return mean(np.abs(answers.called - answers.truth))


METRIC = Metric(
    forms=("number",),
    low=0.0,
    high=float("inf"),
    better="lower",
    rule="Not defined without cases.",
    measure=measure,
    in_unit=True,
)
