"""Charts of counts and spreads as the bytes of a PNG or SVG file; the same numbers give the same bytes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from io import BytesIO
from typing import TYPE_CHECKING, Any, Literal

from isocenter.drawing.look import ACCENT, INK, LINE, MUTED, PALETTE, PAPER, binned, chinese_font, share

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Form = Literal["png", "svg"]
_WIDTH = 6.0
"""Inches across; at 150 dots per inch a chart is 900 pixels wide."""


def balance(
    counts: Mapping[str, int], *, title: str = "", colours: Sequence[str] | None = None, form: Form = "png"
) -> bytes:
    """How many cases carry each class: one bar each, with the count and its share.

    Args:
        counts: class to number of cases, in the order in which they are shown from the top.
        title: stands above.
        colours: one for each class; one quiet colour for all if not given.
        form: `png` or `svg`.
    """
    with _style():
        figure, axes = _sheet(title, height=0.55 + 0.36 * max(len(counts), 1))
        names, numbers = list(counts), list(counts.values())
        axes.barh(range(len(names)), numbers, height=0.62, color=list(colours or [ACCENT] * len(names)))
        total = sum(numbers)
        for place, count in enumerate(numbers):
            text = f"{count:,}  {share(count, total)}"
            axes.annotate(text, (count, place), (5, 0), textcoords="offset points", va="center", color=MUTED)
        axes.set_yticks(range(len(names)), [_short(name) for name in names])
        axes.invert_yaxis()
        axes.set_xlim(0, 1.22 * max([*numbers, 1]))
        axes.set_xticks([])
        axes.spines[:].set_visible(False)
        axes.tick_params(length=0)
        return _bytes(figure, form)


def stacked(
    rows: Mapping[str, Mapping[str, int]], *, title: str = "", colours: Sequence[str] | None = None, form: Form = "png"
) -> bytes:
    """How the classes are shared out in each split: one bar for each row, divided by class.

    Args:
        rows: split to class to number of cases.
        title: stands above.
        colours: one for each class, in order of appearance.
        form: `png` or `svg`.
    """
    classes = list(dict.fromkeys(name for counts in rows.values() for name in counts))
    with _style():
        figure, axes = _sheet(title, height=0.95 + 0.36 * max(len(rows), 1))
        done = [0] * len(rows)
        for position, name in enumerate(classes):
            parts = [counts.get(name, 0) for counts in rows.values()]
            shade = (colours or PALETTE)[position % len(colours or PALETTE)]
            axes.barh(range(len(rows)), parts, left=done, height=0.62, color=shade, label=_short(name))
            done = [before + part for before, part in zip(done, parts, strict=True)]
        axes.set_yticks(
            range(len(rows)), [f"{_short(name)}  {total:,}" for name, total in zip(rows, done, strict=True)]
        )
        axes.invert_yaxis()
        axes.set_xticks([])
        axes.spines[:].set_visible(False)
        axes.tick_params(length=0)
        if classes:
            axes.legend(loc="upper left", bbox_to_anchor=(0, -0.02), ncols=4, frameon=False)
        return _bytes(figure, form)


def histogram(values: Sequence[float], *, title: str = "", unit: str = "", form: Form = "png") -> bytes:
    """How numbers are spread, such as the spacing of all images.

    Args:
        values: the numbers; what is not finite is left out.
        title: stands above.
        unit: stands below the axis.
        form: `png` or `svg`.
    """
    bins = binned(values)
    with _style():
        figure, axes = _sheet(title, height=2.2)
        places = range(len(bins.counts))
        axes.bar(places, bins.counts, width=0.7 if bins.single else 0.94, color=ACCENT)
        every = max(1, -(-len(bins.labels) // 9))
        shown = [place for place in places if place % every == 0]
        shift = 0.0 if bins.single else 0.5
        axes.set_xticks([place - shift for place in shown], [bins.labels[place] for place in shown])
        axes.set_xlabel(unit)
        axes.set_yticks([0, bins.most] if bins.most else [])
        axes.spines[["top", "right", "left"]].set_visible(False)
        axes.tick_params(length=0)
        return _bytes(figure, form)


def _style() -> Any:
    """Quiet lines, readable letters, and Chinese where the machine has a font for it."""
    import matplotlib
    from matplotlib import font_manager

    families = ["DejaVu Sans"]
    foreign = chinese_font()
    if foreign:
        families.append(_registered(font_manager, foreign))
    settings = {
        "font.family": families,
        "font.size": 10,
        "axes.edgecolor": LINE,
        "axes.labelcolor": MUTED,
        "text.color": INK,
        "xtick.color": MUTED,
        "ytick.color": INK,
        "svg.hashsalt": "isocenter",
        "svg.fonttype": "path",
        "axes.titlesize": 11,
        "axes.titleweight": "bold",
        "axes.titlelocation": "left",
    }
    return matplotlib.rc_context(settings)


def _registered(font_manager: Any, path: str) -> str:
    """The family name under which matplotlib knows a font file."""
    for entry in font_manager.fontManager.ttflist:
        if entry.fname == path:
            return str(entry.name)
    font_manager.fontManager.addfont(path)
    return str(font_manager.fontManager.ttflist[-1].name)


def _sheet(title: str, *, height: float) -> tuple[Figure, Axes]:
    """Paper without the machinery of windows: it may be drawn on from any thread."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(_WIDTH, height + (0.3 if title else 0)), facecolor=PAPER, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    if title:
        axes.set_title(title)
    return figure, axes


def _bytes(figure: Figure, form: Form) -> bytes:
    stream = BytesIO()
    unsaid: dict[str, Any] = {"Date": None, "Creator": None} if form == "svg" else {"Software": None}
    figure.savefig(stream, format=form, dpi=150, metadata=unsaid)
    return stream.getvalue()


def _short(name: str) -> str:
    return name if len(name) <= 28 else name[:27] + "…"
