"""The comparison for people: the cells of its tables, what must be said below them, and all of it as Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from isocenter.core.durations import lasting
from isocenter.core.reading import Measure
from isocenter.core.words import counted
from isocenter.delivery.reports.evaluation import interval, short_name, valued
from isocenter.drawing.comparison import Point
from isocenter.drawing.look import number
from isocenter.workflows.compare.results import Compared, Comparison

UNKNOWN = "–"
SHOWN = 2
"""Metrics that have a column: the one that is sorted by, and the next."""

Grid = list[list[str]]
"""Rows of cells, the heads of the columns first; the first column names the model."""


def how_well(comparison: Comparison) -> Grid:
    """What was measured of each model, and how it stands against the best."""
    names = _metrics(comparison)
    tested = comparison.looks is not None
    heads = ["model", *names, *(f"test {name}" for name in names if tested), "standing"]
    return [heads, *(_measured(one, len(names), tested=tested) for one in comparison.models)]


def how_costly(comparison: Comparison) -> Grid:
    """What each model takes: room for its numbers, time, and memory."""
    heads = ["model", "parameters", "training", "ms per case", "file (MB)", "training memory (MB)"]
    return [heads, *(_costs(one) for one in comparison.models)]


def notes(comparison: Comparison) -> list[str]:
    """What a person must know of the numbers, and why a model failed."""
    return [*_judged(comparison), *_tested(comparison), *_failed(comparison)]


def markdown(comparison: Comparison) -> str:
    """Both tables as one, with the notes, as the text of a Markdown file."""
    heads, *rows = [
        [*well, *costly[1:]] for well, costly in zip(how_well(comparison), how_costly(comparison), strict=True)
    ]
    columns = [":--", *["--:"] * (len(heads) - 1)]
    lines = ["| " + " | ".join(cells) + " |" for cells in (heads, columns, *rows)]
    title = f"# Models for `{comparison.label}`, compared on {comparison.cohort_name}"
    said = [f"- {' '.join(one.split())}" for one in notes(comparison)]
    return "\n".join([title, "", *lines, "", *said]) + "\n"


def points(comparison: Comparison) -> dict[str, list[Point]]:
    """What is drawn: by the name of a cost, the models of which it is known."""
    found: dict[str, list[Point]] = {"seconds of training": [], "milliseconds to read a case": []}
    for one in comparison.models:
        for points, cost in zip(found.values(), (one.seconds, one.milliseconds), strict=True):
            points += _point(one, cost)
    return {name: points for name, points in found.items() if points}


def measured(comparison: Comparison) -> str:
    """What models are sorted by, in the words of a picture."""
    first = next((one.first for one in comparison.models if one.first is not None), None)
    name = short_name(first.name) if first else ""
    unit = f" ({first.unit})" if first and first.unit else ""
    return f"{name}{unit}" if comparison.better == "higher" else f"{name}{unit}, lower is better"


def _point(one: Compared, cost: float | None) -> list[Point]:
    """A model against one cost; none where either is not known."""
    first = one.first
    if first is None or first.value is None or one.standing is None or not cost:
        return []
    return [Point(name=one.model, value=first.value, low=first.low, high=first.high, cost=cost, standing=one.standing)]


def _metrics(comparison: Comparison) -> list[str]:
    measured = next((one.metrics for one in comparison.models if one.metrics), [])
    return [one.name.replace("_", " ") for one in measured[:SHOWN]]


def _measured(one: Compared, count: int, *, tested: bool) -> list[str]:
    standing = one.standing or ("not measured" if one.state == "finished" else one.state)
    return [one.model, *_measures(one.metrics, count), *(_measures(one.test, count) if tested else []), standing]


def _costs(one: Compared) -> list[str]:
    return [
        one.model,
        UNKNOWN if one.parameters is None else f"{one.parameters:,}",
        UNKNOWN if one.seconds is None else lasting(one.seconds),
        *map(_rounded, (one.milliseconds, one.megabytes, one.memory)),
    ]


def _rounded(value: float | None) -> str:
    return UNKNOWN if value is None else number(float(f"{value:.2g}")) if value < 100 else f"{value:,.0f}"


def _measures(measures: Sequence[Measure], count: int) -> list[str]:
    """The first few numbers, the first of all with its interval."""
    said = [valued(one.value, one.unit) for one in measures[:count]]
    if said and measures[0].low is not None:
        said[0] += f" ({interval(measures[0])})"
    return said or [UNKNOWN] * count


def _judged(comparison: Comparison) -> Iterator[str]:
    best = next((one for one in comparison.models if one.standing == "best"), None)
    if best is None or best.first is None:
        yield "No model was judged."
        return
    cases = counted(best.first.n, "validation case")
    whom = f"{cases} that it had not learned from" if comparison.split == "val" else f"{cases}, in folds"
    yield (
        f"Each model was judged by the same {whom}; in brackets the 95 % interval. "
        "Training has used these cases too, to calibrate and to set thresholds: the numbers are a little kind to all."
    )
    if any(one.standing == "not clearly worse" for one in comparison.models):
        yield (
            "Not clearly worse: its interval overlaps that of the best. So few cases do not tell the two apart; "
            "choose between them by what they cost."
        )


def _tested(comparison: Comparison) -> Iterator[str]:
    best = next((one for one in comparison.models if one.standing == "best"), None)
    if comparison.looks is not None:
        yield (
            f"The test split was looked at {counted(comparison.looks, 'time')} so far. It judges the model that was "
            "chosen by the validation cases; who chooses by the test has no test left."
        )
    elif best is not None:
        yield (
            "The test split was not looked at for this: a model that was chosen by it would have no test left. "
            f"Choose first, then judge the chosen one: isocenter evaluate {best.run}"
        )


def _failed(comparison: Comparison) -> Iterator[str]:
    for one in comparison.models:
        if one.reason:
            yield f"{one.model}: {one.reason}"
