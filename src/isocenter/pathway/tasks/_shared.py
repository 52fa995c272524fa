"""The contract of a task: how labels become targets, how outputs are judged while learning, how they become findings.

Scores are what `decode` makes of logits (after calibration): probabilities of classes, or numbers. Metrics and reports
see scores and targets alone. Torch is imported inside `loss` and nowhere else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from isocenter.core.labels import Kind, LabelDefinition, Value
from isocenter.core.reading import Finding
from isocenter.core.recipe import Recipe

if TYPE_CHECKING:
    from torch import Tensor

Floats = NDArray[np.floating[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class LossSettings:
    """What a task's loss may heed.

    Attributes:
        class_weights: one per output, mean 1 over the training cases; all 1 where balance is not asked for.
        smoothing: share of each label that is spread over all classes.
    """

    class_weights: tuple[float, ...]
    smoothing: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """How scores become findings; stored in the model file, applied by every runtime.

    Attributes:
        temperature: what logits are divided by; 1 where nothing was calibrated.
        thresholds: by class; a class is called from its threshold on. Empty: the likeliest class is called.
        offset, scale: of a number, what turns an output back into its unit.
    """

    temperature: float = 1.0
    thresholds: Mapping[str, float]
    offset: float = 0.0
    scale: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One kind of question.

    Attributes:
        kinds: the kinds of label that it can learn from.
        outputs: number of outputs (logits) for the classes of a recipe.
        target: a label's value as an array of shape (targets,) in float32, or None where it cannot be learned from
            (absent, unknown, a class that is not in the recipe).
        targets: the whole target array is (cases, width(recipe)).
        loss: logits (batch, outputs), soft targets (batch, targets), settings -> mean loss; soft targets may be blends
            of two cases (mixup), unknown entries are NaN.
        decode: logits and decision -> scores (cases, classes) or (cases, 1).
        findings: the scores of one case, the recipe, the decision and the label's definition -> findings.
        metrics: names on the shelf of metrics that are reported, the first being the one that is chosen by.
        stratum: one case's target -> a text by which splits and folds are balanced.
    """

    kinds: tuple[Kind, ...]
    outputs: Callable[[Recipe], int]
    target: Callable[[Value | None, Recipe], Floats | None]
    loss: Callable[[Tensor, Tensor, LossSettings], Tensor]
    decode: Callable[[Floats, Decision], Floats]
    findings: Callable[[Floats, Recipe, Decision, LabelDefinition | None], tuple[Finding, ...]]
    metrics: Callable[[Recipe], Sequence[str]]
    stratum: Callable[[Floats], str]
