"""Charts of counts and spreads as the bytes of a PNG or SVG file; the same numbers give the same bytes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from isocenter.drawing.look import ACCENT, MUTED, PALETTE, binned, share
from isocenter.drawing.sheet import Form, drawn, sheet, shortened, style


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
    with style():
        figure, axes = sheet(title, height=0.55 + 0.36 * max(len(counts), 1))
        names, numbers = list(counts), list(counts.values())
        axes.barh(range(len(names)), numbers, height=0.62, color=list(colours or [ACCENT] * len(names)))
        total = sum(numbers)
        for place, count in enumerate(numbers):
            text = f"{count:,}  {share(count, total)}"
            axes.annotate(text, (count, place), (5, 0), textcoords="offset points", va="center", color=MUTED)
        axes.set_yticks(range(len(names)), [shortened(name) for name in names])
        axes.invert_yaxis()
        axes.set_xlim(0, 1.22 * max([*numbers, 1]))
        axes.set_xticks([])
        axes.spines[:].set_visible(False)
        axes.tick_params(length=0)
        return drawn(figure, form)


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
    with style():
        figure, axes = sheet(title, height=0.95 + 0.36 * max(len(rows), 1))
        done = [0] * len(rows)
        for position, name in enumerate(classes):
            parts = [counts.get(name, 0) for counts in rows.values()]
            shade = (colours or PALETTE)[position % len(colours or PALETTE)]
            axes.barh(range(len(rows)), parts, left=done, height=0.62, color=shade, label=shortened(name))
            done = [before + part for before, part in zip(done, parts, strict=True)]
        axes.set_yticks(
            range(len(rows)), [f"{shortened(name)}  {total:,}" for name, total in zip(rows, done, strict=True)]
        )
        axes.invert_yaxis()
        axes.set_xticks([])
        axes.spines[:].set_visible(False)
        axes.tick_params(length=0)
        if classes:
            axes.legend(loc="upper left", bbox_to_anchor=(0, -0.02), ncols=4, frameon=False)
        return drawn(figure, form)


def histogram(values: Sequence[float], *, title: str = "", unit: str = "", form: Form = "png") -> bytes:
    """How numbers are spread, such as the spacing of all images.

    Args:
        values: the numbers; what is not finite is left out.
        title: stands above.
        unit: stands below the axis.
        form: `png` or `svg`.
    """
    bins = binned(values)
    with style():
        figure, axes = sheet(title, height=2.2)
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
        return drawn(figure, form)
