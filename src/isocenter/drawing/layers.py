"""The layers of a network from its image to its answer: what each gives, what it costs, and how far it sees."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

from isocenter.core.anatomy import Layer
from isocenter.core.words import sized
from isocenter.drawing.look import ACCENT, INK, LINE, MUTED, number
from isocenter.drawing.sheet import Form, drawn, paper, shortened, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST = 28
"""Rows of a chart: the layers of a larger network are put together by the parts that they belong to."""

_ROW, _ENDS = 0.27, 1.5
"""Inches of a row, and of what stands above and below all of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One or several layers that follow each other in one part of a network."""

    name: str
    kind: str
    """Of the one layer that it is; empty where it is several."""
    output: tuple[int, ...]
    parameters: int
    multiply_adds: int
    megabytes: float
    sees: int | None
    """The largest extent of what a place sees; None where it sees all, or where that is not known."""
    everything: bool


def layer_chart(layers: Sequence[Layer], *, extent: int, title: str = "", form: Form = "png") -> bytes:
    """A row for each layer, or each part of a large network, and a panel for each thing that is told of it.

    Args:
        layers: in the order in which an image passes them.
        extent: the longest extent of the image in pixels, against which is shown how far a place sees.
        title: stands above.
        form: `png` or `svg`.
    """
    rows = gathered(layers)
    panels: list[tuple[str, Callable[[Row], float], Callable[[float], str]]] = [
        ("parameters", lambda row: row.parameters, in_short),
        ("multiply-adds", lambda row: row.multiply_adds, in_short),
        ("memory of outputs", lambda row: row.megabytes * 1e6, sized),
    ]
    sighted = any(row.sees is not None or row.everything for row in rows)
    with style():
        figure = paper(height=_ENDS + _ROW * len(rows), width=11.0)
        if title:
            figure.suptitle(title, x=0.01, ha="left", fontsize=12, fontweight="bold", color=INK)
        grid = figure.subplots(1, len(panels) + sighted, sharey=True, squeeze=False)[0]
        for axes, (name, value, told) in zip(grid, panels, strict=False):
            _bars(axes, [value(row) for row in rows], name, told)
        if sighted:
            _sight(grid[-1], rows, extent)
        grid[0].set_yticks(range(len(rows)), [_named(row) for row in rows])
        grid[0].set_ylim(len(rows) - 0.4, -0.6)
        return drawn(figure, form)


def gathered(layers: Sequence[Layer], most: int = MOST) -> list[Row]:
    """The layers as at most so many rows, if their names allow it: by as long a beginning of their names as will do."""
    deepest = max((layer.name.count(".") + 1 for layer in layers), default=1)
    depths = (_at_depth(layers, depth) for depth in range(deepest, 1, -1))
    return next((rows for rows in depths if len(rows) <= most), _at_depth(layers, 1))


def _at_depth(layers: Sequence[Layer], depth: int) -> list[Row]:
    """A row for all layers whose names begin with the same so many parts, as long as they follow each other."""
    parts = groupby(layers, lambda layer: ".".join(layer.name.split(".")[:depth]))
    return [_row(name, list(group)) for name, group in parts]


def _row(name: str, layers: Sequence[Layer]) -> Row:
    last = layers[-1]
    sizes = () if last.receptive_field is None else last.receptive_field.size
    known = [size for size in sizes if size is not None]
    return Row(
        name=name,
        kind=last.kind if len(layers) == 1 else "",
        output=last.output,
        parameters=sum(layer.parameters for layer in layers),
        multiply_adds=sum(layer.multiply_adds for layer in layers),
        megabytes=sum(layer.megabytes for layer in layers),
        sees=max(known) if known else None,
        everything=bool(sizes) and not known,
    )


def _named(row: Row) -> str:
    """`conv1 (Conv2d)  64 x 112 x 112`."""
    kind = f" ({row.kind})" if row.kind and row.kind != row.name else ""
    return f"{shortened(f'{row.name}{kind}', 36)}   {' × '.join(str(extent) for extent in row.output)}"


def _bars(axes: Axes, values: Sequence[float], name: str, told: Callable[[float], str]) -> None:
    """Bars from the left, each with its number."""
    axes.barh(range(len(values)), values, height=0.62, color=ACCENT)
    most = max(values, default=0) or 1
    for place, value in enumerate(values):
        if value:
            axes.annotate(told(value), (value, place), (3, 0), textcoords="offset points", va="center", fontsize=7.5)
    axes.set_xlim(0, most * 1.3)
    _quiet(axes, f"{name}\n{told(sum(values))} in all")


def _sight(axes: Axes, rows: Sequence[Row], extent: int) -> None:
    """How far a place sees, against the image."""
    reach = max([extent, *(row.sees for row in rows if row.sees is not None)])
    axes.axvspan(0, extent, color=LINE, alpha=0.45, linewidth=0)
    for place, row in enumerate(rows):
        if row.sees is None and not row.everything:
            continue
        far = reach if row.sees is None else row.sees
        axes.barh(
            place, far, height=0.62, color=MUTED if row.everything else ACCENT, alpha=0.35 if row.everything else 1
        )
        told = "all" if row.everything else str(row.sees)
        axes.annotate(told, (far, place), (3, 0), textcoords="offset points", va="center", fontsize=7.5)
    axes.set_xlim(0, reach * 1.25)
    _quiet(axes, f"a place sees (pixels)\nthe image has {extent}")


def _quiet(axes: Axes, title: str) -> None:
    axes.set_title(title, fontsize=9, fontweight="normal", color=MUTED)
    axes.set_xticks([])
    axes.spines[["top", "right", "bottom"]].set_visible(False)
    axes.tick_params(length=0, labelsize=8)


def in_short(value: float) -> str:
    """A number in three digits: `1.81 G`, `36.9 k`."""
    for unit, size in ((" G", 1e9), (" M", 1e6), (" k", 1e3)):
        if value >= size:
            return f"{value / size:.3g}{unit}"
    return number(float(f"{value:.3g}"))
