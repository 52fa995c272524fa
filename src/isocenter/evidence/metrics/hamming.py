"""Share of calls that are wrong, over all findings of all cases."""

from __future__ import annotations

from isocenter.evidence.metrics._shared import Answers, Metric, of_known

tally = of_known(lambda answers: answers.truth != answers.called)


def measure(answers: Answers) -> float:
    """The share of known truths that were not called."""
    return tally(answers).value


METRIC = Metric(
    forms=("several",),
    low=0.0,
    high=1.0,
    better="lower",
    rule="Not defined without cases.",
    measure=measure,
    tally=tally,
)
