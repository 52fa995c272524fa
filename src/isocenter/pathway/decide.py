"""From scores to what is called: the likeliest class, each class from its threshold on, or the number itself.

Findings, evaluation and the choice of a model all decide here, so that a probability never means one thing in a
report and another at work.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from isocenter.core.errors import IsocenterError, UsageError
from isocenter.core.recipe import Recipe
from isocenter.core.registry import unknown
from isocenter.core.words import listed, say

Floats = NDArray[np.floating[Any]]
Form = Literal["classes", "several", "number"]
"""One class of several, any number of them, or a number; `evidence.metrics` says what the arrays then look like."""

EVEN = 0.5
"""From here on one of several findings is called where no threshold was chosen for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """How scores become findings; stored in the model file, applied by every runtime.

    Attributes:
        temperature: what logits are divided by; 1 where nothing was calibrated.
        thresholds: by class; a class is called from its threshold on. Empty: the likeliest class is called.
        offset, scale: of a number, what turns an output back into its unit.
        shift: of each class, the logarithm of how much more it counted in training; taken off before the temperature,
            so that probabilities speak of cases as common as they are. Empty where all classes counted alike.
    """

    temperature: float = 1.0
    thresholds: Mapping[str, float]
    offset: float = 0.0
    scale: float = 1.0
    shift: tuple[float, ...] = ()


def unweighted(decision: Decision, weights: Sequence[float]) -> Decision:
    """The decision of a model that was trained with such weights, as a task gives them: it undoes them.

    Rare classes that count more are learned better, and are said to be more common than they are.
    """
    if all(weight == 1.0 for weight in weights):
        return replace(decision, shift=())
    return replace(decision, shift=tuple(float(one) for one in np.log(weights)))


def shift(decision: Decision, count: int) -> Floats:
    """What is taken off the logarithm of the odds of each of so many classes."""
    if not decision.shift:
        return np.zeros(count)
    if len(decision.shift) != count:
        raise UsageError(f"The decision's `shift` must have {count} numbers, got {len(decision.shift)}")
    return np.array(decision.shift, dtype=np.float64)


def positive_index(recipe: Recipe) -> int:
    """Of two classes, the place of the one that is being asked for: the second, unless the recipe names one."""
    if recipe.positive is None:
        return 1
    if recipe.positive not in recipe.classes:
        raise unknown("class", recipe.positive, recipe.classes)
    return recipe.classes.index(recipe.positive)


def thresholds(recipe: Recipe, decision: Decision, form: Form) -> dict[str, float]:
    """The threshold that is applied to each class; none where the likeliest class is called."""
    _check_thresholds(recipe, decision, form)
    even = dict.fromkeys(recipe.classes, EVEN) if form == "several" else {}
    return {**even, **decision.thresholds}


def called(scores: Floats, recipe: Recipe, decision: Decision, form: Form) -> NDArray[Any]:
    """What is decided for each case.

    Args:
        scores: as a task's `decode` gives them, (cases, classes) or (cases, 1).
        recipe: names the classes and the positive one.
        decision: holds the thresholds.
        form: of the task's answers.

    Returns:
        `classes`: the number of the class (cases,). `several`: 0 or 1 for each class (cases, classes). `number`: the
        number (cases,).
    """
    if not np.isfinite(scores).all():
        raise IsocenterError(
            "Nothing can be decided from scores that are no numbers",
            remedy="Leave out the cases for which `reasons_to_abstain` gives a reason",
        )
    applied = thresholds(recipe, decision, form)
    if form == "number":
        return scores[:, 0]
    if form == "several":
        return (scores >= np.array([applied[name] for name in recipe.classes])).astype(np.int64)
    if not applied:
        likeliest: NDArray[Any] = scores.argmax(axis=1)
        return likeliest
    positive = positive_index(recipe)
    return np.where(scores[:, positive] >= applied[recipe.classes[positive]], positive, 1 - positive)


def reasons_to_abstain(logits: Floats, lang: str = "en") -> list[str | None]:
    """Why the model must not speak of a case, or None; one for each case of logits (cases, outputs)."""
    fine: NDArray[np.bool_] = np.all(np.isfinite(logits), axis=1)
    return [None if one else say("decide.not_finite", lang) for one in fine]


def _check_thresholds(recipe: Recipe, decision: Decision, form: Form) -> None:
    if not decision.thresholds:
        return
    allowed: tuple[str, ...] = ()
    if form == "several":
        allowed = recipe.classes
    elif form == "classes" and len(recipe.classes) == 2:
        allowed = (recipe.classes[positive_index(recipe)],)
    strange = [name for name in decision.thresholds if name not in allowed]
    if strange:
        raise UsageError(
            f"There can be no threshold for {listed(strange)}",
            why="a threshold belongs to the positive one of two classes, or to one of several findings",
            remedy=f"Known: {', '.join(allowed) or 'none'}",
        )
