"""A cohort on one page: a single HTML file that opens anywhere, needs nothing from elsewhere, and prints well."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from isocenter.drawing.look import PALETTE, binned, number, share
from isocenter.drawing.montage import Tile, png
from isocenter.drawing.template import inlined, rendered, sentences

_PATHS_SHOWN, _REASONS_SHOWN = 3, 40


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelView:
    """One label: how many cases carry each class, in all and in each split.

    Attributes:
        name: of the label.
        counts: class to cases, in the order of the schema; colours follow this order.
        splits: split to class to cases; empty where the cohort is not split.
        unlabelled: cases that nobody looked at.
    """

    name: str
    counts: Mapping[str, int]
    splits: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    unlabelled: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitView:
    """One split: how many cases of how many patients."""

    name: str
    cases: int
    patients: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceView:
    """How many images came from one device; empty words where the files do not say."""

    modality: str
    device: str
    images: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedView:
    """A file that was not taken, and why."""

    path: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TileView:
    """One picture of the contact sheet, as the bytes of a PNG file; the tag is the class or another short word."""

    png: bytes
    caption: str
    tag: str = ""

    @classmethod
    def of(cls, tile: Tile) -> TileView:
        """A tile as `montage.tile` makes it."""
        return cls(png=png(tile.pixels), caption=tile.caption, tag=tile.tag)


@dataclass(frozen=True, slots=True, kw_only=True)
class CohortView:
    """Everything that the page shows; what is empty is left out.

    Attributes:
        name: of the cohort.
        cases, patients, images: how many.
        labels, splits, devices: the tables.
        sizes: `x`, `y`, `z` (columns, rows, slices) to one number per image.
        spacings: `x`, `y`, `z` to millimetres, one number per image that says.
        parted: patients whose images lie in more than one split.
        patients_known: whether anything says which images are of one patient.
        spacing_unknown: how many images do not say.
        sexes: `F`, `M`, `O` or another word to patients.
        ages: years, one number per patient who has one.
        layout: what the folder was recognised as.
        evidence: by what it was recognised.
        warnings: what a person should read first.
        refused: files that were not taken.
        tiles: the contact sheet.
        source: the folder that was read.
        made: when the cohort was read, as people write it.
        version: of the program.
    """

    name: str
    cases: int
    patients: int
    images: int
    labels: Sequence[LabelView] = ()
    splits: Sequence[SplitView] = ()
    devices: Sequence[DeviceView] = ()
    sizes: Mapping[str, Sequence[float]] = field(default_factory=dict)
    spacings: Mapping[str, Sequence[float]] = field(default_factory=dict)
    parted: int = 0
    patients_known: bool = True
    spacing_unknown: int = 0
    sexes: Mapping[str, int] = field(default_factory=dict)
    ages: Sequence[float] = ()
    layout: str = ""
    evidence: Sequence[str] = ()
    warnings: Sequence[str] = ()
    refused: Sequence[RefusedView] = ()
    tiles: Sequence[TileView] = ()
    source: str = ""
    made: str = ""
    version: str = ""


def cohort_page(view: CohortView, lang: str = "en") -> str:
    """The page of a cohort, in English or Chinese, as the text of one HTML file.

    Args:
        view: what to show.
        lang: `en` or `zh`.
    """
    sentence = sentences("page", lang)
    return rendered(
        "cohort.html.j2",
        package="isocenter.drawing",
        lang=lang,
        view=view,
        t=sentence,
        labels=[_label(one, sentence) for one in view.labels],
        splits=_splits(view, sentence),
        splits_note=_splits_note(view, sentence),
        sexes=_bars({_known(sentence, "sex", name): count for name, count in view.sexes.items()}),
        ages=_spread(sentence, sentence("age"), view.ages, sentence("years")),
        spreads=_spreads(view, sentence),
        devices=sorted(view.devices, key=lambda one: (-one.images, one.modality, one.device)),
        refusals=_refusals(view.refused)[:_REASONS_SHOWN],
        more_reasons=max(0, len({one.reason for one in view.refused}) - _REASONS_SHOWN),
        tiles=_tiles(view),
    )


def _label(label: LabelView, sentence: Any) -> dict[str, Any]:
    """The rows of a label's table: class, colour, count, share, and the count in each split."""
    rows = _bars(label.counts)
    for row in rows:
        row["splits"] = [counts.get(row["name"], 0) for counts in label.splits.values()]
    return {
        "name": label.name,
        "rows": rows,
        "splits": [_known(sentence, "split", name) for name in label.splits],
        "unlabelled": label.unlabelled,
    }


def _bars(counts: Mapping[str, int]) -> list[dict[str, Any]]:
    """One bar for each name, as wide as its part of the largest."""
    total, most = sum(counts.values()), max([*counts.values(), 1])
    return [
        {
            "name": name,
            "count": count,
            "share": share(count, total),
            "width": round(100 * count / most, 2),
            "colour": PALETTE[position % len(PALETTE)],
        }
        for position, (name, count) in enumerate(counts.items())
    ]


def _splits_note(view: CohortView, sentence: Any) -> str:
    """What is true of patients and splits: never more than is known."""
    if view.parted:
        return str(sentence("splits_parted", count=f"{view.parted:,}", patients=f"{view.patients:,}"))
    return str(sentence("splits_note" if view.patients_known else "splits_unknown"))


def _splits(view: CohortView, sentence: Any) -> list[dict[str, Any]]:
    """One row for each split; its bar is divided by the classes of the first label that tells."""
    first = next((label for label in view.labels if label.splits), None)
    classes = list(first.counts) if first else []
    total = sum(split.cases for split in view.splits)
    rows = []
    for split in view.splits:
        counts = first.splits.get(split.name, {}) if first else {}
        parts = [
            {
                "name": name,
                "count": counts[name],
                "width": round(100 * counts[name] / max(total, 1), 2),
                "colour": PALETTE[position % len(PALETTE)],
            }
            for position, name in enumerate(classes)
            if counts.get(name)
        ]
        rows.append(
            {
                "name": _known(sentence, "split", split.name),
                "cases": split.cases,
                "patients": split.patients,
                "share": share(split.cases, total),
                "parts": parts,
            }
        )
    return rows


def _spreads(view: CohortView, sentence: Any) -> list[dict[str, Any]]:
    """The histograms of size and spacing along each axis that has any; columns and rows that agree share one."""
    found = []
    for kind, numbers, unit in (("size", view.sizes, ""), ("spacing", view.spacings, "mm")):
        x, y, z = (list(numbers.get(axis, ())) for axis in "xyz")
        flat = (("xy", x),) if x == y else (("x", x), ("y", y))
        for axis, values in (*flat, ("z", z)):
            found.append(_spread(sentence, sentence(f"{kind}_{axis}"), values, unit))
    return [one for one in found if one is not None]


def _spread(sentence: Any, title: str, values: Sequence[float], unit: str) -> dict[str, Any] | None:
    """A histogram's bars in units of its drawing (320 x 96), with a sentence that says the same."""
    bins = binned(values)
    if not bins.counts:
        return None
    known = [value for value in values if math.isfinite(value)]
    low = _said(min(known))
    middle, high = (f"{_said(value)} {unit}".strip() for value in (median(known), max(known)))
    step = 320 / max(len(bins.counts), 4)
    gap = step * 0.3 if bins.single else 1.5
    every = max(1, -(-len(bins.counts) // 6))
    bars = [
        {
            "x": round(position * step + gap / 2, 2),
            "width": round(step - gap, 2),
            "height": round(max(90 * count / bins.most, 1.5), 2) if count else 0,
            "count": count,
            "label": label if position % every == 0 else "",
            "middle": round(position * step + (step / 2 if bins.single else 0), 2),
        }
        for position, (label, count) in enumerate(zip(bins.labels, bins.counts, strict=True))
    ]
    same = min(known) == max(known)
    return {
        "title": title,
        "bars": bars,
        "same": same,
        "summary": sentence("all_same", value=high) if same else sentence("spread", low=low, median=middle, high=high),
        "anchor": "middle" if bins.single else "start",
    }


def _said(value: float) -> str:
    """A number to three digits."""
    return number(float(f"{value:.3g}")) if abs(value) < 1000 else number(round(value))


def _refusals(refused: Sequence[RefusedView]) -> list[dict[str, Any]]:
    """Refused files gathered by reason, the commonest first."""
    by_reason: dict[str, list[str]] = defaultdict(list)
    for one in refused:
        by_reason[one.reason].append(one.path)
    commonest = sorted(by_reason.items(), key=lambda item: (-len(item[1]), item[0]))
    return [
        {
            "reason": reason[:1].upper() + reason[1:],
            "count": len(paths),
            "paths": paths[:_PATHS_SHOWN],
            "more": len(paths) - _PATHS_SHOWN,
        }
        for reason, paths in commonest
    ]


def _tiles(view: CohortView) -> list[dict[str, Any]]:
    """The contact sheet; a tag that is a class has the class's colour."""
    colours: dict[str, str] = {}
    for label in view.labels:
        for position, name in enumerate(label.counts):
            colours.setdefault(name, PALETTE[position % len(PALETTE)])
    return [
        {
            "source": inlined(one.png),
            "caption": one.caption,
            "tag": one.tag,
            "colour": colours.get(one.tag, PALETTE[-1]),
        }
        for one in view.tiles
    ]


def _known(sentence: Any, kind: str, name: str) -> str:
    """A word of the files in the reader's language, where it is one that all files share."""
    known = {"split": ("train", "val", "test"), "sex": ("F", "M", "O")}[kind]
    return str(sentence(f"{kind}_{name.lower()}")) if name in known else name
