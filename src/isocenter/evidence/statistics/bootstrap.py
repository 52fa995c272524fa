"""Intervals by drawing patients again and again: how far a number would move on other patients of the same kind.

A share of cases has an interval of its own (`shares`), which holds at its ends too: 25 of 25 found is not all found.
"""

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
from isocenter.evidence.metrics._shared import Answers, Metric, Tally
from isocenter.evidence.statistics.shares import wilson

FEWEST = 0.5
"""Share of the repeats that must be defined for an interval to be given."""

REPEATS, FEWEST_REPEATS, MOST_CELLS = 1000, 100, 60_000_000
"""Repeats of small cohorts and of the largest, and how many probabilities are looked at in all of them: so many take
half a minute, and what many cases say moves little from one repeat to the next."""


def repeats_for(cells: int, wanted: int = REPEATS) -> int:
    """How many of the wanted repeats are worth their time on so many cases times classes."""
    return min(wanted, max(FEWEST_REPEATS, MOST_CELLS // max(cells, 1)))


def measure(
    answers: Answers,
    names: Sequence[str],
    *,
    groups: NDArray[Any] | None = None,
    repeats: int = REPEATS,
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
        groups: the patient of each case (cases,), patients with the same image counted as one; None: each case is a
            patient of its own.
        repeats: how often patients are drawn, at most; 0 for no intervals.
        seed: the only source of chance.
        level: of the interval.
        unit: of the label, for metrics that are measured in it.
    """
    patients = np.arange(len(answers)) if groups is None else np.asarray(groups)
    whom = "case" if groups is None else "patient"
    chosen = [_metric(name, answers) for name in names]
    tallies = [metric.tally(answers) for metric in chosen]
    plain = [
        _plain(name, metric, answers, tally, unit) for name, metric, tally in zip(names, chosen, tallies, strict=True)
    ]
    drawn = [
        place
        for place, metric in enumerate(chosen)
        if tallies[place] is None and plain[place].value is not None and not metric.no_interval
    ]
    times = repeats_for(answers.scores.size, repeats)
    table = _repeated(answers, [chosen[place] for place in drawn], patients, times, seed)
    found = []
    for place, (metric, tally, one) in enumerate(zip(chosen, tallies, plain, strict=True)):
        if not repeats or one.value is None:
            found.append(one)
        elif tally is not None:
            found.append(_of_share(one, tally, patients, level, whom))
        elif place in drawn:
            found.append(_with_interval(one, table[:, drawn.index(place)], level, patients, whom))
        else:
            found.append(one.model_copy(update={"rule": metric.no_interval}))
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


def _plain(name: str, metric: Metric, answers: Answers, tally: Tally | None, unit: str | None) -> Measure:
    """The number with the cases that it is made of: of a share, those that it is a share of."""
    value = metric.measure(answers)
    return Measure(
        name=name,
        value=None if np.isnan(value) else value,
        n=len(answers) if tally is None else tally.cases,
        unit=unit if metric.in_unit else None,
        rule=metric.rule if np.isnan(value) else None,
    )


def _of_share(plain: Measure, tally: Tally, patients: NDArray[Any], level: float, whom: str) -> Measure:
    """The number with the interval of a share, where more than one patient makes it up."""
    found = wilson(tally, patients, level)
    if found is None:
        return plain
    method = f"Wilson interval over {counted(found.patients, whom)}"
    return plain.model_copy(update={"low": found.low, "high": found.high, "level": level, "method": method})


def _repeated(
    answers: Answers, chosen: Sequence[Metric], patients: NDArray[Any], repeats: int, seed: int
) -> NDArray[np.float64]:
    """What each metric is on drawn patients: (repeats, metrics)."""
    drawing = _Drawing(patients)
    alone = len(drawing) < 2  # one patient tells of no others
    draws = drawing.rows(repeats if chosen and not alone else 0, np.random.default_rng(seed))
    repeated = [[metric.measure(sample) for metric in chosen] for sample in map(answers.at, draws)]
    return np.array(repeated, dtype=np.float64).reshape(len(repeated), len(chosen))


def _with_interval(
    plain: Measure, values: NDArray[np.float64], level: float, patients: NDArray[Any], whom: str
) -> Measure:
    """The number with its interval, or why there is none."""
    if not len(values):
        return plain
    defined = values[~np.isnan(values)]
    times = counted(len(values), "repeat")
    rule = None
    if len(defined) < len(values):
        rule = f"Not defined in {len(values) - len(defined):,} of {times}"
    if len(defined) < FEWEST * len(values):
        return plain.model_copy(update={"rule": f"{rule}, too many for an interval."})
    if np.ptp(defined) == 0:
        return plain.model_copy(update={"rule": f"No interval: all of {times} give the same, more cases might not."})
    low, high = np.quantile(defined, [(1 - level) / 2, (1 + level) / 2])
    method = f"percentile bootstrap over {counted(len(np.unique(patients)), whom)}, {times}"
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
