"""The contract of a task: how labels become targets, how outputs are judged while learning, how they become findings.

Scores are what `decode` makes of logits (after calibration): probabilities of classes, or numbers. Metrics and reports
see scores and truth alone. Torch is imported inside `loss` and nowhere else.

The way of a target, the same for every task and in this order:

    rows = [task.target(value, recipe) for each case]     None: the case is left out; the rest stacked: (cases, width)
    fitted = task.decision_from(rows of training cases)   offset and scale of a number; kept in the model's decision
    targets = task.encode(rows, fitted)                   once, for all cases; estimators, loop and mixup see these
    task.weights(targets of training cases, balance)      for `LossSettings`
    task.loss(logits, targets, settings)
    task.truth(targets, fitted)                           undoes `encode`: what `Answers.truth` wants, in the unit

`evaluate` goes the same way with the decision of the model file: `truth(encode(targets, decision), decision)`. For
classes `decision_from` fits nothing and `encode` changes nothing, and nobody needs to know which task it is. Whoever
trains with weights begins with `decide.unweighted(fitted, weights)`, so that `decode` takes them off again. The final
decision takes over that one: `replace(begun, temperature=..., thresholds=...)`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from isocenter.core.errors import UsageError
from isocenter.core.labels import ClassDefinition, ClassValue, Kind, LabelDefinition, Value
from isocenter.core.reading import ClassFinding, Finding
from isocenter.core.recipe import Recipe
from isocenter.pathway import decide
from isocenter.pathway.decide import Decision as Decision
from isocenter.pathway.decide import Floats as Floats
from isocenter.pathway.decide import Form as Form

if TYPE_CHECKING:
    from torch import Tensor

Balance = Literal["none", "weights", "root_weights"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LossSettings:
    """What a task's loss may heed.

    Attributes:
        class_weights: one per column of the targets, as `Task.weights` gives them.
        smoothing: share of each label that is spread over all classes.
    """

    class_weights: tuple[float, ...]
    smoothing: float = 0.0


def nothing_fitted(targets: Floats) -> Decision:
    """The decision of a task that learns nothing from its targets."""
    del targets
    return Decision(thresholds={})


def as_given(targets: Floats, decision: Decision) -> Floats:
    """Targets that are learned as they are."""
    del decision
    return targets


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One kind of question.

    Attributes:
        kinds: the kinds of label that it can learn from.
        form: the form of its answers, as metrics and `decide` see them.
        combine: how the outputs of several members are averaged: as probabilities of one class, of many, or as numbers.
        outputs: number of outputs (logits) for the classes of a recipe.
        width: number of columns of the targets.
        target: a label's value as an array of shape (width,) in float32, or None where it cannot be learned from
            (absent, unknown, a class that is not in the recipe).
        decision_from: targets of the training cases (cases, width) -> the decision with offset and scale.
        encode: targets (cases, width) and decision -> what is learned, of the same shape.
        truth: encoded targets (cases, width) and decision -> what was true, in the form that metrics see.
        weights: encoded targets of the training cases and how rare classes are to count -> one weight per column.
        loss: logits (batch, outputs), soft encoded targets (batch, width), settings -> mean loss; soft targets may be
            blends of two cases (mixup), unknown entries are NaN.
        decode: logits and decision -> scores (cases, classes) or (cases, 1).
        findings: the scores of one case, the recipe, the decision and the label's definition -> findings.
        metrics: names on the shelf of metrics that are reported, the first being the one that is chosen by.
        stratum: one case's encoded target -> a text by which splits and folds are balanced.
    """

    kinds: tuple[Kind, ...]
    form: Form
    combine: Literal["softmax", "sigmoid", "mean"]
    outputs: Callable[[Recipe], int]
    width: Callable[[Recipe], int]
    target: Callable[[Value | None, Recipe], Floats | None]
    decision_from: Callable[[Floats], Decision] = nothing_fitted
    encode: Callable[[Floats, Decision], Floats] = as_given
    truth: Callable[[Floats, Decision], NDArray[Any]]
    weights: Callable[[Floats, Balance], tuple[float, ...]]
    loss: Callable[[Tensor, Tensor, LossSettings], Tensor]
    decode: Callable[[Floats, Decision], Floats]
    findings: Callable[[Floats, Recipe, Decision, LabelDefinition | None], tuple[Finding, ...]]
    metrics: Callable[[Recipe], Sequence[str]]
    stratum: Callable[[Floats], str]


def softmax(logits: Floats) -> Floats:
    """Probabilities that add up to 1 in each row; here because loading scipy takes longer than reading a picture."""
    raised = np.exp(logits - logits.max(axis=1, keepdims=True))
    scores: Floats = raised / raised.sum(axis=1, keepdims=True)
    return scores


def sigmoid(logits: Floats) -> Floats:
    """The probability behind each logit, without overflow on either side."""
    tamed = np.exp(-np.abs(logits))
    scores: Floats = np.where(logits >= 0, 1.0, tamed) / (1.0 + tamed)
    return scores


def class_count(recipe: Recipe) -> int:
    """The number of classes, of which there must be two to tell apart."""
    if len(recipe.classes) < 2:
        raise UsageError(
            f"The task `{recipe.task}` must have two classes or more, got {len(recipe.classes)}",
            remedy="Name them under `classes` in the recipe",
        )
    return len(recipe.classes)


def one_hot(value: Value | None, recipe: Recipe) -> Floats | None:
    """The class of a case as a row with a 1 in its column."""
    if not isinstance(value, ClassValue) or value.value not in recipe.classes:
        return None
    row = np.zeros(len(recipe.classes), dtype=np.float32)
    row[recipe.classes.index(value.value)] = 1.0
    return row


def class_truth(targets: Floats, decision: Decision) -> NDArray[Any]:
    """The number of the class of each case."""
    del decision
    places: NDArray[Any] = targets.argmax(axis=1)
    return places


def class_stratum(target: Floats) -> str:
    """The class of a case, as a text."""
    return str(int(target.argmax()))


def class_weights(targets: Floats, balance: Balance) -> tuple[float, ...]:
    """How much a case of each class counts, so that the mean over the cases is 1."""
    counts = targets.sum(axis=0, dtype=np.float64)
    if balance == "none" or not counts.any():
        return (1.0,) * len(targets.T)
    weights: Floats = 1.0 / np.maximum(counts, 1.0) ** (1.0 if balance == "weights" else 0.5)
    weights *= counts.sum() / (weights * counts).sum()
    return tuple(map(float, weights))


def case_weights(form: Form, targets: Floats, weights: Sequence[float]) -> Floats:
    """How much each case counts, as in a task's `loss`: (cases,), or of several findings (cases, findings).

    Args:
        form: of the task's answers.
        targets: encoded (cases, width).
        weights: as `Task.weights` gives them.
    """
    if form == "several":
        return np.where(targets == 1, np.array(weights, np.float32), np.float32(1.0))
    if form == "classes":
        each: Floats = (targets @ np.array(weights)).astype(np.float32)
        return each
    return np.ones(len(targets), np.float32)


def class_findings(
    scores: Floats, recipe: Recipe, decision: Decision, definition: LabelDefinition | None
) -> tuple[Finding, ...]:
    """One finding for every class of one case; one of them is called."""
    called = np.arange(len(scores)) == decide.called(scores[None], recipe, decision, "classes")
    return named_findings(scores, called, recipe, decide.thresholds(recipe, decision, "classes"), definition)


def named_findings(
    scores: Floats,
    called: NDArray[Any],
    recipe: Recipe,
    thresholds: Mapping[str, float],
    definition: LabelDefinition | None,
) -> tuple[Finding, ...]:
    """One finding for every class of one case, in the order of the recipe.

    Args:
        scores: probability of each class (classes,).
        called: whether each class is called (classes,).
        recipe: names the classes.
        thresholds: those that were applied, by class.
        definition: codes and recommendations of the classes.
    """
    known = {one.name: one for one in definition.classes} if definition else {}
    each = [known.get(name, ClassDefinition(name=name)) for name in recipe.classes]
    return tuple(
        ClassFinding(
            label=one.name,
            probability=float(scores[place]),
            called=bool(called[place]),
            threshold=thresholds.get(one.name),
            code=one.code,
            recommendation=one.recommendation,
        )
        for place, one in enumerate(each)
    )


def one_of(
    *,
    combine: Literal["softmax", "sigmoid"],
    outputs: Callable[[Recipe], int],
    loss: Callable[[Tensor, Tensor, LossSettings], Tensor],
    decode: Callable[[Floats, Decision], Floats],
    metrics: Callable[[Recipe], Sequence[str]],
) -> Task:
    """A task whose answer is one of several classes; the attributes are those of `Task`."""
    return Task(
        kinds=(Kind.CLASS,),
        form="classes",
        combine=combine,
        outputs=outputs,
        width=class_count,
        target=one_hot,
        truth=class_truth,
        weights=class_weights,
        loss=loss,
        decode=decode,
        findings=class_findings,
        metrics=metrics,
        stratum=class_stratum,
    )
