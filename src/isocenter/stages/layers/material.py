"""What a model is shown: an image that was given, or cases of its cohort, and how large the things in them are."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isocenter.core.case import Case
from isocenter.core.cohort import Cohort
from isocenter.core.errors import Unreadable, UsageError
from isocenter.core.geometry import Geometry
from isocenter.core.image import Image
from isocenter.core.labels import BoxesValue, MaskValue
from isocenter.core.progress import Progress, tracked
from isocenter.core.recipe import Recipe
from isocenter.core.words import counted, listed
from isocenter.data.catalogue.pixels import Pixels
from isocenter.data.new_cases import find_cases, read_case
from isocenter.pathway.entrance import Entrance
from isocenter.pathway.preparation import Prepared
from isocenter.pathway.prepare._shared import background
from isocenter.stages._shared.material import evenly
from isocenter.stages.layers.results import Objects

CASES = 16
"""Cases of a cohort that are looked at, spread evenly over it."""

_SPECK = 4
"""Marked pixels that hang together are an object from this many on; fewer are crumbs of its edge."""

_KINDS = ("masks", "boxes", "foreground")

Extents = list[tuple[float, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """Prepared cases, and the extents in pixels of those of what is seen in them.

    Attributes:
        prepared: the cases.
        kind: what told the extents: `masks`, `boxes` or `foreground`.
        extents: one row for each object.
    """

    prepared: Sequence[Prepared]
    kind: str
    extents: NDArray[np.float64]

    def objects(self, heeded: float | None) -> Objects:
        """How large they are, and how many of them what a place heeds can hold."""
        longest = self.extents.max(axis=1)
        return Objects(
            kind=self.kind,
            count=len(self.extents),
            cases=len(self.prepared),
            extents=tuple(float(one) for one in np.median(self.extents, axis=0)),
            longest=float(np.median(longest)),
            covered=None if heeded is None else float((longest <= heeded).mean()),
        )


def one_image(source: Path, recipe: Recipe, progress: Progress) -> Prepared:
    """The image that was given, as the model is shown it."""
    wanted = recipe.input.channels
    found = find_cases([source], wanted, progress)
    if not found.cases:
        reasons = listed(sorted({one.reason for one in found.refused}), most=3)
        raise Unreadable(f"{source}", why=f"holds no image that can be shown to the model: {reasons}")
    if len(found.cases) > 1:
        names = listed([case.key for case in found.cases], most=4)
        raise UsageError(
            f"{source} holds {counted(len(found.cases), 'case')}", why="one is shown", remedy=f"Give one of {names}"
        )
    return Entrance(recipe).prepare(read_case(found.cases[0], wanted))


def cases_of(cohort: Cohort, recipe: Recipe, progress: Progress) -> Material | None:
    """Some cases of a cohort but none of its test split; None where none of them can be prepared."""
    cases = [case for case in cohort.cases if case.split != "test"]
    chosen = [cases[row] for row in evenly(len(cases), CASES)] if cases else []
    prepared: list[Prepared] = []
    found: dict[str, Extents] = {kind: [] for kind in _KINDS}
    entrance = Entrance(recipe)
    with closing(Pixels(cohort)) as pixels:
        for case in tracked(chosen, progress, "Looking at cases", len(chosen)):
            try:
                images = {channel: pixels.image(facts, keep=False) for channel, facts in case.images.items()}
                one = entrance.prepare(images)
                marked = _marked(case, images, one, pixels)
            except (Unreadable, UsageError):
                continue  # as in training, where such cases are told and left out
            prepared.append(one)
            for kind, extents in marked.items():
                found[kind] += extents
            found["foreground"].append(_foreground(one.array))
    if not prepared:
        return None
    kind = next(kind for kind in _KINDS if found[kind])
    return Material(prepared=prepared, kind=kind, extents=np.array(found[kind]))


def _marked(case: Case, images: Mapping[str, Image], prepared: Prepared, pixels: Pixels) -> dict[str, Extents]:
    """The extents of what readers marked, on the prepared grid."""
    first = next(iter(images.values()))
    axes = prepared.array.ndim - 1
    found: dict[str, Extents] = {"masks": [], "boxes": []}
    for label in case.labels:
        if isinstance(label.value, MaskValue):
            mask = pixels.mask(label.value, keep=False)
            onto = _onto(_geometry(mask, first), prepared, axes)
            found["masks"] += [onto(low, high) for low, high in _regions(mask)]
        elif isinstance(label.value, BoxesValue) and axes == 2:
            onto = _onto(first.geometry, prepared, axes)
            found["boxes"] += [
                onto((one.x - 0.5, one.y - 0.5, 0), (one.x + one.width - 0.5, one.y + one.height - 0.5, 0))
                for one in label.value.boxes
            ]
    return found


def _geometry(mask: Image, image: Image) -> Geometry:
    """Where a mask lies: where its image does, if it is drawn on the pixels of that."""
    return image.geometry if mask.size == image.size else mask.geometry


def _regions(mask: Image) -> Iterator[tuple[tuple[float, ...], tuple[float, ...]]]:
    """The edges (x, y, z) of every region of a mask that hangs together."""
    from scipy import ndimage

    labels, count = ndimage.label(mask.array[0] > 0)
    sizes = np.bincount(labels.ravel(), minlength=count + 1)[1:]
    for size, parts in zip(sizes, ndimage.find_objects(labels), strict=True):
        if size >= _SPECK:
            low = [part.start - 0.5 for part in reversed(parts)]
            high = [part.stop - 0.5 for part in reversed(parts)]
            flat = [0.0] * (3 - len(low))
            yield (*low, *flat), (*high, *flat)


def _onto(
    have: Geometry, prepared: Prepared, axes: int
) -> Callable[[Sequence[float], Sequence[float]], tuple[float, ...]]:
    """What turns the edges (x, y, z) of a box into its extents ([slices,] rows, columns) in prepared pixels."""

    def extents(low: Sequence[float], high: Sequence[float]) -> tuple[float, ...]:
        corners = np.array(list(product(*zip(low, high, strict=True))))
        there = prepared.image.geometry.indices(have.points(corners))
        return tuple(float(one) for one in np.ptp(there, axis=0)[:axes][::-1])

    return extents


def _foreground(array: NDArray[Any]) -> tuple[float, ...]:
    """The extents of what differs from the background; of the whole image where there is none."""
    ground = background(array[0])
    if ground is None:
        return tuple(float(extent) for extent in array.shape[1:])
    shown = np.argwhere((array[0] < ground[0]) | (array[0] > ground[1]))
    return tuple(float(one) for one in np.ptp(shown, axis=0) + 1) if len(shown) else (0.0,) * (array.ndim - 1)
