"""Any number of findings at once, such as effusion and nodule in one chest radiograph."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from isocenter.core.errors import UsageError
from isocenter.core.labels import ClassesValue, Kind, LabelDefinition, Value
from isocenter.core.reading import Finding
from isocenter.core.recipe import Recipe
from isocenter.pathway import decide
from isocenter.pathway.tasks._shared import Balance, Decision, Floats, LossSettings, Task, named_findings, sigmoid

if TYPE_CHECKING:
    from torch import Tensor


def outputs(recipe: Recipe) -> int:
    """One for each finding."""
    if not recipe.classes:
        raise UsageError(
            f"The task `{recipe.task}` must have one class or more, got none",
            remedy="Name them under `classes` in the recipe",
        )
    return len(recipe.classes)


def target(value: Value | None, recipe: Recipe) -> Floats | None:
    """1 for a finding that is there, 0 for one that is not, NaN where the reader could not tell.

    What was said of other classes is passed over. A case of which nothing is known teaches nothing.
    """
    if not isinstance(value, ClassesValue):
        return None
    row = np.array([float(name in value.values) for name in recipe.classes], dtype=np.float32)
    row[[name in value.unknown for name in recipe.classes]] = np.nan
    return None if np.isnan(row).all() else row


def truth(targets: Floats, decision: Decision) -> NDArray[Any]:
    """As it was learned: 0, 1 or NaN."""
    del decision
    return targets


def weights(targets: Floats, balance: Balance) -> tuple[float, ...]:
    """How much the presence of a finding counts against its absence: as many times as it is rarer."""
    there, known = np.nansum(targets, axis=0, dtype=np.float64), (~np.isnan(targets)).sum(axis=0)
    if balance == "none":
        return (1.0,) * len(targets.T)
    rarer: Floats = np.where((there > 0) & (there < known), (known - there) / np.maximum(there, 1.0), 1.0)
    return tuple(map(float, rarer if balance == "weights" else np.sqrt(rarer)))


def loss(logits: Tensor, targets: Tensor, settings: LossSettings) -> Tensor:
    """Cross-entropy of each finding, averaged over those that are known."""
    from torch.nn import functional

    known = ~targets.isnan()
    smooth = targets.nan_to_num(0.0) * (1 - settings.smoothing) + settings.smoothing / 2
    each = functional.binary_cross_entropy_with_logits(
        logits, smooth, reduction="none", pos_weight=targets.new_tensor(settings.class_weights)
    )
    return (each * known).sum() / known.sum().clamp_min(1)


def decode(logits: Floats, decision: Decision) -> Floats:
    """The probability of each finding."""
    return sigmoid((logits.astype(np.float64) - decide.shift(decision, logits.shape[1])) / decision.temperature)


def findings(
    scores: Floats, recipe: Recipe, decision: Decision, definition: LabelDefinition | None
) -> tuple[Finding, ...]:
    """One for every class; any number of them is called."""
    called = decide.called(scores[None], recipe, decision, TASK.form)[0]
    return named_findings(scores, called, recipe, decide.thresholds(recipe, decision, TASK.form), definition)


def metrics(recipe: Recipe) -> Sequence[str]:
    """Means over the findings."""
    del recipe
    return ("auroc", "auprc", "f1", "sensitivity", "specificity", "accuracy", "hamming", "log_loss", "brier", "ece")


def stratum(target: Floats) -> str:
    """The findings that are there."""
    return " ".join(str(place) for place in np.flatnonzero(target == 1))


TASK = Task(
    kinds=(Kind.CLASSES,),
    form="several",
    combine="sigmoid",
    outputs=outputs,
    width=outputs,
    target=target,
    truth=truth,
    weights=weights,
    loss=loss,
    decode=decode,
    findings=findings,
    metrics=metrics,
    stratum=stratum,
)
