"""What came of a model on some cases, as tables and curves: who was taken for whom, at which threshold, how surely."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isocenter.evidence.metrics._shared import Answers

Values = NDArray[np.floating[Any]]
Rows = NDArray[np.integer[Any]]
BINS = 10
_MOST_POINTS = 400
"""Points of a curve that are kept: more cannot be seen, and a report is mailed."""


@dataclass(frozen=True, slots=True)
class Curve:
    """A curve with the point at which the model works, where it works at one."""

    x: Values
    y: Values
    point: tuple[float, float] | None


@dataclass(frozen=True, slots=True)
class Binned:
    """Of each bin of probability: the mean probability, the share that came true (both NaN where empty), the count."""

    said: Values
    true: Values
    counts: Rows
    edges: Values


def asked_about(answers: Answers) -> tuple[int, ...]:
    """The columns that a table or a chart shows: the positive class of two, else each."""
    if answers.form == "number":
        return ()
    if answers.form == "classes" and answers.scores.shape[1] == 2:
        return (answers.positive,)
    return tuple(range(answers.scores.shape[1]))


def one_against_rest(answers: Answers, column: int) -> tuple[Answers, Rows]:
    """One class against all others, as answers of two classes, and the rows that could be judged."""
    if answers.form == "several":
        rows = np.flatnonzero(~np.isnan(answers.truth[:, column]))
        truth = answers.truth[rows, column].astype(np.int64)
        called = answers.called[rows, column].astype(np.int64)
    else:
        rows = np.arange(len(answers))
        truth = (answers.truth == column).astype(np.int64)
        called = (answers.called == column).astype(np.int64)
    said = answers.scores[rows, column]
    named = answers.classes[column] if answers.classes else str(column)
    single = Answers(
        form="classes",
        truth=truth,
        scores=np.stack([1 - said, said], axis=1),
        called=called,
        positive=1,
        classes=("", named),
    )
    return single, rows


def roc(single: Answers) -> Curve | None:
    """False alarms and sensitivity at every threshold; None where a class has no case."""
    from sklearn.metrics import roc_curve

    if len(np.unique(single.truth)) < 2:
        return None
    x, y, _ = roc_curve(single.truth, single.scores[:, 1])
    positive, called = single.truth == 1, single.called == 1
    point = (float(called[~positive].mean()), float(called[positive].mean()))
    return Curve(*_thinned(x, y), point)


def precision_recall(single: Answers) -> Curve | None:
    """Sensitivity and precision at every threshold; None where a class has no case."""
    from sklearn.metrics import precision_recall_curve

    if len(np.unique(single.truth)) < 2:
        return None
    y, x, _ = precision_recall_curve(single.truth, single.scores[:, 1])
    y, x = y[:-1], x[:-1]  # the last point stands for no call at all, where precision is not defined
    positive, called = single.truth == 1, single.called == 1
    point = (float(called[positive].mean()), float(positive[called].mean())) if called.any() else None
    return Curve(*_thinned(x[::-1], y[::-1]), point)


def reliability(single: Answers, bins: int = BINS) -> Binned:
    """Probabilities in bins of equal width, with what came true in each."""
    edges = np.linspace(0, 1, bins + 1)
    said, truth = single.scores[:, 1], single.truth
    places = np.clip(np.digitize(said, edges) - 1, 0, bins - 1)
    counts = np.bincount(places, minlength=bins)
    filled = np.where(counts > 0, counts, np.nan)
    mean = np.bincount(places, weights=said, minlength=bins) / filled
    true = np.bincount(places, weights=truth, minlength=bins) / filled
    return Binned(mean, true, counts, edges)


def limits_of_agreement(answers: Answers) -> tuple[float, float, float]:
    """Of the errors (said - true): the lower limit, the mean, the upper limit (mean and 1.96 deviations)."""
    errors = answers.scores.ravel() - answers.truth.ravel()
    spread = 1.96 * float(errors.std(ddof=1)) if len(errors) > 1 else 0.0
    middle = float(errors.mean())
    return middle - spread, middle, middle + spread


def mistaken(answers: Answers) -> NDArray[np.bool_]:
    """Which cases were called wrongly; of several findings at once, any of them. Not defined for numbers."""
    if answers.form == "several":
        return np.asarray(((answers.truth != answers.called) & ~np.isnan(answers.truth)).any(axis=1))
    return np.asarray(answers.truth != answers.called)


def sureness(answers: Answers) -> Values:
    """The probability of what the model called; of several findings, the one of which it was surest.

    For numbers, the size of the error takes its place.
    """
    if answers.form == "number":
        return np.asarray(np.abs(answers.scores.ravel() - answers.truth.ravel()))
    if answers.form == "several":
        return np.asarray(_given(answers).max(axis=1))
    return np.asarray(answers.scores[np.arange(len(answers)), answers.called.astype(np.int64)])


def worst(answers: Answers, most: int) -> list[int]:
    """The most confident mistakes, the most confident first; of numbers, the largest errors."""
    if answers.form == "number":
        rows, sure = np.arange(len(answers)), sureness(answers)
    else:
        rows = np.flatnonzero(mistaken(answers))
        sure = sureness(answers)
        if answers.form == "several":
            wrong = (answers.truth != answers.called) & ~np.isnan(answers.truth)
            sure = np.where(wrong, _given(answers), 0).max(axis=1)
    return [int(row) for row in rows[np.argsort(-sure[rows], kind="stable")][:most]]


def least_sure(answers: Answers, most: int, thresholds: Sequence[float] | None = None) -> list[int]:
    """The cases nearest to being called otherwise, the nearest first; none for numbers.

    Args:
        answers: of the model.
        most: how many.
        thresholds: of each column, from where on its class is called; 0.5 unless given.
    """
    if answers.form == "number":
        return []
    columns = answers.scores.shape[1]
    edges = np.full(columns, 0.5) if thresholds is None else np.asarray(thresholds)
    if answers.form == "several":
        margin = np.abs(answers.scores - edges).min(axis=1)
    elif columns == 2:
        margin = np.abs(answers.scores[:, answers.positive] - edges[answers.positive])
    else:
        ranked = np.sort(answers.scores, axis=1)
        margin = ranked[:, -1] - ranked[:, -2]
    return [int(row) for row in np.argsort(margin, kind="stable")[:most]]


def _given(answers: Answers) -> Values:
    """The probability of what was said of each of several findings: that it is there, or that it is not."""
    return np.asarray(np.where(answers.called == 1, answers.scores, 1 - answers.scores))


def _thinned(x: Values, y: Values) -> tuple[Values, Values]:
    """At most so many points of a curve, its ends among them."""
    if len(x) <= _MOST_POINTS:
        return x, y
    kept = np.unique(np.linspace(0, len(x) - 1, _MOST_POINTS).round().astype(int))
    return x[kept], y[kept]
