"""The evaluation of a model on one page: what was asked, how well it did, where it failed, what that rests on."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from isocenter.core.reading import Measure
from isocenter.core.words import say
from isocenter.drawing.look import PALETTE, number, share
from isocenter.drawing.template import inlined, rendered, sentences

SECTION = "evaluation"
METRICS = "metrics"
_HEADLINE, _CLINICAL = 3, ("sensitivity", "specificity")
_MATRIX = 12
"""A larger confusion matrix than this is a picture, not a table."""


@dataclass(frozen=True, slots=True)
class Note:
    """Something a person should know: the key of a sentence in `locales` and what stands in it."""

    key: str
    values: Mapping[str, Any] = field(default_factory=dict)

    def said(self, lang: str = "en") -> str:
        """The sentence."""
        return say(f"{SECTION}.{self.key}", lang, **self.values)


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseView:
    """One case of the gallery: a picture (PNG), its name, what was true, what was said, and how surely."""

    png: bytes
    name: str
    truth: str
    said: str
    sureness: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatingView:
    """Where a class is called, how that point was chosen, and what came of it on these cases."""

    label: str
    threshold: float | None
    chosen: Note
    measures: Sequence[Measure]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChoiceView:
    """One decision of the recipe, its value, and the reason that the plan gave."""

    name: str
    value: str
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationView:
    """Everything that the report shows; what is empty is left out.

    Attributes:
        model, cohort, split: what was judged, on what.
        task, label, classes, positive, unit: what was asked.
        look: the how-manieth look at this split.
        seen: whether the model has seen these cases before.
        cases, patients: how many were judged.
        metrics, per_class: what was measured.
        validation: the same on the model's own validation cases, by name.
        plain: the results in words.
        confusion: counts by true and called class, in the order of `classes`.
        operating: where the model works.
        figures: PNG or SVG by name: `roc`, `precision_recall`, `reliability`, `probabilities`, `confusion`,
            `agreement`, `training`.
        balance: class to cases judged; `prevalence` is its share among the training cases.
        splits: split to cases of the whole cohort.
        left_out: reason to cases.
        mistakes, unsure: the gallery.
        choices: the recipe.
        warnings, limits: to be read first, and to be kept in mind.
        provenance: what a number can be traced by, name of a sentence to value.
        made, version: when, and by which version of the program.
    """

    model: str
    cohort: str
    split: str
    task: str
    label: str
    look: int
    cases: int
    patients: int
    metrics: Sequence[Measure]
    classes: Sequence[str] = ()
    positive: str | None = None
    unit: str | None = None
    seen: bool = False
    per_class: Mapping[str, Sequence[Measure]] = field(default_factory=dict)
    validation: Mapping[str, Measure] = field(default_factory=dict)
    plain: Sequence[Note] = ()
    confusion: Sequence[Sequence[int]] = ()
    operating: Sequence[OperatingView] = ()
    figures: Mapping[str, bytes] = field(default_factory=dict)
    balance: Mapping[str, int] = field(default_factory=dict)
    prevalence: Mapping[str, float] = field(default_factory=dict)
    splits: Mapping[str, int] = field(default_factory=dict)
    left_out: Mapping[str, int] = field(default_factory=dict)
    mistakes: Sequence[CaseView] = ()
    unsure: Sequence[CaseView] = ()
    choices: Sequence[ChoiceView] = ()
    warnings: Sequence[Note] = ()
    limits: Sequence[Note] = ()
    provenance: Mapping[str, str] = field(default_factory=dict)
    made: str = ""
    version: str = ""


def evaluation_report(view: EvaluationView, lang: str = "en") -> str:
    """The report of an evaluation, in English or Chinese, as the text of one HTML file.

    Args:
        view: what to show.
        lang: `en` or `zh`.
    """
    sentence = sentences(SECTION, lang)
    return rendered(
        "evaluation.html.j2",
        package=__package__,
        lang=lang,
        view=view,
        t=sentence,
        split=split_name(view.split, lang),
        question=_question(view, sentence, lang),
        headline=[_row(one, view, lang) for one in _headline(view.metrics)],
        plain=[one.said(lang) for one in view.plain],
        warnings=[one.said(lang) for one in view.warnings],
        limits=[one.said(lang) for one in view.limits],
        rows=[_row(one, view, lang) for one in view.metrics],
        rules=_rules([*view.metrics, *(one for some in view.per_class.values() for one in some)], lang),
        compared=bool(view.validation),
        per_class=_per_class(view, lang),
        matrix=_matrix(view) if len(view.classes) <= _MATRIX else [],
        operating=[_operating(one, view, lang) for one in view.operating],
        figures={name: inlined(picture) for name, picture in view.figures.items()},
        balance=_balance(view),
        splits={split_name(name, lang): count for name, count in view.splits.items()},
        gallery=[(name, _tiles(some)) for name, some in (("mistakes", view.mistakes), ("unsure", view.unsure)) if some],
        provenance=[(sentence(f"from_{name}"), value) for name, value in view.provenance.items() if value],
    )


def metric_name(name: str, lang: str = "en") -> str:
    """What people call a metric."""
    try:
        return say(f"{METRICS}.{name}", lang)
    except KeyError:  # a metric that somebody added has no sentence here, and a name of its own
        return name.replace("_", " ")


def short_name(name: str, lang: str = "en") -> str:
    """What people call a metric, without the explanation in brackets."""
    return re.split(r" ?[(（]", metric_name(name, lang))[0]


def split_name(name: str, lang: str = "en") -> str:
    """What people call a split."""
    return say(f"{SECTION}.split_{name}", lang) if name in ("train", "val", "test", "all") else name


def valued(value: float | None, unit: str | None = None) -> str:
    """A measured number: three digits after the point where it is a share, as many as it takes where it has a unit."""
    if value is None or math.isnan(value):
        return "–"
    if unit:
        return f"{number(float(f'{value:.3g}'))} {unit}"
    return f"{value:.3f}"


def interval(one: Measure) -> str:
    """The interval of a measured number, or a dash."""
    if one.low is None or one.high is None:
        return "–"
    return f"{valued(one.low)} – {valued(one.high)}"


def _row(one: Measure, view: EvaluationView, lang: str) -> dict[str, Any]:
    before = view.validation.get(one.name)
    return {
        "name": metric_name(one.name, lang),
        "value": valued(one.value, one.unit),
        "interval": interval(one),
        "n": one.n,
        "before": valued(before.value, before.unit) if before else "–",
        "undefined": one.value is None,
    }


def _headline(metrics: Sequence[Measure]) -> list[Measure]:
    """What stands on top: what the model is chosen by, then how much it finds and clears, or what is measured next."""
    first, known = list(metrics[:1]), {one.name: one for one in metrics[1:]}
    clinical = [known[name] for name in _CLINICAL if name in known]
    return [*first, *(clinical if len(clinical) == len(_CLINICAL) else metrics[1:_HEADLINE])]


def _rules(measures: Sequence[Measure], lang: str) -> list[str]:
    """What was done where a number is not defined or has no interval, once for each name."""
    rules = {metric_name(one.name, lang): one.rule for one in measures if one.low is None and one.rule}
    return [f"{name}: {rule}" for name, rule in rules.items()]


def _question(view: EvaluationView, sentence: Callable[..., str], lang: str) -> str:
    if not view.classes:
        return sentence("asks_number", label=view.label)
    if view.positive and len(view.classes) == 2:
        other = next((name for name in view.classes if name != view.positive), "")
        return sentence("asks_positive", positive=view.positive, other=other)
    listed = (", " if lang == "en" else "、").join(view.classes)
    return sentence("asks_several" if view.task == "multilabel" else "asks_classes", classes=listed, label=view.label)


def _per_class(view: EvaluationView, lang: str) -> dict[str, Any]:
    """The table of one class against the rest: the names of its columns, and a row for each class."""
    names = list(dict.fromkeys(one.name for some in view.per_class.values() for one in some))
    rows = []
    for name, some in view.per_class.items():
        known = {one.name: one for one in some}
        cells = [(valued(known[one].value), interval(known[one])) if one in known else ("–", "–") for one in names]
        colour = _colour(view, name)
        rows.append({"name": name, "count": view.balance.get(name, 0), "cells": cells, "colour": colour})
    return {"names": [short_name(one, lang) for one in names], "rows": rows}


def _matrix(view: EvaluationView) -> list[dict[str, Any]]:
    """The confusion matrix as rows of a table; a cell is as dark as its share of the true class."""
    rows = []
    for place, (name, counts) in enumerate(zip(view.classes, view.confusion, strict=False)):
        total = sum(counts)
        cells = [
            {
                "count": count,
                "share": share(count, total),
                "shade": round(count / total, 3) if total else 0.0,
                "dark": bool(total) and count / total > 0.5,
                "right": place == column,
            }
            for column, count in enumerate(counts)
        ]
        rows.append({"name": name, "cells": cells, "total": total, "colour": _colour(view, name)})
    return rows


def _operating(one: OperatingView, view: EvaluationView, lang: str) -> dict[str, Any]:
    return {
        "label": one.label,
        "threshold": "–" if one.threshold is None else f"{one.threshold:.3f}",
        "chosen": one.chosen.said(lang),
        "rows": [_row(measure, view, lang) for measure in one.measures],
    }


def _balance(view: EvaluationView) -> list[dict[str, Any]]:
    total, most = view.cases, max([*view.balance.values(), 1])
    return [
        {
            "name": name,
            "count": count,
            "share": share(count, total),
            "training": f"{100 * view.prevalence[name]:.0f} %" if name in view.prevalence else "–",
            "width": round(100 * count / most, 2),
            "colour": _colour(view, name),
        }
        for name, count in view.balance.items()
    ]


def _tiles(cases: Sequence[CaseView]) -> list[dict[str, str]]:
    return [
        {
            "source": inlined(one.png),
            "name": one.name,
            "truth": one.truth,
            "said": one.said,
            "sureness": one.sureness,
        }
        for one in cases
    ]


def _colour(view: EvaluationView, name: str) -> str:
    return PALETTE[list(view.classes).index(name) % len(PALETTE)] if name in view.classes else PALETTE[-1]
