"""The learning rate at a step: a pure function, so that a resumed training cannot jump."""

from __future__ import annotations

import math

from isocenter.core.recipe import TrainingRecipe

RISE = 0.2
"""Share of the steps during which the rate of `one_cycle` rises."""

FIRST, LAST = 1 / 25, 1 / 10_000
"""Where `one_cycle` begins and ends, as a share of the highest rate."""


def rate_at(step: int, training: TrainingRecipe) -> float:
    """The learning rate of a step, counted from 0."""
    highest = training.learning_rate
    done = step / max(training.steps - 1, 1)
    if training.schedule == "constant":
        return highest
    if training.schedule == "cosine":
        return _between(highest, highest * LAST, done)
    if done < RISE:
        return _between(highest * FIRST, highest, done / RISE)
    return _between(highest, highest * LAST, (done - RISE) / (1 - RISE))


def _between(start: float, end: float, share: float) -> float:
    """From start to end along half a cosine."""
    return end + (start - end) * (1 + math.cos(math.pi * min(share, 1.0))) / 2
