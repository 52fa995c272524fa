"""Intervals by drawing patients again and again: how far a number would move on other patients of the same kind."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isocenter.core import registry
from isocenter.core.errors import UsageError
from isocenter.core.reading import Measure
from isocenter.core.words import counted
from isocenter.evidence import metrics
from isocenter.evidence.metrics._shared import Answers, Metric

FEWEST = 0.5
"""Share of the repeats that must be defined for an interval to be given."""


def measure(
    answers: Answers,
    names: Sequence[str],
    *,
    groups: NDArray[Any] | None = None,
    repeats: int = 1000,
    seed: int = 0,
    level: float = 0.95,
    unit: str | None = None,
) -> list[Measure]:
    """Measure, with an interval for each number.

    All cases of a drawn patient come along, because images of one patient are alike and make a number look surer
    than it is. Every metric sees the same draws.

    Args:
        answers: what was true and what was said.
        names: of metrics on the shelf.
        groups: the patient of each case (cases,); None: each case is a patient of its own.
        repeats: how often patients are drawn; 0 for no intervals.
        seed: the only source of chance.
        level: of the interval.
        unit: of the label, for metrics that are measured in it.
    """
    chosen = [_metric(name, answers) for name in names]
    drawn = _Drawing(np.arange(len(answers)) if groups is None else np.asarray(groups))
    draws = drawn.rows(repeats if len(drawn) > 1 else 0, np.random.default_rng(seed))  # one patient tells of no others
    repeated = [[metric.measure(sample) for metric in chosen] for sample in map(answers.at, draws)]
    table = np.array(repeated, dtype=np.float64).reshape(-1, len(names))
    whom = counted(len(drawn), "case" if groups is None else "patient")
    method = f"percentile bootstrap over {whom}, {counted(repeats, 'repeat')}"
    found = []
    for name, metric, values in zip(names, chosen, table.T, strict=True):
        value = metric.measure(answers)
        plain = Measure(
            name=name,
            value=None if np.isnan(value) else value,
            n=len(answers),
            unit=unit if metric.in_unit else None,
            rule=metric.rule if np.isnan(value) else None,
        )
        found.append(plain if np.isnan(value) else _with_interval(plain, values, level, method))
    return found


def _metric(name: str, answers: Answers) -> Metric:
    metric: Metric = registry.get(metrics, name)
    if answers.form not in metric.forms:
        raise UsageError(
            f"`{name}` cannot be measured here",
            why=f"it is defined for answers of the form {' or '.join(metric.forms)}, these are {answers.form}",
            remedy="Ask for the metrics of the model's task",
        )
    return metric


def _with_interval(plain: Measure, values: NDArray[np.float64], level: float, method: str) -> Measure:
    """The number with its interval, or why there is none."""
    if not len(values):
        return plain
    defined = values[~np.isnan(values)]
    rule = None
    if len(defined) < len(values):
        rule = f"Not defined in {len(values) - len(defined):,} of {counted(len(values), 'repeat')}"
    if len(defined) < FEWEST * len(values):
        return plain.model_copy(update={"rule": f"{rule}, too many for an interval."})
    low, high = np.quantile(defined, [(1 - level) / 2, (1 + level) / 2])
    told = {"low": float(low), "high": float(high), "level": level, "method": method}
    return plain.model_copy(update={**told, "rule": f"{rule}, which were left out." if rule else None})


class _Drawing:
    """Patients that can be drawn with repeats, each with all rows that are theirs."""

    def __init__(self, groups: NDArray[Any]) -> None:
        _, place, self._sizes = np.unique(groups, return_inverse=True, return_counts=True)
        self._order = np.argsort(place, kind="stable")
        self._starts = np.cumsum(self._sizes) - self._sizes

    def __len__(self) -> int:
        return len(self._sizes)

    def rows(self, repeats: int, rng: np.random.Generator) -> Iterator[NDArray[np.int64]]:
        """The rows of as many drawn patients as there are, again and again."""
        for _ in range(repeats):
            drawn = rng.integers(0, len(self), len(self))
            sizes = self._sizes[drawn]
            before = np.cumsum(sizes) - sizes
            within = np.arange(sizes.sum()) - np.repeat(before, sizes)
            yield self._order[np.repeat(self._starts[drawn], sizes) + within]
