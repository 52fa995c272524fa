"""Mosaics: all slices of one volume laid side by side in one large picture, by Siemens or United Imaging."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from isocenter.core.errors import Unreadable
from isocenter.data.formats.dicom import csa
from isocenter.data.formats.dicom.enhanced import vector
from isocenter.data.formats.dicom.records import Common, Slice
from isocenter.data.formats.dicom.regular import directions
from isocenter.data.formats.dicom.spacing import pixel_size

_CSA_HEADER, _PLAIN_HEADER = "SIEMENS CSA HEADER", "SIEMENS MR HEADER"
_GRID_FRAMES = 0x00651051


class Tiling(NamedTuple):
    """How many slices a mosaic holds, how many tiles there are along each side, and the size of a tile."""

    slices: int
    side: int
    rows: int
    columns: int


def is_mosaic(common: Common) -> bool:
    """Whether the header says that the picture is a mosaic, or a grid as United Imaging calls it."""
    return (common.grid_slices or 0) > 1 or any("MOSAIC" in part for part in common.image_type or ())


def is_tiled(dataset: Any, record: Slice) -> bool:
    """Whether the picture really is one: newer scanners (XA) leave the word MOSAIC on slices that stand alone.

    Such a slice says nowhere how many tiles there are, and is no larger than the matrix that was acquired.
    """
    if record.common.grid_slices or _said_count(dataset):
        return True
    try:
        matrix = max(int(value) for value in dataset.get("AcquisitionMatrix") or ())
    except (TypeError, ValueError):
        return True
    return max(record.common.rows or 0, record.common.columns or 0) >= 2 * matrix


def expand(dataset: Any, record: Slice) -> list[Slice]:
    """One slice per tile, each with its own position."""
    common = record.common
    if common.grid_slices:
        return _grid(dataset, record)
    count = _count(dataset, record.path)
    axes, size = directions(common.orientation), pixel_size(common)
    if axes is None or size is None or record.position is None or not common.rows or not common.columns:
        raise Unreadable(record.path, why="is a Siemens mosaic whose position, orientation or pixel size is missing")
    tiling = tiling_of(count, common.rows, common.columns, record.path)
    along_row, along_column, across = axes
    step = _step(dataset, record, across)
    # The header gives the corner of the whole picture as if it were one slice with the same centre as a tile.
    corner = np.asarray(record.position)
    corner = corner + along_row * size.x * (common.columns - tiling.columns) / 2
    corner = corner + along_column * size.y * (common.rows - tiling.rows) / 2
    return _tiles_at(record, tiling, [corner + step * number for number in range(count)])


def _step(dataset: Any, record: Slice, across: NDArray[np.float64]) -> NDArray[np.float64]:
    """From one slice to the next: how far, and to which side."""
    distance = record.common.slice_spacing or record.common.thickness
    if not distance:
        raise Unreadable(record.path, why="is a Siemens mosaic that does not say how far apart its slices are")
    normal = _normal(dataset)
    if normal is None:
        raise Unreadable(
            record.path,
            why="is a Siemens mosaic without its private header (SliceNormalVector), so the order of its slices is "
            "not known",
            remedy="Export the series again as single slices or as enhanced DICOM",
        )
    return across * (abs(distance) if float(across @ normal) > 0 else -abs(distance))


def _grid(dataset: Any, record: Slice) -> list[Slice]:
    """A grid of United Imaging: a private sequence gives the position of each tile."""
    common = record.common
    element = dataset.get(_GRID_FRAMES)
    items = list(element.value) if element is not None and element.value else []
    positions = [vector(item, "ImagePositionPatient", 3) for item in items]
    count = int(common.grid_slices or 0)
    if len(positions) != count or None in positions or not common.rows or not common.columns:
        raise Unreadable(record.path, why=f"is a grid of {count} slices that does not say where each of them lies")
    tiling = tiling_of(count, common.rows, common.columns, record.path)
    return _tiles_at(record, tiling, [np.asarray(position) for position in positions])


def _tiles_at(record: Slice, tiling: Tiling, corners: Sequence[NDArray[np.float64]]) -> list[Slice]:
    shared = replace(record.common, kind="mosaic", rows=tiling.rows, columns=tiling.columns, stack=str(tiling.slices))
    return [
        replace(record, frame=number, position=tuple(float(value) for value in corner), common=shared)
        for number, corner in enumerate(corners)
    ]


def tiling_of(count: int, rows: int, columns: int, path: str) -> Tiling:
    """How a mosaic of so many slices is cut into tiles."""
    side = math.ceil(math.sqrt(count))
    if rows % side or columns % side:
        raise Unreadable(path, why=f"is a mosaic of {count} slices that does not divide into {side} x {side} tiles")
    return Tiling(count, side, rows // side, columns // side)


def tiles(picture: NDArray[np.generic], wanted: Sequence[int], count: int) -> list[NDArray[np.generic]]:
    """The wanted tiles of a mosaic, row by row from its upper left."""
    side = math.ceil(math.sqrt(count))
    rows, columns = picture.shape[0] // side, picture.shape[1] // side
    found = []
    for number in wanted:
        top, left = number // side * rows, number % side * columns
        found.append(picture[top : top + rows, left : left + columns])
    return found


def _said_count(dataset: Any) -> int:
    """How many slices the mosaic holds: by the CSA header, else by the newer plain elements; 0 where nobody says."""
    said = csa.numbers(_csa(dataset), "NumberOfImagesInMosaic")
    if said and said[0] >= 1:
        return int(said[0])
    plain = _private(dataset, 0x0019, _PLAIN_HEADER, 0x0A)
    if plain is not None:
        return int(_as_number(plain))
    times = _private(dataset, 0x0019, _PLAIN_HEADER, 0x29)
    return len(times) if times is not None and not isinstance(times, bytes | str | float) else 0


def _count(dataset: Any, path: str) -> int:
    count = _said_count(dataset)
    if count < 1:
        raise Unreadable(
            path,
            why="is a Siemens mosaic that does not say how many slices it holds (NumberOfImagesInMosaic)",
            remedy="Export the series again as single slices or as enhanced DICOM",
        )
    return count


def _normal(dataset: Any) -> NDArray[np.float64] | None:
    """The direction in which the slices follow one another."""
    said = csa.numbers(_csa(dataset), "SliceNormalVector")
    return np.asarray(said[:3]) if len(said) >= 3 and any(said[:3]) else None


def _csa(dataset: Any) -> dict[str, list[str]]:
    raw = _private(dataset, 0x0029, _CSA_HEADER, 0x10)
    if not isinstance(raw, bytes):
        return {}
    try:
        return csa.entries(raw)
    except ValueError:
        return {}


def _private(dataset: Any, group: int, creator: str, element: int) -> Any:
    try:
        return dataset.private_block(group, creator)[element].value
    except KeyError:
        return None


def _as_number(value: Any) -> float:
    if isinstance(value, bytes):
        return float(int.from_bytes(value[:2], "little"))
    try:
        return float(value)
    except (TypeError, ValueError):
        return 0.0
