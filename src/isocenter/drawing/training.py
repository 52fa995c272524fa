"""How a training went: loss and metric of each member, as a chart and as one line of letters."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from isocenter.core.words import say
from isocenter.drawing.look import LINE, PALETTE, drawable
from isocenter.drawing.sheet import Form, drawn, paper, style
from isocenter.drawing.terminal import trend

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Record = Mapping[str, Any]
"""One line of a run's log: `member`, `step`, `loss`, `metric` (name to value), `rate`; any of them may be absent."""


def training(
    records: Sequence[Record], *, metric: str | None = None, lang: str = "en", title: str = "", form: Form = "png"
) -> bytes:
    """Loss and metric against steps, one line for each member.

    Args:
        records: the lines of a run's log, in any order.
        metric: which one is drawn; the first that is logged unless given.
        lang: `en` or `zh`.
        title: stands above.
        form: `png` or `svg`.
    """
    words = drawable(lang)
    wanted = metric or logged(records)
    with style():
        figure = paper(height=2.6 + (0.3 if title else 0), width=7.2)
        left, right = figure.subplots(1, 2)
        _panel(left, series(records), say("curves.loss", words), say("curves.step", words))
        looked = series(records, wanted) if wanted else {}
        _panel(right, looked, _named(wanted or "", words), say("curves.step", words))
        if len(looked) > 1:
            right.legend(loc="lower right", frameon=False, fontsize=8, title=say("curves.member", words))
        if title:
            figure.suptitle(title, x=0.01, ha="left", fontsize=11, fontweight="bold")
        return drawn(figure, form)


def training_line(records: Sequence[Record], metric: str | None = None, *, most: int = 40) -> str:
    """How the metric (or the loss, where none is logged) of the first member rose or fell, as one word of columns."""
    wanted = metric or logged(records)
    lines = series(records, wanted) or series(records)
    points = next(iter(lines.values()), [])
    return trend([value for _, value in points], most=most)


def series(records: Sequence[Record], metric: str | None = None) -> dict[int, list[tuple[int, float]]]:
    """Of each member, (step, value) of the loss or of a metric, in the order of the steps."""
    found: dict[int, dict[int, float]] = defaultdict(dict)
    for one in records:
        value = (one.get("metric") or {}).get(metric) if metric else one.get("loss")
        if value is not None and np.isfinite(value):
            found[int(one.get("member", 0))][int(one.get("step", 0))] = float(value)
    return {member: sorted(points.items()) for member, points in sorted(found.items())}


def logged(records: Sequence[Record]) -> str | None:
    """The first metric that a log names."""
    return next((name for one in records for name in one.get("metric") or {}), None)


def _named(metric: str, lang: str) -> str:
    """What people call a metric; one that has no sentence is called by its own name."""
    try:
        return say(f"metrics.{metric}", lang)
    except KeyError:
        return metric.replace("_", " ")


def _panel(axes: Axes, lines: Mapping[int, Sequence[tuple[int, float]]], up: str, across: str) -> None:
    for position, (member, points) in enumerate(lines.items()):
        steps, values = zip(*points, strict=True)
        dot = "o" if len(points) < 30 else None
        colour = PALETTE[position % len(PALETTE)]
        axes.plot(steps, values, color=colour, linewidth=1.6, marker=dot, markersize=3, label=str(member + 1))
    axes.set_xlabel(across)
    axes.set_title(up)
    axes.grid(color=LINE, linewidth=0.6, alpha=0.7)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(length=0)
