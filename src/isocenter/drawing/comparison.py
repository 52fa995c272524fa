"""How well models do against what they cost: each a point with its interval and a name that covers no other."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any

from isocenter.drawing.look import ACCENT, INK, LINE, MUTED, PAPER, number
from isocenter.drawing.sheet import Form, drawn, paper, shortened, style

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.text import Annotation

_ROOM = 3.2
"""Inches of height for each cost."""
_DOT = 4.5
"""Points from the middle of a dot to its edge."""
_RINGS, _DIRECTIONS = (4.0, 9.0, 18.0, 30.0, 44.0, 60.0), 24
"""How far from a dot its name may stand, in points, and in how many directions."""
_ALONE = 8.0
"""Points around a name in which no dot but its own lies; else a line leads to its own."""
_SHORTEST = 6.0
"""Points between a name and its dot from which on there is room for such a line."""
_AWAY = 4.0
"""Points that names keep away from dots."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One model.

    Attributes:
        name: of the model.
        value, low, high: how well it does, with its interval where it has one.
        cost: more than 0; its axis is logarithmic.
        standing: `best`, `not clearly worse` or `clearly worse`.
    """

    name: str
    value: float
    low: float | None = None
    high: float | None = None
    cost: float
    standing: str


@dataclass(frozen=True, slots=True)
class Box:
    """A part of the paper, in points."""

    left: float
    bottom: float
    right: float
    top: float

    def shared(self, other: Box) -> float:
        """The area that both cover."""
        wide = min(self.right, other.right) - max(self.left, other.left)
        tall = min(self.top, other.top) - max(self.bottom, other.bottom)
        return max(wide, 0.0) * max(tall, 0.0)

    @property
    def area(self) -> float:
        """How much it covers."""
        return (self.right - self.left) * (self.top - self.bottom)

    @property
    def middle(self) -> tuple[float, float]:
        """Its middle."""
        return (self.left + self.right) / 2, (self.bottom + self.top) / 2

    def grown(self, edge: float) -> Box:
        """The same with an edge around it."""
        return Box(self.left - edge, self.bottom - edge, self.right + edge, self.top + edge)

    def nearest(self, spot: tuple[float, float]) -> tuple[float, float]:
        """Its point that is nearest to another."""
        return min(max(spot[0], self.left), self.right), min(max(spot[1], self.bottom), self.top)

    def distance(self, spot: tuple[float, float]) -> float:
        """How far it is from a point; 0 inside."""
        return math.dist(self.nearest(spot), spot)


def comparison(panels: Mapping[str, Sequence[Point]], *, up: str, title: str = "", form: Form = "png") -> bytes:
    """How well each model does against each cost, one panel below the other; a band shows the interval of the best.

    Args:
        panels: name of a cost to the models of which it is known.
        up: the name of what is measured.
        title: stands above.
        form: `png` or `svg`.
    """
    with style():
        figure = paper(height=_ROOM * max(len(panels), 1) + (0.3 if title else 0), width=7.2)
        grid = figure.subplots(max(len(panels), 1), 1, squeeze=False)[:, 0]
        grid[0].set_title(title)
        for axes, (across, points) in zip(grid, panels.items(), strict=False):
            _panel(axes, points, across, up)
        if panels:
            figure.legend(handles=_key(), loc="outside upper left", ncols=4, frameon=False, fontsize=9)
        figure.draw_without_rendering()  # names are placed on the paper as it will be
        for axes, points in zip(grid, panels.values(), strict=False):
            _named(axes, points)
        return drawn(figure, form)


def _panel(axes: Axes, points: Sequence[Point], across: str, up: str) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    for one in points:
        if one.standing == "best" and one.low is not None and one.high is not None:
            axes.axhspan(one.low, one.high, color=ACCENT, alpha=0.08, linewidth=0)
    for one in points:
        look = _look(one.standing)
        if one.low is not None and one.high is not None:
            axes.vlines(one.cost, one.low, one.high, color=look["color"], linewidth=1.4, alpha=0.7, zorder=2)
        axes.plot(one.cost, one.value, zorder=3, **look)
    axes.set_xscale("log")
    axes.set_xlim(*_around([one.cost for one in points]))
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: number(float(f"{value:.2g}"))))
    axes.margins(y=0.12)
    axes.set_xlabel(across)
    axes.set_ylabel(up)
    axes.grid(color=LINE, linewidth=0.6, alpha=0.7)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(length=0)


def _look(standing: str) -> dict[str, Any]:
    """How the dot of a model is drawn."""
    shade = MUTED if standing == "clearly worse" else ACCENT
    filled = shade if standing == "best" else PAPER
    dot = {"marker": "o", "markersize": 7, "markeredgewidth": 1.6, "linestyle": "none"}
    return {"color": shade, "markerfacecolor": filled, **dot}


def _key() -> list[Any]:
    """What the dots and the band mean."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    dots = [Line2D([], [], label=name, **_look(name)) for name in ("best", "not clearly worse", "clearly worse")]
    return [*dots, Patch(color=ACCENT, alpha=0.12, linewidth=0, label="95 % interval of the best")]


def _around(costs: Sequence[float]) -> tuple[float, float]:
    """From below the lowest cost to above the highest, with at least two round numbers between."""
    low, high = min(costs), max(costs)
    middle, reach = math.sqrt(low * high), max(math.sqrt(high / low), 2.0) * 1.35
    return middle / reach, middle * reach


def _named(axes: Axes, points: Sequence[Point]) -> None:
    """Write each name where it covers least; a line leads to its dot where others are near."""
    spots = [_spot(axes, one.cost, one.value) for one in points]
    names = [_name(axes, one) for one in points]
    bars = [_bar(axes, one) for one in points]
    boxes = placed(spots, [_paper_of(axes, name) for name in names], bars, _paper_of(axes, axes))
    for place, (one, name, spot, box) in enumerate(zip(points, names, spots, boxes, strict=True)):
        name.set_position((box.middle[0] - spot[0], box.middle[1] - spot[1]))
        near = any(box.distance(other) < _DOT + _ALONE for other in spots[:place] + spots[place + 1 :])
        if box.distance(spot) > (_DOT + _SHORTEST if near else 2 * _ALONE):
            _lead(axes, one, spot, box)


def _name(axes: Axes, one: Point) -> Annotation:
    """The name of a model, still on its dot."""
    name = axes.annotate(shortened(one.name), (one.cost, one.value), (0, 0), textcoords="offset points")
    name.set(fontsize=9, color=MUTED if one.standing == "clearly worse" else INK, ha="center", va="center")
    name.set(fontweight="bold" if one.standing == "best" else "normal", zorder=4, in_layout=False)
    return name


def placed(spots: Sequence[tuple[float, float]], sizes: Sequence[Box], bars: Sequence[Box], inside: Box) -> list[Box]:
    """Where the names of some dots stand so that they cover as little as can be, the first dot served first.

    Args:
        spots: the middles of the dots.
        sizes: a box as large as each name, anywhere.
        bars: what the intervals cover.
        inside: the chart, which names do not leave.
    """
    dots = [Box(x, y, x, y).grown(_DOT + _AWAY) for x, y in spots]
    found: list[Box] = []
    for spot, size in zip(spots, sizes, strict=True):
        taken = [box.grown(1.5) for box in found]
        found.append(min(_places(spot, size), key=lambda box: _cost(box, spot, taken, dots, bars, inside)))
    return found


def _lead(axes: Axes, one: Point, spot: tuple[float, float], box: Box) -> None:
    """A hairline from a name to its dot."""
    x, y = box.nearest(spot)
    line = axes.annotate(
        "",
        (one.cost, one.value),
        (x - spot[0], y - spot[1]),
        textcoords="offset points",
        arrowprops={"arrowstyle": "-", "color": MUTED, "linewidth": 0.7, "shrinkA": 2, "shrinkB": _DOT},
    )
    line.set_in_layout(False)


def _paper_of(axes: Axes, thing: Artist) -> Box:
    """The part of the paper that something covers."""
    extent, scale = thing.get_window_extent(), 72 / axes.figure.dpi
    return Box(extent.x0 * scale, extent.y0 * scale, extent.x1 * scale, extent.y1 * scale)


def _spot(axes: Axes, x: float, y: float) -> tuple[float, float]:
    """Where a point of a chart lies on the paper, in points."""
    across, up = axes.transData.transform((x, y)) * 72 / axes.figure.dpi
    return float(across), float(up)


def _bar(axes: Axes, one: Point) -> Box:
    """What the interval of a point covers."""
    low, high = (one.value if end is None else end for end in (one.low, one.high))
    x, bottom = _spot(axes, one.cost, low)
    return Box(x - 1.5, bottom, x + 1.5, _spot(axes, one.cost, high)[1])


def _places(spot: tuple[float, float], size: Box) -> Iterator[Box]:
    """Where a name of that size may stand: in rings around its dot."""
    wide, tall = (size.right - size.left) / 2, (size.top - size.bottom) / 2
    for ring, turn in product(_RINGS, range(_DIRECTIONS)):
        angle = 2 * math.pi * turn / _DIRECTIONS
        x = spot[0] + math.cos(angle) * (_DOT + ring + wide)
        y = spot[1] + math.sin(angle) * (_DOT + ring + tall)
        yield Box(x - wide, y - tall, x + wide, y + tall)


def _cost(
    box: Box,
    spot: tuple[float, float],
    names: Sequence[Box],
    dots: Sequence[Box],
    bars: Sequence[Box],
    inside: Box,
) -> float:
    """How bad a place is: off the chart worst, then on a name, on a dot, on a bar; beside its own dot best."""
    lost = box.area - box.shared(inside)
    over = [sum(box.shared(other) for other in others) for others in (names, dots, bars)]
    away = box.distance(spot) + 0.3 * abs(box.middle[1] - spot[1])
    return 10 * lost + 4 * over[0] + 3 * over[1] + over[2] + 0.8 * away
