"""A number, such as an age, a volume or an ejection fraction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from isocenter.core.labels import Kind, LabelDefinition, NumberValue, Value
from isocenter.core.reading import Finding, NumberFinding
from isocenter.core.recipe import Recipe
from isocenter.pathway import decide
from isocenter.pathway.tasks._shared import Balance, Decision, Floats, LossSettings, Task, nothing_fitted

if TYPE_CHECKING:
    from torch import Tensor


def one(recipe: Recipe) -> int:
    """One output, one target."""
    del recipe
    return 1


def target(value: Value | None, recipe: Recipe) -> Floats | None:
    """The number, in its unit."""
    del recipe
    if not isinstance(value, NumberValue) or not abs(value.value) <= float(np.finfo(np.float32).max):
        return None  # no number, too large for one, or NaN, of which no comparison is true
    return np.array([value.value], dtype=np.float32)


def decision_from(targets: Floats) -> Decision:
    """Mean and standard deviation of the training cases; where all are equal there is nothing to divide by."""
    if not len(targets):
        return nothing_fitted(targets)
    offset, scale = float(targets.mean(dtype=np.float64)), float(targets.std(dtype=np.float64))
    return replace(nothing_fitted(targets), offset=offset, scale=scale if np.ptp(targets) > 0 else 1.0)


def encode(targets: Floats, decision: Decision) -> Floats:
    """Targets with mean 0 and deviation 1, so that one learning rate suits every unit."""
    return ((targets.astype(np.float64) - decision.offset) / decision.scale).astype(np.float32)


def decode(outputs: Floats, decision: Decision) -> Floats:
    """The number, in its unit."""
    return outputs.astype(np.float64) * decision.scale + decision.offset


def truth(targets: Floats, decision: Decision) -> NDArray[Any]:
    """The true number of each case, in its unit."""
    return decode(targets, decision)[:, 0]


def weights(targets: Floats, balance: Balance) -> tuple[float, ...]:
    """Numbers have no classes that could be rare."""
    del targets, balance
    return (1.0,)


def loss(logits: Tensor, targets: Tensor, settings: LossSettings) -> Tensor:
    """Squared error near the truth, plain error beyond one standard deviation, so that outliers do not rule."""
    from torch.nn import functional

    del settings
    return functional.smooth_l1_loss(logits, targets)


def findings(
    scores: Floats, recipe: Recipe, decision: Decision, definition: LabelDefinition | None
) -> tuple[Finding, ...]:
    """The number with its unit."""
    value = float(decide.called(scores[None], recipe, decision, TASK.form)[0])
    return (NumberFinding(label=recipe.label, value=value, unit=definition.unit if definition else None),)


def metrics(recipe: Recipe) -> Sequence[str]:
    """How far off, and how well in order."""
    del recipe
    return ("mae", "rmse", "r2", "spearman")


def stratum(target: Floats) -> str:
    """By its third of a bell curve, which needs no knowledge of the other cases."""
    return "low" if target[0] < -0.43 else "middle" if target[0] < 0.43 else "high"


TASK = Task(
    kinds=(Kind.NUMBER,),
    form="number",
    combine="mean",
    outputs=one,
    width=one,
    target=target,
    decision_from=decision_from,
    encode=encode,
    truth=truth,
    weights=weights,
    loss=loss,
    decode=decode,
    findings=findings,
    metrics=metrics,
    stratum=stratum,
)
