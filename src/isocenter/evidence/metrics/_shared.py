"""The contract of a metric.

A metric sees what was true and what was said, as arrays, and returns one number; NaN where it is not defined, by the
rule that it declares. `truth` and `scores` have a row per case:

    classes   truth (n,) whole numbers; scores (n, classes) probabilities; called (n,) the class decided for
    several   truth (n, classes) 0, 1 or NaN; scores (n, classes) probabilities; called (n, classes) 0 or 1
    number    truth (n,), scores (n,) in the label's unit; called is scores

Intervals ask each metric a thousand times, and scikit-learn's checks of its arguments alone take milliseconds each
time. So the short formulas are written out here in numpy, and a test holds each equal to scikit-learn or scipy.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """What was true of some cases and what a model said.

    Attributes:
        form: `classes`, `several` or `number`; see above.
        truth, scores, called: as above.
        positive: of two classes, the column that is asked for.
        classes: names of the columns.
    """

    form: Literal["classes", "several", "number"]
    truth: Array
    scores: Array
    called: Array
    positive: int = 1
    classes: tuple[str, ...] = ()
    _columns: list[Column] = field(default_factory=list, init=False, repr=False, compare=False)
    """What `columns` makes of them, kept because ten metrics ask for it."""

    def __len__(self) -> int:
        return len(self.truth)

    def at(self, rows: Array) -> Answers:
        """The answers of some cases, with repeats where a row is named twice."""
        return Answers(
            form=self.form,
            truth=self.truth[rows],
            scores=self.scores[rows],
            called=self.called[rows],
            positive=self.positive,
            classes=self.classes,
        )


@dataclass(frozen=True, slots=True)
class Tally:
    """A share, case by case: what counts for it, and what it is a share of (cases,)."""

    part: Array
    whole: Array

    @property
    def cases(self) -> int:
        """How many cases it is a share of."""
        return int(np.count_nonzero(self.whole))

    @property
    def value(self) -> float:
        """The share; not defined where there is nothing to have a part of."""
        return share(float(self.part.sum()), float(self.whole.sum()))


def no_tally(answers: Answers) -> None:
    """Of a metric that is no share of cases."""
    del answers


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One way to measure.

    Attributes:
        forms: the forms of answers that it is defined for.
        low, high: its range; infinite where it has no end.
        better: the direction in which it is better.
        rule: what is done where it is not defined, in one sentence.
        measure: the formula.
        in_unit: whether its value has the unit of the label.
        tally: of a metric that is a share of cases, these; None where it is a mean of several shares.
        no_interval: why drawing cases again and again gives no interval, in one sentence; empty where it does.
    """

    forms: tuple[Literal["classes", "several", "number"], ...]
    low: float
    high: float
    better: Literal["higher", "lower"]
    rule: str
    measure: Callable[[Answers], float]
    in_unit: bool = False
    tally: Callable[[Answers], Tally | None] = no_tally
    no_interval: str = ""


UNDEFINED = float("nan")


def mean_defined(values: list[float]) -> float:
    """The mean of the values that are defined; NaN where none is."""
    known = [value for value in values if not np.isnan(value)]
    return float(np.mean(known)) if known else UNDEFINED


def share(part: float, whole: float) -> float:
    """`part` of `whole`; not defined where there is nothing to have a part of."""
    return float(part / whole) if whole else UNDEFINED


def mean(values: Array) -> float:
    """The mean; not defined where there are no values."""
    return float(values.mean()) if values.size else UNDEFINED


@dataclass(frozen=True, slots=True)
class Column:
    """One class against the rest: whether it was true, how probable it was said to be, and whether it was called."""

    truth: NDArray[np.bool_]
    score: Array
    called: NDArray[np.bool_]

    @property
    def found(self) -> int:
        """True positives."""
        return int(np.count_nonzero(self.truth & self.called))

    @property
    def missed(self) -> int:
        """False negatives."""
        return int(np.count_nonzero(self.truth & ~self.called))

    @property
    def false_alarms(self) -> int:
        """False positives."""
        return int(np.count_nonzero(~self.truth & self.called))

    @property
    def cleared(self) -> int:
        """True negatives."""
        return int(np.count_nonzero(~self.truth & ~self.called))


def columns(answers: Answers) -> list[Column]:
    """What a yes-or-no formula is given: the positive one of two classes, each class of more, each of several findings.

    Cases whose truth is unknown are left out of the column in which it is.
    """
    if not answers._columns:
        answers._columns.extend(_columns(answers))
    return answers._columns


def _columns(answers: Answers) -> list[Column]:
    # A column is read several times, so it is laid out in one piece first.
    scores = np.ascontiguousarray(answers.scores.T)
    if answers.form == "several":
        truth, called = np.ascontiguousarray(answers.truth.T), np.ascontiguousarray(answers.called.T) == 1
        whole = zip(truth == 1, scores, called, ~np.isnan(truth), strict=True)
        return [
            Column(yes, score, call) if known.all() else Column(yes[known], score[known], call[known])
            for yes, score, call, known in whole
        ]
    wanted = [answers.positive] if len(scores) == 2 else range(len(scores))
    return [Column(answers.truth == place, scores[place], answers.called == place) for place in wanted]


def over_columns(formula: Callable[[Column], float]) -> Callable[[Answers], float]:
    """A yes-or-no formula as a metric: the mean over the columns in which it is defined."""
    return lambda answers: mean_defined([formula(column) for column in columns(answers)])


def of_columns(tally: Callable[[Column], Tally]) -> Callable[[Answers], float]:
    """A share as a metric: the mean over the columns in which it is defined."""
    return over_columns(lambda column: tally(column).value)


def of_two(tally: Callable[[Column], Tally]) -> Callable[[Answers], Tally | None]:
    """The cases of a share, where it is that of the positive one of two classes."""
    return lambda answers: (
        tally(columns(answers)[0]) if answers.form == "classes" and answers.scores.shape[1] == 2 else None
    )


def of_known(counts: Callable[[Answers], Array]) -> Callable[[Answers], Tally]:
    """The cases of a share of all known truths, given which of them count for it."""

    def tally(answers: Answers) -> Tally:
        known = ~np.isnan(answers.truth.astype(np.float64))
        part = counts(answers) & known
        return Tally(part, known) if known.ndim == 1 else Tally(part.sum(axis=1), known.sum(axis=1))

    return tally


def confusion(answers: Answers) -> NDArray[np.int64]:
    """How many cases of each class (rows) were called each class (columns)."""
    classes = answers.scores.shape[1]
    cells = np.bincount(
        answers.truth.astype(np.int64) * classes + answers.called.astype(np.int64), minlength=classes**2
    )
    return cells.reshape(classes, classes).astype(np.int64)


def agreement(answers: Answers, weights: Array) -> float:
    """Kappa: disagreement, weighed by how far apart two classes are, against what chance would give.

    Args:
        answers: of the form `classes`.
        weights: of each truth (rows) called each class (columns); 0 on the diagonal.
    """
    table = confusion(answers)
    by_chance = float((weights * np.outer(table.sum(axis=1), table.sum(axis=0))).sum())
    return 1.0 - share(float((weights * table).sum()) * table.sum(), by_chance)
