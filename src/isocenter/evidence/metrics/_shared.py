"""The contract of a metric.

A metric sees what was true and what was said, as arrays, and returns one number; NaN where it is not defined, by the
rule that it declares. `truth` and `scores` have a row per case:

    classes   truth (n,) whole numbers; scores (n, classes) probabilities; called (n,) the class decided for
    several   truth (n, classes) 0, 1 or NaN; scores (n, classes) probabilities; called (n, classes) 0 or 1
    number    truth (n,), scores (n,) in the label's unit; called is scores
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One way to measure.

    Attributes:
        forms: the forms of answers that it is defined for.
        low, high: its range; infinite where it has no end.
        better: the direction in which it is better.
        rule: what is done where it is not defined, in one sentence.
        measure: the formula.
    """

    forms: tuple[Literal["classes", "several", "number"], ...]
    low: float
    high: float
    better: Literal["higher", "lower"]
    rule: str
    measure: Callable[[Answers], float]


UNDEFINED = float("nan")


def mean_defined(values: list[float]) -> float:
    """The mean of the values that are defined; NaN where none is."""
    known = [value for value in values if not np.isnan(value)]
    return float(np.mean(known)) if known else UNDEFINED
