"""Paper for charts: one style, one width, the same bytes for the same numbers, and never a window on the screen."""

from __future__ import annotations

import logging
from io import BytesIO
from typing import TYPE_CHECKING, Any, Literal

from isocenter.drawing.look import INK, LINE, MUTED, PAPER, chinese_font

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Form = Literal["png", "svg"]
WIDTH = 6.0
"""Inches across; at 150 dots per inch a chart is 900 pixels wide."""


def style() -> Any:
    """Quiet lines, readable letters, and Chinese where the machine has a font for it."""
    import matplotlib
    from matplotlib import font_manager

    # A font with Chinese may have no bold face: the plain one will do, and nobody needs to be told on the terminal.
    logging.getLogger(font_manager.__name__).setLevel(logging.ERROR)
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


def sheet(title: str, *, height: float, width: float = WIDTH) -> tuple[Figure, Axes]:
    """Paper with one chart on it."""
    figure = paper(height=height + (0.3 if title else 0), width=width)
    axes: Axes = figure.subplots()
    if title:
        axes.set_title(title)
    return figure, axes


def paper(*, height: float, width: float = WIDTH) -> Figure:
    """Paper without the machinery of windows: it may be drawn on from any thread."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), facecolor=PAPER, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def drawn(figure: Figure, form: Form) -> bytes:
    """The finished sheet as the bytes of a file that says nothing of when or by what it was made."""
    stream = BytesIO()
    unsaid: dict[str, Any] = {"Date": None, "Creator": None} if form == "svg" else {"Software": None}
    figure.savefig(stream, format=form, dpi=150, metadata=unsaid)
    return stream.getvalue()


def shortened(name: str, most: int = 28) -> str:
    """A name that fits beside a chart; a cut one ends in dots."""
    return name if len(name) <= most else name[: most - 1] + "…"
