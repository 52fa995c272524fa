"""Slide microscopy: one picture cut into tiles, each of them a frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isocenter.core.errors import Unreadable
from isocenter.core.geometry import Geometry
from isocenter.core.words import sized
from isocenter.data.formats._shared import MOST_PIXEL_BYTES
from isocenter.data.formats.dicom.enhanced import number, vector
from isocenter.data.formats.dicom.pixels import frames
from isocenter.data.formats.dicom.records import Common, Slice
from isocenter.data.formats.dicom.values import is_colour, stored_dtype

MICROSCOPY = frozenset(("1.2.840.10008.5.1.4.1.1.77.1.6", "1.2.840.10008.5.1.4.1.1.77.1.8"))
"""Whole slides, and what confocal microscopes tile."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Where each frame belongs.

    Attributes:
        size: columns and rows of the whole picture.
        depths: focal planes.
        paths: names of the optical paths; more than one becomes channels of their own.
        tile: columns and rows of a frame.
        places: per frame: optical path, focal plane, top row, left column, all from zero.
        geometry: of the whole picture; a slide lies in no patient.
        samples: numbers per pixel.
    """

    size: tuple[int, int]
    depths: int
    paths: tuple[str, ...]
    tile: tuple[int, int]
    places: tuple[tuple[int, int, int, int], ...]
    geometry: Geometry
    samples: int

    @property
    def axes(self) -> str:
        """The axes of the whole picture."""
        return "CZYX" if self.depths > 1 else "CYX"

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the whole picture."""
        depth = (self.depths,) if self.depths > 1 else ()
        return (self.samples * len(self.paths), *depth, self.size[1], self.size[0])


def is_slide(common: Common) -> bool:
    """Whether the frames of a file are tiles of one picture."""
    return common.sop_class in MICROSCOPY and bool(common.matrix_columns)


def plan_of(dataset: Any, record: Slice) -> Plan:
    """Where each frame belongs, or why that cannot be known."""
    common = record.common
    columns, rows = number(dataset, "TotalPixelMatrixColumns"), number(dataset, "TotalPixelMatrixRows")
    if not columns or not rows or not common.rows or not common.columns:
        raise Unreadable(record.path, why="is a slide that does not say how large it is")
    paths = tuple(
        str(item.get("OpticalPathIdentifier") or index + 1)
        for index, item in enumerate(dataset.get("OpticalPathSequence") or ())
    ) or ("1",)
    samples = 3 if is_colour(common) else 1
    if samples == 3 and len(paths) > 1:
        raise Unreadable(record.path, why=f"holds {len(paths)} optical paths in colour, which do not make one picture")
    depths = int(number(dataset, "TotalPixelMatrixFocalPlanes") or 1)
    size, tile = (int(columns), int(rows)), (common.columns, common.rows)
    if dataset.get("DimensionOrganizationType") == "TILED_FULL" or "PerFrameFunctionalGroupsSequence" not in dataset:
        needed = -(-size[0] // tile[0]) * -(-size[1] // tile[1]) * depths * len(paths)
        if needed != (common.frames or 1):
            raise Unreadable(record.path, why=f"holds {common.frames or 1} tiles where its size asks for {needed}")
        places = _full(size, tile, depths, len(paths))
    else:
        places, depths = _sparse(dataset, record, paths)
    plan = Plan(
        size=size,
        depths=depths,
        paths=paths,
        tile=tile,
        places=places,
        geometry=_geometry(dataset, common),
        samples=samples,
    )
    _refuse_too_large(plan, record)
    return plan


def _refuse_too_large(plan: Plan, record: Slice) -> None:
    needed = int(np.prod([float(step) for step in plan.shape])) * stored_dtype(record.common).itemsize
    if needed > MOST_PIXEL_BYTES:
        raise Unreadable(
            record.path,
            why=f"is a slide of {plan.size[0]} x {plan.size[1]} pixels ({sized(needed)})",
            remedy=f"At most {sized(MOST_PIXEL_BYTES)} are read at once: use a lower level of the same slide",
        )


def _full(
    size: tuple[int, int], tile: tuple[int, int], depths: int, paths: int
) -> tuple[tuple[int, int, int, int], ...]:
    """Every tile is there, in the standard's order: paths, focal planes, rows, columns."""
    return tuple(
        (path, depth, top, left)
        for path in range(paths)
        for depth in range(depths)
        for top in range(0, size[1], tile[1])
        for left in range(0, size[0], tile[0])
    )


def _sparse(dataset: Any, record: Slice, paths: Sequence[str]) -> tuple[tuple[tuple[int, int, int, int], ...], int]:
    """Each tile says itself where it belongs."""
    found: list[tuple[int, float, int, int]] = []
    for index, groups in enumerate(dataset.PerFrameFunctionalGroupsSequence):
        items = groups.get("PlanePositionSlideSequence")
        top = number(items[0], "RowPositionInTotalImagePixelMatrix") if items else None
        left = number(items[0], "ColumnPositionInTotalImagePixelMatrix") if items else None
        if top is None or left is None or items is None:
            raise Unreadable(record.path, why=f"does not say where tile {index + 1} belongs (0048,021A)")
        depth = number(items[0], "ZOffsetInSlideCoordinateSystem") or 0.0
        optical = groups.get("OpticalPathIdentificationSequence")
        name = str(optical[0].get("OpticalPathIdentifier") or "") if optical else ""
        found.append((paths.index(name) if name in paths else 0, depth, int(top) - 1, int(left) - 1))
    depths = {depth: rank for rank, depth in enumerate(sorted({place[1] for place in found}))}
    return tuple((path, depths[depth], top, left) for path, depth, top, left in found), len(depths)


def _geometry(dataset: Any, common: Common) -> Geometry:
    """The pixel size of the slide; no place, for a slide lies in no patient."""
    shared = dataset.get("SharedFunctionalGroupsSequence")
    measures = shared[0].get("PixelMeasuresSequence") if shared else None
    spacing = vector(measures[0], "PixelSpacing", 2) if measures else common.pixel_spacing
    if spacing is None or min(spacing) <= 0:
        return Geometry.unknown()
    thickness = number(measures[0], "SpacingBetweenSlices") if measures else None
    return Geometry.sized((spacing[1], spacing[0], abs(thickness or 1.0) or 1.0))


def assemble(dataset: Any, record: Slice, plan: Plan) -> NDArray[Any]:
    """The whole picture in the order of the plan's axes; where a sparse slide has no tile it is background."""
    common = record.common
    colour = plan.samples == 3
    shape = (plan.samples * len(plan.paths), plan.depths, plan.size[1], plan.size[0])
    # A slide is bright where there is nothing, a fluorescent image dark.
    picture = np.full(shape, 255 if colour else 0, dtype=stored_dtype(common))
    tiles = frames(dataset, record.path, common, range(len(plan.places)))
    for (path, depth, top, left), tile in zip(plan.places, tiles, strict=True):
        rows, columns = min(tile.shape[0], plan.size[1] - top), min(tile.shape[1], plan.size[0] - left)
        if top < 0 or left < 0 or rows <= 0 or columns <= 0:
            raise Unreadable(record.path, why=f"holds a tile outside its picture (row {top + 1}, column {left + 1})")
        part = tile[:rows, :columns]
        target = picture[:, depth, top : top + rows, left : left + columns]
        if colour:
            target[...] = np.moveaxis(part, -1, 0)
        else:
            target[path] = part
    return picture if plan.depths > 1 else picture[:, 0]
