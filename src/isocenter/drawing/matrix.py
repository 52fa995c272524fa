"""The confusion matrix as a chart: what was true down the side, what the model said along the top."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from isocenter.core.words import say
from isocenter.drawing.look import ACCENT, INK, MUTED, PAPER, drawable
from isocenter.drawing.sheet import Form, drawn, sheet, shortened, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MANY = 16
"""With more classes than this, the cells carry colour alone."""
_FEW = 6
"""With at most so many, a cell has room for its share too."""


def confusion(
    rows: NDArray[np.integer[Any]], classes: Sequence[str], *, lang: str = "en", title: str = "", form: Form = "png"
) -> bytes:
    """How many cases of each true class were called what; colour is the share of the true class.

    Args:
        rows: (true class, called class) counts.
        classes: names, in the order of both axes.
        lang: `en` or `zh`.
        title: stands above.
        form: `png` or `svg`.
    """
    from matplotlib.colors import LinearSegmentedColormap

    words = drawable(lang)
    shares = rows / np.maximum(rows.sum(axis=1, keepdims=True), 1)
    edge = float(np.clip(0.85 * len(classes), 2.4, 5.4))
    names = [shortened(name, 16) for name in classes]
    with style():
        figure, axes = sheet(title, height=edge + 0.9, width=edge + 1.7)
        axes.imshow(shares, cmap=LinearSegmentedColormap.from_list("shares", [PAPER, ACCENT]), vmin=0, vmax=1)
        if len(classes) <= _MANY:
            _counts(axes, rows, shares)
        slanted = sum(len(name) for name in names) > 10 * edge
        axes.set_xticks(range(len(names)), names, rotation=40 if slanted else 0, ha="right" if slanted else "center")
        axes.set_yticks(range(len(names)), names)
        axes.tick_params(length=0, labelcolor=INK, labelsize=10 if len(names) <= _MANY else 6)
        axes.set_xlabel(say("curves.model_said", words))
        axes.set_ylabel(say("curves.was_true", words))
        axes.set_xticks(np.arange(-0.5, len(names)), minor=True)
        axes.set_yticks(np.arange(-0.5, len(names)), minor=True)
        axes.grid(which="minor", color=PAPER, linewidth=2)
        axes.tick_params(which="minor", length=0)
        axes.spines[:].set_color(MUTED)
        axes.spines[:].set_linewidth(0.6)
        return drawn(figure, form)


def _counts(axes: Axes, rows: NDArray[np.integer[Any]], shares: NDArray[np.floating[Any]]) -> None:
    size = 13 if len(rows) <= _FEW else 9
    for (true, called), count in np.ndenumerate(rows):
        shade = PAPER if shares[true, called] > 0.55 else INK
        roomy = len(rows) <= _FEW
        place = (called, true - 0.1 if roomy else true)
        axes.text(*place, f"{count:,}", ha="center", va="center", color=shade, fontsize=size)
        if roomy:
            part = f"{100 * shares[true, called]:.0f} %"
            axes.text(called, true + 0.22, part, ha="center", va="center", color=shade, fontsize=8.5)
