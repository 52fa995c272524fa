"""Share of cases called rightly; of several findings, share of calls that are right."""

from __future__ import annotations

import numpy as np

from isocenter.evidence.metrics._shared import Answers, Metric, mean


def measure(answers: Answers) -> float:
    """The share of known truths that were called."""
    known = ~np.isnan(answers.truth)
    return mean((answers.truth == answers.called)[known])


METRIC = Metric(
    forms=("classes", "several"),
    low=0.0,
    high=1.0,
    better="higher",
    rule="Not defined without cases.",
    measure=measure,
)
