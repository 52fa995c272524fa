"""The pictures of an evaluation: curves and matrices, and the cases that a doctor should look at."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isocenter.core.geometry import Geometry
from isocenter.core.image import Image, Intensity
from isocenter.core.reading import Measure
from isocenter.core.recipe import InputRecipe
from isocenter.core.words import say
from isocenter.delivery.modelfile.package import Package
from isocenter.delivery.reports.evaluation import CaseView, interval, valued
from isocenter.drawing.curves import Line, Reliability, agreement, precision_recall, probabilities, reliability, roc
from isocenter.drawing.matrix import confusion
from isocenter.drawing.montage import png, tile
from isocenter.drawing.sheet import Form
from isocenter.drawing.training import training
from isocenter.evidence import outcome
from isocenter.evidence.metrics._shared import Answers
from isocenter.pathway import decide
from isocenter.stages.evaluate.bench import Bench
from isocenter.stages.evaluate.results import Results

Drawing = Callable[[str, Form], bytes]
_COLOURS = ("red", "green", "blue")
_MOST_LINES = 12
_MISTAKES, _UNSURE = 15, 10


def figures(
    answers: Answers, results: Results, package: Package, log: Sequence[Mapping[str, Any]]
) -> dict[str, Drawing]:
    """How each figure is drawn, by its name, given a language and a form.

    Args:
        answers: what was true and what was said.
        results: what was measured of it.
        package: the model.
        log: of its training; empty where there is none.
    """
    found: dict[str, Drawing] = {}
    if answers.form == "number":
        found["agreement"] = _agreement(answers, package.label.unit or "")
    else:
        found |= _of_probabilities(answers, results, package)
    if log:
        found["training"] = lambda lang, form: training(log, lang=lang, form=form)
    return found


def gallery(bench: Bench, answers: Answers, package: Package) -> tuple[list[CaseView], list[CaseView]]:
    """The most confident mistakes, and the cases nearest to being called otherwise that are not among them."""
    wrong = outcome.worst(answers, _MISTAKES)
    applied = decide.thresholds(package.recipe, package.decision, answers.form)
    edges = [applied.get(name, decide.EVEN) for name in answers.classes]
    near = [row for row in outcome.least_sure(answers, _UNSURE + _MISTAKES, edges) if row not in wrong][:_UNSURE]

    def shown(row: int) -> CaseView:
        truth, said, sureness = _words_of(answers, row, package.label.unit)
        pixels = thumbnail(np.asarray(bench.pixels[row]), package.recipe.input)
        name = PurePosixPath(bench.cases[row].key).name
        return CaseView(png=pixels, name=name, truth=truth, said=said, sureness=sureness)

    return [shown(row) for row in wrong], [shown(row) for row in near]


def thumbnail(array: NDArray[Any], wanted: InputRecipe) -> bytes:
    """A prepared case (channel, [slice,] row, column) as a small picture: what the model sees; volumes by one slice."""
    coloured = tuple(wanted.channels) == _COLOURS
    image = Image(
        array=array,
        axes="CZYX" if wanted.dimensions == 3 else "CYX",
        geometry=Geometry.unknown(),
        intensity=Intensity.RGB if coloured else Intensity.RAW,
        channels=tuple(wanted.channels),
    )
    return png(tile(image, size=160).pixels)


def named(answers: Answers, values: NDArray[Any]) -> str:
    """The classes of one row, true or called, as people write them."""
    if answers.form == "classes":
        return answers.classes[int(values)]
    return ", ".join(name for name, there in zip(answers.classes, values, strict=True) if there == 1) or "–"


def _words_of(answers: Answers, row: int, unit: str | None) -> tuple[str, str, str]:
    if answers.form == "number":
        true, said = (f"{one:.4g} {unit or ''}".strip() for one in (answers.truth[row], answers.scores[row]))
        return true, said, ""
    truth, said = named(answers, answers.truth[row]), named(answers, answers.called[row])
    if answers.form == "classes":
        return truth, said, f"{answers.scores[row, int(answers.called[row])]:.2f}"
    return truth, said, f"{outcome.sureness(answers.at(np.array([row])))[0]:.2f}"


def _of_probabilities(answers: Answers, results: Results, package: Package) -> dict[str, Drawing]:
    columns = _shown_columns(answers, results)
    singles = {column: outcome.one_against_rest(answers, column)[0] for column in columns}
    found: dict[str, Drawing] = {}
    area = {column: _area(results.per_class.get(answers.classes[column], ())) for column in columns}
    rocs = [_line(answers, column, outcome.roc(one), area[column]) for column, one in singles.items()]
    if any(rocs):
        lines = [one for one in rocs if one]
        found["roc"] = lambda lang, form: roc(lines, lang=lang, form=form)
        recalls = [_line(answers, column, outcome.precision_recall(one)) for column, one in singles.items()]
        levels = {answers.classes[column]: float(one.truth.mean()) for column, one in singles.items()}
        found["precision_recall"] = lambda lang, form: precision_recall(
            [_levelled(one, levels[one.name]) for one in recalls if one], lang=lang, form=form
        )
    found["reliability"] = _reliability(answers, columns)
    if answers.form == "classes":
        found["probabilities"] = _probabilities(answers, package)
    if results.matrix is not None:
        matrix = results.matrix
        found["confusion"] = lambda lang, form: confusion(matrix, answers.classes, lang=lang, form=form)
    return found


def _shown_columns(answers: Answers, results: Results) -> list[int]:
    """The classes that get a line: all of them where they can be told apart, else those that are found least well."""
    columns = list(outcome.asked_about(answers))
    if len(columns) <= _MOST_LINES:
        return columns

    def area(column: int) -> float:
        known = results.per_class.get(answers.classes[column], ())
        return next((one.value for one in known if one.name == "auroc" and one.value is not None), 2.0)

    return sorted(sorted(columns, key=area)[:_MOST_LINES])


def _area(measures: Sequence[Measure]) -> str:
    known = next((one for one in measures if one.name == "auroc"), None)
    if known is None or known.value is None:
        return ""
    return f"{valued(known.value)} ({interval(known)})" if known.low is not None else valued(known.value)


def _line(answers: Answers, column: int, curve: outcome.Curve | None, note: str = "") -> Line | None:
    if curve is None:
        return None
    name = answers.classes[column]
    return Line(name=name, x=curve.x, y=curve.y, place=column, note=note, point=curve.point)


def _levelled(line: Line, level: float) -> Line:
    return Line(name=line.name, x=line.x, y=line.y, place=line.place, point=line.point, level=level)


def _reliability(answers: Answers, columns: Sequence[int]) -> Drawing:
    """Of two classes, the positive one's probability; of more, that of the likeliest; of several, all together."""
    if answers.form == "classes" and len(columns) == 1:
        single, _ = outcome.one_against_rest(answers, columns[0])
        return _drawn_reliability(outcome.reliability(single), answers.classes[columns[0]], columns[0])
    if answers.form == "classes":
        said, true = answers.scores.max(axis=1), answers.scores.argmax(axis=1) == answers.truth
    else:
        known = ~np.isnan(answers.truth)
        said, true = answers.scores[known], answers.truth[known] == 1
    pooled = Answers(
        form="classes", truth=true.astype(np.int64), scores=np.stack([1 - said, said], axis=1), called=true
    )
    key = "likeliest" if answers.form == "classes" else "findings"
    return _drawn_reliability(outcome.reliability(pooled), key, None)


def _drawn_reliability(binned: outcome.Binned, name: str, place: int | None) -> Drawing:
    def drawn(lang: str, form: Form) -> bytes:
        said = name if place is not None else say(f"curves.{name}", lang)
        one = Reliability(
            name=said, said=binned.said, true=binned.true, counts=binned.counts, edges=binned.edges, place=place or 0
        )
        return reliability([one], lang=lang, form=form)

    return drawn


def _probabilities(answers: Answers, package: Package) -> Drawing:
    """Of two classes, the positive one's probability by true class; of more, the probability of the true class."""
    truth = answers.truth.astype(np.int64)
    two = len(answers.classes) == 2
    said = answers.scores[:, answers.positive] if two else answers.scores[np.arange(len(truth)), truth]
    groups = {name: said[truth == place] for place, name in enumerate(answers.classes[:_MOST_LINES])}
    threshold = None
    if two:
        applied = decide.thresholds(package.recipe, package.decision, answers.form)
        threshold = applied.get(answers.classes[answers.positive], decide.EVEN)
    return lambda lang, form: probabilities(groups, threshold=threshold, lang=lang, form=form)


def _agreement(answers: Answers, unit: str) -> Drawing:
    limits = outcome.limits_of_agreement(answers)
    return lambda lang, form: agreement(answers.truth, answers.scores, limits=limits, unit=unit, lang=lang, form=form)
