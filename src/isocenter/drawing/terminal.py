"""Small charts made of letters, for a terminal: the same counts and bins as in the pictures."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from unicodedata import east_asian_width

from isocenter.drawing.look import binned, share

_PARTS = " ▏▎▍▌▋▊▉█"
_STEPS = "▁▂▃▄▅▆▇█"


def bars(counts: Mapping[str, int], *, width: int = 60, shares: bool = True, ascii_only: bool = False) -> str:
    """One line for each name with a bar, its count and its share of all.

    Args:
        counts: in the order in which they are shown.
        width: letters in a line.
        shares: whether the share of the whole stands behind the count.
        ascii_only: draw with `#` for terminals that cannot do better.
    """
    total, most = sum(counts.values()), max(counts.values(), default=0)
    ends = [f"{count:,}" + (f"  {share(count, total)}" if shares else "") for count in counts.values()]
    numbers = [end.split("  ") for end in ends]
    wide = max((len(parts[0]) for parts in numbers), default=0)
    named = min(max((columns(name) for name in counts), default=0), max(8, width // 3))
    tail = wide + (7 if shares else 0)
    room = max(4, width - named - tail - 2)
    lines = []
    for (name, count), parts in zip(counts.items(), numbers, strict=True):
        bar = _bar(count / most if most else 0, room, ascii_only=ascii_only)
        percent = f"  {parts[1]:>5}" if shares else ""
        lines.append(f"{fitted(name, named)} {bar} {parts[0]:>{wide}}{percent}".rstrip())
    return "\n".join(lines)


def histogram(values: Sequence[float], *, unit: str = "", width: int = 60, ascii_only: bool = False) -> str:
    """How numbers are spread: one line for each bin, named by its lower edge or by its one value."""
    bins = binned(values, most=8)
    names = [f"{label}{' ' + unit if unit else ''}{'' if bins.single else ' +'}" for label in bins.labels]
    return bars(dict(zip(names, bins.counts, strict=True)), width=width, shares=False, ascii_only=ascii_only)


def sparkline(values: Sequence[float], *, most: int = 16) -> str:
    """How numbers are spread, in one word of little columns; empty where there are none."""
    counts = binned(values, most=most).counts
    top = max(counts, default=0)
    return "".join(_STEPS[min(7, round(7 * count / top))] if count else " " for count in counts)


def trend(values: Sequence[float], *, most: int = 40) -> str:
    """How a number rose and fell, as one word of little columns from its lowest to its highest."""
    known = [value for value in values if math.isfinite(value)]
    if not known:
        return ""
    shown = [known[place * len(known) // most] for place in range(most)] if len(known) > most else known
    shown = [*shown[:-1], known[-1]]
    low, high = min(shown), max(shown)
    return "".join(_STEPS[round(7 * (value - low) / (high - low))] if high > low else _STEPS[3] for value in shown)


def columns(text: str) -> int:
    """How many columns a text takes in a terminal: Chinese characters take two."""
    return sum(2 if east_asian_width(letter) in "WF" else 1 for letter in text)


def fitted(text: str, width: int) -> str:
    """A text cut or filled up to so many columns."""
    if columns(text) > width:
        while text and columns(text) > width - 1:
            text = text[:-1]
        text += "…"
    return text + " " * (width - columns(text))


def _bar(part: float, room: int, *, ascii_only: bool) -> str:
    if ascii_only:
        full = max(round(part * room), int(part > 0))
        return "#" * full + " " * (room - full)
    eighths = max(round(part * room * 8), int(part > 0))
    full, rest = divmod(eighths, 8)
    bar = "█" * full + (_PARTS[rest] if rest else "")
    return bar + " " * (room - len(bar))
