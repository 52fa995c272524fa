"""Matthews correlation between truth and call: 1 perfect, 0 no better than chance."""

from __future__ import annotations

import numpy as np

from isocenter.evidence.metrics._shared import UNDEFINED, Answers, Metric, confusion


def measure(answers: Answers) -> float:
    """The correlation of two tables of classes, for two classes or more."""
    table = confusion(answers).astype(np.float64)
    cases, true, called = table.sum(), table.sum(axis=1), table.sum(axis=0)
    spread_of_truth, spread_of_calls = cases**2 - true @ true, cases**2 - called @ called
    if not spread_of_truth:
        return UNDEFINED
    if not spread_of_calls:
        return 0.0
    return float((np.trace(table) * cases - true @ called) / np.sqrt(spread_of_truth * spread_of_calls))


METRIC = Metric(
    forms=("classes",),
    low=-1.0,
    high=1.0,
    better="higher",
    rule="0 where all calls are of one class; not defined unless there are cases of two classes.",
    measure=measure,
)
