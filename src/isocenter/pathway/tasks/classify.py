"""One of several classes, such as benign or malignant."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from isocenter.core.recipe import Recipe
from isocenter.pathway import decide
from isocenter.pathway.tasks._shared import Decision, Floats, LossSettings, class_count, one_of, softmax

if TYPE_CHECKING:
    from torch import Tensor

OF_TWO = ("auroc", "balanced_accuracy", "accuracy", "sensitivity", "specificity", "precision", "f1", "auprc", "mcc")
OF_MORE = ("auroc", "balanced_accuracy", "accuracy", "f1", "auprc", "mcc", "kappa")
OF_PROBABILITIES = ("log_loss", "brier", "ece")


def loss(logits: Tensor, targets: Tensor, settings: LossSettings) -> Tensor:
    """Cross-entropy; a case weighs as its class does, a blended case as its parts together."""
    from torch.nn import functional

    # The weight is given to the case and not to the classes, so that smoothing favours no rare class.
    each = functional.cross_entropy(logits, targets, reduction="none", label_smoothing=settings.smoothing)
    return (each * (targets @ targets.new_tensor(settings.class_weights))).mean()


def decode(logits: Floats, decision: Decision) -> Floats:
    """The probability of each class."""
    with np.errstate(invalid="ignore"):  # logits that are no numbers stay so, and the case abstains
        shifted = logits.astype(np.float64) - decide.shift(decision, logits.shape[1])
        scores: Floats = softmax(shifted / decision.temperature)
    return scores


def metrics(recipe: Recipe) -> Sequence[str]:
    """Two classes are reported as a test with a positive answer, more as means over the classes."""
    return (*(OF_TWO if len(recipe.classes) == 2 else OF_MORE), *OF_PROBABILITIES)


TASK = one_of(combine="softmax", outputs=class_count, loss=loss, decode=decode, metrics=metrics)
