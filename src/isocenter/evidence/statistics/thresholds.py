"""From which probability on the positive class is called, chosen on validation cases."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isocenter.core.errors import UsageError
from isocenter.core.words import counted


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatingPoint:
    """A threshold and what it costs on the cases that it was chosen on.

    Attributes:
        threshold: a case is called positive from this score on.
        sensitivity: share of the positive cases that it finds.
        specificity: share of the negative cases that it clears; None where there were none.
        positives, negatives: how many cases of each kind it was chosen on.
    """

    threshold: float
    sensitivity: float
    specificity: float | None
    positives: int
    negatives: int


def youden(scores: NDArray[np.floating[Any]], truth: NDArray[Any]) -> OperatingPoint:
    """The threshold whose sensitivity and specificity together are highest; of several such, the most sensitive.

    It lies halfway between the lowest score that is called and the next one below, as far as possible from both.

    Args:
        scores: of the positive class (cases,).
        truth: whether each case is positive (cases,).
    """
    scores, truth = np.asarray(scores, dtype=np.float64), np.asarray(truth, dtype=bool)
    _check(truth, "positive", wanted=True)
    _check(truth, "negative", wanted=False)
    distinct = np.unique(scores)
    found = truth.sum() - np.searchsorted(np.sort(scores[truth]), distinct)
    cleared = np.searchsorted(np.sort(scores[~truth]), distinct)
    # In whole numbers, so that equally good thresholds are equal.
    worth = found * np.count_nonzero(~truth) + cleared * np.count_nonzero(truth)
    place = int(np.argmax(worth))
    lowest_called = float(distinct[place])
    halfway = (lowest_called + float(distinct[place - 1])) / 2 if place else lowest_called
    apart = place > 0 and float(distinct[place - 1]) < halfway
    return _point(scores, truth, halfway if apart else lowest_called)


def for_sensitivity(scores: NDArray[np.floating[Any]], truth: NDArray[Any], wanted: float) -> OperatingPoint:
    """The highest threshold that still finds the wanted share of the positive cases.

    Args:
        scores: of the positive class (cases,).
        truth: whether each case is positive (cases,).
        wanted: share of the positive cases that must be found, above 0, at most 1.
    """
    if not 0 < wanted <= 1:
        raise UsageError(f"The wanted sensitivity must be above 0 and at most 1, got {wanted}")
    scores, truth = np.asarray(scores, dtype=np.float64), np.asarray(truth, dtype=bool)
    _check(truth, "positive", wanted=True)
    positive = np.sort(scores[truth])[::-1]
    enough = int(np.ceil(wanted * len(positive) - 1e-9))  # 0.7 of 10 cases are 7, whatever binary fractions say
    return _point(scores, truth, float(positive[enough - 1]))


def _check(truth: NDArray[np.bool_], kind: str, *, wanted: bool) -> None:
    if not (truth == wanted).any():
        raise UsageError(
            "No threshold can be chosen",
            why=f"there is no {kind} case among {counted(len(truth), 'validation case')}",
            remedy="Set `decision.threshold: argmax` in the recipe, or divide the cohort anew with `--resplit`",
        )


def _point(scores: NDArray[np.floating[Any]], truth: NDArray[np.bool_], threshold: float) -> OperatingPoint:
    called = scores >= threshold
    positives, negatives = int(np.count_nonzero(truth)), int(np.count_nonzero(~truth))
    return OperatingPoint(
        threshold=threshold,
        sensitivity=int(np.count_nonzero(called & truth)) / positives,
        specificity=int(np.count_nonzero(~called & ~truth)) / negatives if negatives else None,
        positives=positives,
        negatives=negatives,
    )
