"""What a model does on cases, as charts: ROC, precision and recall, reliability, spread of what was said, agreement."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from isocenter.core.words import say
from isocenter.drawing.look import ACCENT, INK, LINE, MUTED, PALETTE, PAPER, drawable
from isocenter.drawing.sheet import Form, drawn, paper, sheet, shortened, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Values = NDArray[np.floating[Any]]
_SQUARE = 4.6
"""Inches of a chart whose two axes are alike."""
_STROKES = ("-", "--", ":", "-.")
"""Colours repeat after the eighth line; strokes then tell the lines apart."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of a chart.

    Attributes:
        name: of the class.
        x, y: the points, in order.
        place: of the class among all classes: it gives the colour, so that a class has one colour in every chart.
        note: stands behind the name, such as the area with its interval.
        point: where the model works.
        level: for precision and recall, the share of the class: what guessing would give.
    """

    name: str
    x: Values
    y: Values
    place: int = 0
    note: str = ""
    point: tuple[float, float] | None = None
    level: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reliability:
    """Of each bin of probability: what was said on average, what came true, and how many cases fell into it."""

    name: str
    said: Values
    true: Values
    counts: NDArray[np.integer[Any]]
    edges: Values
    place: int = 0


def roc(lines: Sequence[Line], *, lang: str = "en", title: str = "", form: Form = "png") -> bytes:
    """Sensitivity against false alarms at every threshold, with the point at which the model works.

    Args:
        lines: one for each class that is asked for; x is 1 - specificity, y is sensitivity.
        lang: `en` or `zh`.
        title: stands above.
        form: `png` or `svg`.
    """
    words = drawable(lang)
    with style():
        figure, axes = sheet(title, height=_SQUARE, width=_SQUARE + 0.2)
        axes.plot([0, 1], [0, 1], color=LINE, linewidth=1.2, zorder=1)
        _lines(axes, lines, words)
        _share_axes(axes, say("curves.false_alarms", words), say("curves.sensitivity", words))
        if lines:
            axes.legend(loc="lower right", frameon=False, fontsize=9)
        return drawn(figure, form)


def precision_recall(lines: Sequence[Line], *, lang: str = "en", title: str = "", form: Form = "png") -> bytes:
    """How many of the called cases are right, against how many of the cases are found.

    Args:
        lines: one for each class; x is sensitivity, y is the share of called cases that are right.
        lang, title, form: as for `roc`.
    """
    words = drawable(lang)
    with style():
        figure, axes = sheet(title, height=_SQUARE, width=_SQUARE + 0.2)
        for one in lines:
            if one.level is not None:
                axes.axhline(one.level, color=_shade(one.place), linewidth=1, alpha=0.35, zorder=1)
        _lines(axes, lines, words)
        _share_axes(axes, say("curves.sensitivity", words), say("curves.precision", words))
        if lines:
            axes.legend(loc="lower left", frameon=True, framealpha=0.85, edgecolor="none", fontsize=9)
        return drawn(figure, form)


def reliability(series: Sequence[Reliability], *, lang: str = "en", title: str = "", form: Form = "png") -> bytes:
    """Whether probabilities keep their word: of the cases given 70 %, do 70 % have the class? With the counts below.

    Args:
        series: one for each class that is shown; bins without a case are left out.
        lang, title, form: as for `roc`.
    """
    words = drawable(lang)
    with style():
        figure = paper(height=_SQUARE + 0.9 + (0.3 if title else 0), width=_SQUARE + 0.2)
        upper, lower = figure.subplots(2, 1, height_ratios=(4.2, 1), sharex=True)
        upper.set_title(title)
        upper.plot([0, 1], [0, 1], color=LINE, linewidth=1.2, zorder=1)
        for one in series:
            filled = one.counts > 0
            upper.plot(
                one.said[filled],
                one.true[filled],
                marker="o",
                markersize=5,
                linewidth=1.6,
                color=_shade(one.place),
                label=shortened(one.name),
                zorder=3,
                clip_on=False,
            )
            lower.stairs(one.counts, one.edges, fill=len(series) == 1, color=_shade(one.place), alpha=0.85)
        _share_axes(upper, "", say("curves.came_true", words))
        upper.set_aspect("auto")
        if series:
            upper.legend(loc="upper left", frameon=False, fontsize=9)
        lower.set_xlabel(say("curves.said", words))
        lower.set_ylabel(say("curves.cases", words))
        lower.spines[["top", "right"]].set_visible(False)
        lower.tick_params(length=0)
        lower.yaxis.get_major_locator().set_params(integer=True)
        figure.align_ylabels()
        return drawn(figure, form)


def probabilities(
    groups: Mapping[str, Values],
    *,
    threshold: float | None = None,
    lang: str = "en",
    title: str = "",
    form: Form = "png",
) -> bytes:
    """How the model's probabilities are spread: one histogram for the cases of each true class.

    Args:
        groups: true class to the probability that its cases were given (of one and the same class, or each of its own).
        threshold: from where on a case is called.
        lang, title, form: as for `roc`.
    """
    words = drawable(lang)
    edges = np.linspace(0, 1, 21)
    with style():
        tall = max(0.85 * len(groups), min(3.2, 1.6 * len(groups)))
        figure = paper(height=0.75 + tall + (0.3 if title else 0))
        panels = np.atleast_1d(figure.subplots(max(len(groups), 1), 1, sharex=True))
        panels[0].set_title(title)
        for position, (axes, (name, values)) in enumerate(zip(panels, groups.items(), strict=False)):
            counts, _ = np.histogram(np.clip(values, 0, 1), edges)
            axes.stairs(counts, edges, fill=True, color=_shade(position))
            if threshold is not None:
                axes.axvline(threshold, color=INK, linewidth=1.2, linestyle="--")
            held = say("curves.n", words, count=f"{len(values):,}")
            axes.set_ylabel(f"{shortened(name, 18)}\n{held}", rotation=0, ha="right", va="center", color=INK)
            axes.set_yticks([])
            axes.set_xlim(0, 1)
            axes.set_ylim(0, max(1, counts.max()) * 1.1)
            axes.spines[["top", "right", "left"]].set_visible(False)
            axes.tick_params(length=0)
        panels[-1].set_xlabel(say("curves.probability", words))
        return drawn(figure, form)


def agreement(
    truth: Values,
    said: Values,
    *,
    limits: tuple[float, float, float],
    unit: str = "",
    lang: str = "en",
    title: str = "",
    form: Form = "png",
) -> bytes:
    """Estimated against true numbers, with the line of equality and the limits within which 95 % of errors lie.

    Args:
        truth, said: one number for each case.
        limits: of the error (said - true): the lower limit of agreement, the mean, the upper limit.
        unit: of both.
        lang, title, form: as for `roc`.
    """
    words = drawable(lang)
    low, middle, high = limits
    ends = np.array([min(truth.min(), said.min()), max(truth.max(), said.max())], dtype=float)
    ends += np.array([-0.04, 0.04]) * max(float(ends[1] - ends[0]), 1e-9)
    with style():
        figure, axes = sheet(title, height=_SQUARE, width=_SQUARE + 0.2)
        axes.fill_between(ends, ends + low, ends + high, color=ACCENT, alpha=0.08, linewidth=0)
        axes.plot(ends, ends, color=MUTED, linewidth=1.2, label=say("curves.equal", words))
        axes.plot(ends, ends + middle, color=ACCENT, linewidth=1.4, label=say("curves.mean_error", words))
        for edge, name in ((low, say("curves.limits", words)), (high, None)):
            axes.plot(ends, ends + edge, color=ACCENT, linewidth=1, linestyle="--", label=name)
        axes.scatter(truth, said, s=16, color=PALETTE[0], alpha=0.65, edgecolors="none", zorder=3)
        suffix = f" ({unit})" if unit else ""
        axes.set(xlim=ends, ylim=ends, aspect="equal")
        axes.set_xlabel(say("curves.true", words) + suffix)
        axes.set_ylabel(say("curves.estimated", words) + suffix)
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(length=0)
        axes.legend(loc="upper left", frameon=False, fontsize=9)
        return drawn(figure, form)


def _lines(axes: Axes, lines: Sequence[Line], lang: str) -> None:
    for one in lines:
        named = f"{shortened(one.name, 20)}  {one.note}".rstrip()
        stroke = _STROKES[one.place // len(PALETTE) % len(_STROKES)]
        axes.plot(one.x, one.y, stroke, color=_shade(one.place), linewidth=2, label=named, zorder=3, clip_on=False)
        if one.point is not None:
            axes.plot(
                *([part] for part in one.point),
                marker="o",
                markersize=8,
                markerfacecolor=PAPER,
                markeredgecolor=_shade(one.place),
                markeredgewidth=2,
                linestyle="none",
                zorder=4,
                clip_on=False,
            )
    if any(one.point is not None for one in lines):
        axes.plot(
            [], [], "o", color=MUTED, markerfacecolor=PAPER, markeredgewidth=2, label=say("curves.works_here", lang)
        )


def _share_axes(axes: Axes, across: str, up: str) -> None:
    """Two axes from 0 to 1, square, with a faint grid."""
    axes.set(xlim=(0, 1), ylim=(0, 1), aspect="equal", xlabel=across, ylabel=up)
    ticks = [0, 0.2, 0.4, 0.6, 0.8, 1]
    axes.set_xticks(ticks)
    axes.set_yticks(ticks[1:])
    axes.grid(color=LINE, linewidth=0.6, alpha=0.7)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(length=0)


def _shade(position: int) -> str:
    return PALETTE[position % len(PALETTE)]
