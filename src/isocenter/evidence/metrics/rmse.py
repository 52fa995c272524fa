"""How far an estimate is off, in the unit of the label; large errors weigh more."""

from __future__ import annotations

import numpy as np

from isocenter.evidence.metrics._shared import Answers, Metric, mean


def measure(answers: Answers) -> float:
    """The root of the mean squared distance."""
    return float(np.sqrt(mean((answers.called - answers.truth) ** 2)))


METRIC = Metric(
    forms=("number",),
    low=0.0,
    high=float("inf"),
    better="lower",
    rule="Not defined without cases.",
    measure=measure,
    in_unit=True,
)
