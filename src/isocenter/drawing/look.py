"""The look that terminal, charts, contact sheets and pages share: colours, fonts, how numbers are put in bins."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from PIL.ImageFont import FreeTypeFont

INK, MUTED, LINE, PAPER = "#1c2733", "#5b6875", "#d9dfe5", "#ffffff"
"""Text, quieter text, hairlines and ground of everything drawn on light paper."""

ACCENT = "#0f6b8f"
"""The one colour of bars and headings that carry no class."""

PALETTE = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#d55e00", "#56b4e9", "#f0e442", "#7f7f7f")
"""Colours that people with any kind of colour vision can tell apart (after Okabe and Ito), for classes in order."""

_CHINESE_FONTS = (
    "NotoSansCJK-Regular.ttc",
    "NotoSansSC-Regular.otf",
    "SourceHanSansSC-Regular.otf",
    "msyh.ttc",
    "simhei.ttf",
    "PingFang.ttc",
    "Hiragino Sans GB.ttc",
    "wqy-microhei.ttc",
    "wqy-zenhei.ttc",
    "DroidSansFallbackFull.ttf",
)


def colour(position: int) -> tuple[int, int, int]:
    """The colour of the class at a position, as red, green and blue; colours repeat after the eighth class."""
    code = PALETTE[position % len(PALETTE)]
    return int(code[1:3], 16), int(code[3:5], 16), int(code[5:7], 16)


@cache
def chinese_font() -> str | None:
    """The file of a font with Chinese characters, or None where this machine has none."""
    from PIL import ImageFont

    for name in _CHINESE_FONTS:
        try:
            return str(ImageFont.truetype(name, 12).path)
        except OSError:
            continue
    return None


def drawable(lang: str) -> str:
    """The language in which pictures can be written here: Chinese needs a font for it."""
    return lang if lang == "en" or chinese_font() else "en"


@cache
def font(size: int, *, bold: bool = False, chinese: bool = False) -> FreeTypeFont:
    """A font for drawing on pictures: the one that comes with matplotlib, so that all machines draw the same."""
    import matplotlib
    from PIL import ImageFont

    foreign = chinese_font() if chinese else None
    own = Path(matplotlib.get_data_path(), "fonts", "ttf", "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf")
    return ImageFont.truetype(foreign or str(own), size)


def is_chinese(text: str) -> bool:
    """Whether a text needs a font with Chinese, Japanese or Korean characters."""
    return any("\u2e80" <= letter <= "\u9fff" or "\uac00" <= letter <= "\ud7ff" or letter > "\uf8ff" for letter in text)


@dataclass(frozen=True, slots=True)
class Bins:
    """Numbers put in bins.

    Attributes:
        labels: what stands under each bin: its lower edge, or its one value.
        counts: how many numbers fell into it.
        single: whether each bin holds one value alone.
    """

    labels: tuple[str, ...]
    counts: tuple[int, ...]
    single: bool

    @property
    def most(self) -> int:
        """The largest count; 0 where there are no bins."""
        return max(self.counts, default=0)


def binned(values: Sequence[float], *, most: int = 16) -> Bins:
    """Put numbers into at most `most` bins whose edges are round; few different numbers get a bin each."""
    known = np.asarray([value for value in values if math.isfinite(value)], dtype=float)
    if not known.size:
        return Bins((), (), single=True)
    different, counts = np.unique(np.round(known, 3), return_counts=True)
    if len(different) <= min(most, 10):
        return Bins(tuple(number(one) for one in different), tuple(int(one) for one in counts), single=True)
    step = _round_step((different[-1] - different[0]) / most)
    first = math.floor(different[0] / step)
    places = np.floor(known / step + 1e-9).astype(int) - first
    edges = [(first + place) * step for place in range(int(places.max()) + 1)]
    counts = np.bincount(places, minlength=len(edges))
    return Bins(tuple(number(edge) for edge in edges), tuple(int(count) for count in counts), single=False)


def _round_step(least: float) -> float:
    """The next width up of the kind 1, 2 or 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(least))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= least * (1 - 1e-9))


def number(value: float) -> str:
    """A number without needless zeros: `2.5`, `512`, `0.035`, `12,000`."""
    if value == int(value):
        return f"{int(value):,}"
    return f"{value:.4g}" if abs(value) < 1000 else f"{value:,.0f}"


def share(count: int, total: int) -> str:
    """A part of a whole in per cent, never rounded up to all or down to none."""
    if not total:
        return "–"
    percent = 100 * count / total
    if 0 < percent < 1:
        return "<1 %"
    return ">99 %" if 99 < percent < 100 else f"{percent:.0f} %"
