"""One of several grades in rising order, such as none, mild, severe.

The outputs are cumulative: output k is the logit of being worse than grade k, so there is one fewer than grades. The
target is a row with a 1 in the column of its grade; the cumulative targets are sums of it, so blends stay exact.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from isocenter.core.recipe import Recipe
from isocenter.pathway import decide
from isocenter.pathway.tasks._shared import Decision, Floats, LossSettings, class_count, one_of, sigmoid

if TYPE_CHECKING:
    from torch import Tensor


def outputs(recipe: Recipe) -> int:
    """One for each step from a grade to the next."""
    return class_count(recipe) - 1


def loss(logits: Tensor, targets: Tensor, settings: LossSettings) -> Tensor:
    """Cross-entropy of each step, averaged; a case weighs as its grade does."""
    from torch.nn import functional

    weights = targets @ targets.new_tensor(settings.class_weights)
    smooth = targets * (1 - settings.smoothing) + settings.smoothing / targets.shape[1]
    worse = smooth.flip(1).cumsum(1).flip(1)[:, 1:]
    each = functional.binary_cross_entropy_with_logits(logits, worse, reduction="none")
    return (each.mean(1) * weights).mean()


def decode(logits: Floats, decision: Decision) -> Floats:
    """The probability of each grade."""
    steps = falling(logits.astype(np.float64))
    if decision.shift:
        steps = shifted(steps, decide.shift(decision, logits.shape[1] + 1))
    worse = sigmoid(steps / decision.temperature)
    edges = np.pad(worse, ((0, 0), (1, 1)), constant_values=((0, 0), (1, 0)))
    scores: Floats = edges[:, :-1] - edges[:, 1:]
    return scores


def falling(logits: Floats) -> Floats:
    """Cumulative logits that never rise from one grade to the next, as being worse than more is never likelier.

    Where outputs contradict one another they meet halfway between the lowest before and the highest after, so that
    neither the milder nor the graver grades are favoured. Scaling and this may be done in either order.
    """
    lowest_before = np.minimum.accumulate(logits, axis=1)
    highest_after = np.maximum.accumulate(logits[:, ::-1], axis=1)[:, ::-1]
    halfway: Floats = (lowest_before + highest_after) / 2
    return halfway


def shifted(logits: Floats, shift: Floats) -> Floats:
    """Cumulative logits (cases, steps) that never rise, with so much taken off the odds of each grade (steps + 1,)."""
    end = np.full((len(logits), 1), np.inf)
    before, after = np.hstack([end, logits]), np.hstack([logits, -end])
    with np.errstate(invalid="ignore", divide="ignore"):  # outputs that are no numbers stay so, and the case abstains
        # The difference of two sigmoids as a product, which keeps what is small beside a near certainty.
        grades = sigmoid(before) * sigmoid(-after) * -np.expm1(after - before) * np.exp(-shift)
        milder, graver = grades.cumsum(axis=1)[:, :-1], grades[:, ::-1].cumsum(axis=1)[:, ::-1][:, 1:]
        odds: Floats = np.log(graver) - np.log(milder)
    return odds


def metrics(recipe: Recipe) -> Sequence[str]:
    """Those that heed how far a grade is off come first."""
    del recipe
    return ("quadratic_kappa", "mae_steps", "accuracy", "balanced_accuracy", "auroc", "log_loss", "ece")


TASK = one_of(combine="sigmoid", outputs=outputs, loss=loss, decode=decode, metrics=metrics)
