"""Temperature scaling: one number that makes probabilities come true as often as they say."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from isocenter.pathway.decide import Decision, Floats

LOWEST, HIGHEST = 0.05, 20.0
SMALLEST = 1e-12
"""A probability of 0 would make one surprise endless."""


PLAIN = Decision(thresholds={})


def temperature(
    logits: Floats, targets: Floats, decode: Callable[[Floats, Decision], Floats], *, start: Decision = PLAIN
) -> float:
    """What logits are to be divided by, so that the log-loss on these cases is smallest.

    Being sure of nothing but a few right answers would drive the temperature to its end, so there is a prior for 1
    that weighs less than one case. Where there is nothing to learn from (no cases, truth of one kind only, numbers),
    and where no temperature is better, it is 1.

    Args:
        logits: (cases, outputs); cases whose outputs are no numbers are passed over.
        targets: of the same cases (cases, classes), as the task makes them; NaN where unknown.
        decode: of the task: logits and decision -> probabilities (cases, classes).
        start: what else is decided, such as the shift that undoes the weights of training.
    """
    from scipy.optimize import minimize_scalar

    fine = np.isfinite(logits).all(axis=1)
    logits, targets = logits[fine], targets[fine]
    if not _teaches(logits, targets, decode, start):
        return 1.0

    def cost(logarithm: float) -> float:
        scores = decode(logits, replace(start, temperature=float(np.exp(logarithm))))
        return _surprise(scores, targets) + logarithm**2 / 2

    bounds = (float(np.log(LOWEST)), float(np.log(HIGHEST)))
    best = float(minimize_scalar(cost, bounds=bounds, method="bounded", options={"xatol": 1e-4}).x)
    return float(np.clip(np.exp(best), LOWEST, HIGHEST)) if cost(best) < cost(0.0) else 1.0


def _teaches(logits: Floats, targets: Floats, decode: Callable[[Floats, Decision], Floats], start: Decision) -> bool:
    """Whether some target differs between cases and the temperature makes a difference."""
    known = ~np.isnan(targets)
    lowest = np.where(known, targets, np.inf).min(axis=0, initial=np.inf)
    highest = np.where(known, targets, -np.inf).max(axis=0, initial=-np.inf)
    if not (highest > lowest).any():
        return False
    cool, hot = (decode(logits, replace(start, temperature=one)) for one in (0.5, 2.0))
    return not np.array_equal(cool, hot)


def _surprise(scores: Floats, targets: Floats) -> float:
    """Minus the logarithm of what was given to the truth, summed over the cases and over all that is known of them.

    Rows that sum to 1, in truth and in what was said, are one of several classes; there the probability of the true
    class says all. Else each column is a finding of its own, whose absence counts as well.
    """
    scores = np.clip(scores, SMALLEST, 1.0 - SMALLEST)
    exclusive = np.allclose(scores.sum(axis=1), 1.0) and np.allclose(targets.sum(axis=1), 1.0)
    given = targets * np.log(scores)
    if not exclusive:
        given = given + (1.0 - targets) * np.log1p(-scores)
    return -float(np.nansum(given))
