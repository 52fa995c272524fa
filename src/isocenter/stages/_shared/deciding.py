"""From what members said of cases that they had not seen: how outputs become findings, and how good they are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isocenter.core import registry
from isocenter.core.errors import UsageError
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
        patients: of the same cases; those with near-duplicates of another's images count as one (`blocks_of`).
    """

    logits: Floats
    targets: Floats
    patients: NDArray[Any]


def require_decidable(task: Task, recipe: Recipe) -> None:
    """Refuse, before anything is trained, a threshold that such answers cannot have."""
    wanted = recipe.decision
    if (wanted.sensitivity is None and wanted.threshold == "argmax") or _asked(task, recipe):
        return
    key = "decision.threshold" if wanted.sensitivity is None else "decision.sensitivity"
    which = f"one of {len(recipe.classes)} classes" if recipe.classes else "a number"
    raise UsageError(
        f"`{key}` asks for a threshold, and there is none to choose",
        why=f"the answer is {which}; a threshold belongs to one of two classes, or to each of several findings",
        remedy="Leave out `--sensitivity` and `decision.threshold`, or learn a label of two classes",
    )


def decided(
    task: Task, recipe: Recipe, judged: Judged, start: Decision, *, everybody: Floats | None = None
) -> Decision:
    """The temperature and the thresholds, found on judged cases; without any, `start` and what the recipe fixes.

    Args:
        task: what is asked.
        recipe: how it shall be decided.
        judged: what was said of cases that were not learned from.
        start: the decision that outputs were judged by while training.
        everybody: encoded targets of all training and validation cases, for the share of each class; those of the
            judged cases unless given.
    """
    begun = start
    if len(judged.logits) and recipe.decision.calibrate:
        begun = replace(start, temperature=temperature(judged.logits, judged.targets, task.decode, start=start))
    asked = _asked(task, recipe)
    if not asked:
        return begun
    scores = task.decode(judged.logits.reshape(len(judged.logits), task.outputs(recipe)), begun)
    truth = _columns(task.truth(judged.targets, begun), task, asked)
    known = judged.targets if everybody is None else everybody
    everyone = _columns(task.truth(known, begun), task, asked)
    found = {
        recipe.classes[one]: _threshold(recipe.decision, scores[:, one], truth[:, place], everyone[:, place])
        for place, one in enumerate(asked)
    }
    return replace(begun, thresholds={name: value for name, value in found.items() if value is not None})


def unmet(task: Task, recipe: Recipe, judged: Judged, decision: Decision) -> list[str]:
    """A warning for each threshold that was asked for and could not be chosen on the judged cases."""
    wanted = recipe.decision
    if wanted.sensitivity is None and wanted.threshold != "youden":
        return []
    asked = _asked(task, recipe)
    aim = "its best point" if wanted.sensitivity is None else f"{100 * wanted.sensitivity:g} % of its cases"
    instead = "from one half on" if task.form == "several" else "where it is likelier"
    truth = _columns(task.truth(judged.targets, decision), task, asked)
    warnings = []
    for place, one in enumerate(asked):
        name = recipe.classes[one]
        if name not in decision.thresholds:
            there = int(np.count_nonzero(truth[:, place] == 1))
            not_there = int(np.count_nonzero(truth[:, place] == 0))
            warnings.append(
                f"No threshold was chosen for `{name}` ({aim}): there are {there} validation cases with it and "
                f"{not_there} without. It is called {instead}. Divide the cohort anew with `--resplit`, or validate "
                "in folds: `--set validation.design=folds`."
            )
    return warnings


def _asked(task: Task, recipe: Recipe) -> list[int]:
    """The columns that can have a threshold: the positive one of two classes, or each of several findings."""
    if task.form == "classes" and len(recipe.classes) == 2:
        return [decide.positive_index(recipe)]
    return list(range(len(recipe.classes))) if task.form == "several" else []


def _columns(truth: NDArray[Any], task: Task, asked: list[int]) -> NDArray[np.float64]:
    """Whether each class that can have a threshold was true: 1, 0, or NaN where unknown (cases, asked)."""
    if task.form == "several":
        return truth.astype(np.float64)
    there: NDArray[np.float64] = (truth[:, None] == np.array(asked, dtype=np.int64)).astype(np.float64)
    return there


def _threshold(
    wanted: DecisionRecipe, scores: Floats, truth: NDArray[np.float64], everyone: NDArray[np.float64]
) -> float | None:
    """From which probability on a class is called; None where that is left to the likeliest, or cannot be chosen."""
    if wanted.sensitivity is None and isinstance(wanted.threshold, float):
        return wanted.threshold
    if wanted.sensitivity is None and wanted.threshold == "prevalence":
        there = everyone[~np.isnan(everyone)]
        return float(there.mean()) if 0 < there.sum() < len(there) else None
    known = ~np.isnan(truth)
    scores, there = scores[known], truth[known] == 1
    if there.all() or not there.any() or (wanted.sensitivity is None and wanted.threshold == "argmax"):
        return None
    if wanted.sensitivity is not None:
        return for_sensitivity(scores, there, wanted.sensitivity).threshold
    return youden(scores, there).threshold


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
    """The task's metrics on judged cases, with intervals over patients; none where no case was judged."""
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
