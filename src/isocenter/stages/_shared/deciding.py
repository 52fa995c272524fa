"""From what members said of cases that they had not seen: how outputs become findings, and how good they are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isocenter.core import registry
from isocenter.core.reading import Measure
from isocenter.core.recipe import DecisionRecipe, Recipe
from isocenter.evidence import metrics
from isocenter.evidence.metrics._shared import Answers, Metric
from isocenter.evidence.statistics.bootstrap import measure
from isocenter.evidence.statistics.calibration import temperature
from isocenter.evidence.statistics.thresholds import for_sensitivity, youden
from isocenter.pathway import decide
from isocenter.pathway.decide import Decision, Floats
from isocenter.pathway.tasks._shared import Task


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """Cases with what was said of them by a network that had not learned from them.

    Attributes:
        logits: (cases, outputs).
        targets: of the same cases, encoded.
        patients: of the same cases.
    """

    logits: Floats
    targets: Floats
    patients: NDArray[Any]


def decided(task: Task, recipe: Recipe, judged: Judged, start: Decision) -> Decision:
    """The temperature and the thresholds, found on judged cases; `start` where there are none."""
    if not len(judged.logits):
        return start
    heat = temperature(judged.logits, judged.targets, task.decode) if recipe.decision.calibrate else 1.0
    calibrated = replace(start, temperature=heat)
    scores, truth = task.decode(judged.logits, calibrated), task.truth(judged.targets, start)
    if task.form == "classes" and len(recipe.classes) == 2:
        asked = {decide.positive_index(recipe): truth == decide.positive_index(recipe)}
    elif task.form == "several":
        asked = {column: truth[:, column] for column in range(len(recipe.classes))}
    else:
        return calibrated
    found = {recipe.classes[one]: _threshold(recipe.decision, scores[:, one], given) for one, given in asked.items()}
    return replace(calibrated, thresholds={name: value for name, value in found.items() if value is not None})


def _threshold(wanted: DecisionRecipe, scores: Floats, truth: NDArray[Any]) -> float | None:
    """From which probability on a class is called; None where that is left to the likeliest, or cannot be chosen."""
    if wanted.sensitivity is None and isinstance(wanted.threshold, float):
        return wanted.threshold
    known = ~np.isnan(truth.astype(float))
    scores, truth = scores[known], truth[known].astype(bool)
    if truth.all() or not truth.any() or (wanted.sensitivity is None and wanted.threshold == "argmax"):
        return None
    if wanted.sensitivity is not None:
        return for_sensitivity(scores, truth, wanted.sensitivity).threshold
    return youden(scores, truth).threshold


def answers(task: Task, recipe: Recipe, judged: Judged, decision: Decision) -> Answers:
    """What was true and what was said, in the form that metrics see."""
    scores = task.decode(judged.logits, decision)
    called = decide.called(scores, recipe, decision, task.form)
    return Answers(
        form=task.form,
        truth=task.truth(judged.targets, decision),
        scores=scores[:, 0] if task.form == "number" else scores,
        called=called,
        positive=decide.positive_index(recipe) if len(recipe.classes) == 2 else 1,
        classes=recipe.classes,
    )


def validated(task: Task, recipe: Recipe, judged: Judged, decision: Decision) -> list[Measure]:
    """The task's metrics on judged cases, with intervals over patients."""
    if not len(judged.logits):
        return []
    return measure(answers(task, recipe, judged, decision), task.metrics(recipe), groups=judged.patients)


def judge_of(task: Task, recipe: Recipe, start: Decision) -> Callable[[Floats, Floats], tuple[float, dict[str, float]]]:
    """What is measured at each look: the task's first metric."""
    name = task.metrics(recipe)[0]
    metric: Metric = registry.get(metrics, name)

    def judge(logits: Floats, targets: Floats) -> tuple[float, dict[str, float]]:
        if not np.isfinite(logits).all():
            return float("nan"), {name: float("nan")}
        nobody = np.arange(len(logits))
        judged = Judged(logits=logits, targets=targets, patients=nobody)
        value = metric.measure(answers(task, recipe, judged, start))
        return value if metric.better == "higher" else -value, {name: value}

    return judge
