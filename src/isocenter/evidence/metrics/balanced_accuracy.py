"""Mean over the classes of the share of their cases that is found."""

from __future__ import annotations

import numpy as np

from isocenter.evidence.metrics._shared import Answers, Metric, confusion, mean


def measure(answers: Answers) -> float:
    """The mean of the classes' sensitivities."""
    table = confusion(answers)
    cases = table.sum(axis=1)
    there = cases > 0
    return mean(np.diag(table)[there] / cases[there])


METRIC = Metric(
    forms=("classes",),
    low=0.0,
    high=1.0,
    better="higher",
    rule="Classes without cases are left out of the mean; not defined without cases.",
    measure=measure,
)
