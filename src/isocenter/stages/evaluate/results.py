"""From answers to what is reported: measures with intervals, tables by class, where the model works, plain words."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isocenter.core.reading import Measure
from isocenter.delivery.modelfile.package import Package
from isocenter.delivery.reports.evaluation import Note, OperatingView, valued
from isocenter.evidence.metrics._shared import Answers, confusion
from isocenter.evidence.outcome import one_against_rest
from isocenter.evidence.statistics.bootstrap import REPEATS, measure, repeats_for
from isocenter.pathway import decide
from isocenter.stages._shared.material import task_named
from isocenter.stages.evaluate.bench import Bench

BY_CLASS = ("auroc", "sensitivity", "specificity", "precision", "f1")
AT_THE_POINT = ("sensitivity", "specificity", "precision")
FEW = 20
"""With fewer cases of a class than this, a person is told that little can be concluded."""
_MOST_POINTS = 4
_REPEATS = REPEATS


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """What came of the model on the cases.

    Attributes:
        metrics, per_class: with intervals.
        matrix: counts by true and called class; None where there are no single classes.
        balance: cases of each class.
        operating: where the model works.
        plain: the same in words.
        notes: what a person should know of the numbers.
    """

    metrics: list[Measure]
    per_class: dict[str, list[Measure]]
    matrix: NDArray[np.integer[Any]] | None
    balance: dict[str, int]
    operating: list[OperatingView]
    plain: list[Note]
    notes: list[Note]


def measured(bench: Bench, answers: Answers, package: Package) -> Results:
    """Measure everything that is reported."""
    recipe = package.recipe
    metrics = measure(
        answers,
        task_named(recipe.task).metrics(recipe),
        groups=bench.blocks,
        repeats=_REPEATS,
        seed=recipe.seed,
        unit=package.label.unit,
    )
    balance = _balance(answers)
    per_class = _per_class(bench, answers, recipe.seed)
    operating = _operating(answers, package, metrics, per_class)
    return Results(
        metrics=metrics,
        per_class=per_class,
        matrix=confusion(answers) if answers.form == "classes" else None,
        balance=balance,
        operating=operating,
        plain=_plain(answers, metrics, per_class, balance),
        notes=[*_few(balance), *_missed_aim(package, operating)],
    )


def _balance(answers: Answers) -> dict[str, int]:
    if answers.form == "number":
        return {}
    if answers.form == "several":
        counts = np.nansum(answers.truth, axis=0).astype(int)
    else:
        counts = np.bincount(answers.truth.astype(np.int64), minlength=len(answers.classes))
    return {name: int(count) for name, count in zip(answers.classes, counts, strict=True)}


def _per_class(bench: Bench, answers: Answers, seed: int) -> dict[str, list[Measure]]:
    """Each class against the rest."""
    found: dict[str, list[Measure]] = {}
    if answers.form == "number":
        return found
    repeats, blocks = repeats_for(answers.scores.size, _REPEATS), bench.blocks  # for all classes together
    for column, name in enumerate(answers.classes):
        single, rows = one_against_rest(answers, column)
        if len(rows):
            found[name] = measure(single, BY_CLASS, groups=blocks[rows], repeats=repeats, seed=seed)
    return found


def _operating(
    answers: Answers, package: Package, metrics: Sequence[Measure], per_class: dict[str, list[Measure]]
) -> list[OperatingView]:
    """Where each class is called and what comes of it: the positive one of two classes, or a few findings."""
    recipe, decision = package.recipe, package.decision
    if answers.form == "number" or (answers.form == "classes" and len(answers.classes) != 2):
        return []
    applied = decide.thresholds(recipe, decision, answers.form)
    asked = [answers.classes[answers.positive]] if answers.form == "classes" else list(answers.classes)
    if len(asked) > _MOST_POINTS:
        return []
    return [
        OperatingView(
            label=name,
            threshold=applied.get(name, decide.EVEN),
            chosen=_chosen(package, name, answers.form),
            measures=[one for one in per_class.get(name, metrics) if one.name in AT_THE_POINT],
        )
        for name in asked
    ]


def _chosen(package: Package, name: str, form: str) -> Note:
    """How a threshold came to be."""
    asked = package.recipe.decision
    if name not in package.decision.thresholds:
        return Note("chosen_likeliest" if form == "classes" else "chosen_even")
    if asked.sensitivity is not None:
        return Note("chosen_sensitivity", {"wanted": f"{100 * asked.sensitivity:g}", "label": name})
    return Note(f"chosen_{asked.threshold}" if asked.threshold in ("prevalence", "youden") else "chosen_fixed")


def _plain(
    answers: Answers, metrics: Sequence[Measure], per_class: Mapping[str, Sequence[Measure]], balance: dict[str, int]
) -> list[Note]:
    """What the numbers mean, in sentences about a hundred cases."""
    if answers.form == "number":
        error = _named(metrics, "mae")
        return _sentence("plain_number", error, lambda value: valued(value, error.unit if error else None))
    if answers.form == "classes" and len(answers.classes) == 2:
        name = answers.classes[answers.positive]
        return _plain_of_two(name, per_class[name], balance)
    notes = []
    if answers.form == "classes":
        notes += _sentence("plain_accuracy", _named(metrics, "accuracy"), _of_hundred)
    found = {name: one for name, some in per_class.items() if (one := _named(some, "sensitivity"))}
    if found:
        name = min(found, key=lambda one: found[one].value or 0.0)
        notes += _sentence("plain_weakest", found[name], _of_hundred, name=name)
    return notes


def _plain_of_two(name: str, measures: Sequence[Measure], balance: dict[str, int]) -> list[Note]:
    common = f"{100 * balance[name] / max(sum(balance.values()), 1):.0f}"
    return [
        *_sentence("plain_found", _named(measures, "sensitivity"), _of_hundred, positive=name),
        *_sentence("plain_alarms", _turned(_named(measures, "specificity")), _of_hundred, positive=name),
        *_sentence("plain_right", _named(measures, "precision"), _of_hundred, positive=name, share=common),
    ]


def _sentence(key: str, one: Measure | None, said: Callable[[float], str], **values: str) -> list[Note]:
    """The sentence about a number that is defined and has an interval."""
    if one is None or one.value is None or one.low is None or one.high is None:
        return []
    return [Note(key, {"value": said(one.value), "low": said(one.low), "high": said(one.high), **values})]


def _named(measures: Sequence[Measure], name: str) -> Measure | None:
    """The measure of that name, where it is defined."""
    return next((one for one in measures if one.name == name and one.value is not None), None)


def _turned(one: Measure | None) -> Measure | None:
    """A share as the share of the others: specificity as false alarms."""
    if one is None or one.value is None or one.low is None or one.high is None:
        return None
    return one.model_copy(update={"value": 1 - one.value, "low": 1 - one.high, "high": 1 - one.low})


def _of_hundred(value: float) -> str:
    """A share as cases out of a hundred; nearly all is not all, hardly any is not none."""
    return f"{100 * value:.1f}" if 0 < value < 0.01 or 0.99 < value < 1 else f"{100 * value:.0f}"


def _few(balance: dict[str, int]) -> list[Note]:
    none = [Note("warn_no_case", {"name": name}) for name, count in balance.items() if not count]
    few = [Note("warn_few", {"name": name, "count": count}) for name, count in balance.items() if 0 < count < FEW]
    return none + few


def _missed_aim(package: Package, operating: Sequence[OperatingView]) -> list[Note]:
    """Whether a threshold that was to find a share of the cases finds clearly fewer here."""
    wanted = package.recipe.decision.sensitivity
    if wanted is None:
        return []
    notes = []
    for one in operating:
        found = _named(one.measures, "sensitivity")
        if found and one.label in package.decision.thresholds and (found.high or 0.0) < wanted:
            said = {"wanted": f"{100 * wanted:g}", "label": one.label, "found": _of_hundred(found.value or 0.0)}
            notes.append(Note("warn_missed_aim", said))
    return notes
