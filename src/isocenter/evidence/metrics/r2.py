"""Share of the variation between cases that the estimates explain; 0 is no better than the mean."""

from __future__ import annotations

from isocenter.evidence.metrics._shared import UNDEFINED, Answers, Metric, share


def measure(answers: Answers) -> float:
    """1 less what is left of the variation."""
    if not len(answers):
        return UNDEFINED
    left = float(((answers.called - answers.truth) ** 2).sum())
    return 1.0 - share(left, float(((answers.truth - answers.truth.mean()) ** 2).sum()))


METRIC = Metric(
    forms=("number",),
    low=float("-inf"),
    high=1.0,
    better="higher",
    rule="Not defined where all cases are equal.",
    measure=measure,
)
