"""Share of calls that are wrong, over all findings of all cases."""

from __future__ import annotations

import numpy as np

from isocenter.evidence.metrics._shared import Answers, Metric, mean


def measure(answers: Answers) -> float:
    """The share of known truths that were not called."""
    known = ~np.isnan(answers.truth)
    return mean((answers.truth != answers.called)[known])


METRIC = Metric(
    forms=("several",),
    low=0.0,
    high=1.0,
    better="lower",
    rule="Not defined without cases.",
    measure=measure,
)
