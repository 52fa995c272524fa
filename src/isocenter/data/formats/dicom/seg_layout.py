"""Where each frame of a DICOM segmentation lies: told by its position, never by its order in the file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isocenter.core.errors import GeometryRefused, Unreadable
from isocenter.core.geometry import Geometry
from isocenter.data.formats._shared import MOST_PIXEL_BYTES, check_size

LABELMAP = "1.2.840.10008.5.1.4.1.1.66.7"
"""The storage class whose pixels are segment numbers."""

_MOST_UNEVEN = 0.05
"""How far a frame may lie from an even grid, as a part of the slice spacing."""

_MOST_FRAMES = 1_000_000
_SAME_PLACE = 1e-3
"""Millimetres within which two frames lie on one plane."""


@dataclass(frozen=True, slots=True)
class Place:
    """The upper left corner of a frame in the mask, and the segment that it draws (None: its pixels say)."""

    segment: int | None
    step: int
    row: int
    column: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """What the header of a segmentation promises.

    Attributes:
        kind: `BINARY`, `FRACTIONAL` or `LABELMAP`.
        segments: number to label.
        background: the pixel value that means nothing was drawn.
        apart: whether every segment has a channel of its own, because segments may overlap.
        places: one per frame, in the order of the frames.
    """

    kind: str
    axes: str
    shape: tuple[int, ...]
    dtype: str
    geometry: Geometry
    segments: Mapping[int, str]
    background: int
    apart: bool
    places: tuple[Place, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Grid:
    axes: str
    steps: int
    rows: int
    columns: int
    geometry: Geometry
    places: tuple[Place, ...]
    notes: tuple[str, ...] = ()


def layout_of(dataset: Any, path: Path) -> Layout:
    """The layout of a segmentation from its header."""
    kind = "LABELMAP" if dataset.SOPClassUID == LABELMAP else str(dataset.get("SegmentationType", "BINARY"))
    if kind not in {"BINARY", "FRACTIONAL", "LABELMAP"}:
        raise Unreadable(f"{path}", why=f"is a segmentation of unknown type `{kind}`")
    segments = _segments(dataset, path)
    background = _background(dataset, kind, segments, path)
    grid = _grid(dataset, path, kind)
    _refuse_repeated(grid, segments, path)
    dtype = _dtype(dataset, kind, segments)
    apart = _apart(dataset, kind, segments, grid, dtype)
    plane = (grid.rows, grid.columns)
    lead = (len(segments) if apart else 1,)
    shape = (*lead, *plane) if grid.axes == "CYX" else (*lead, grid.steps, *plane)
    check_size(path, shape, dtype)
    return Layout(
        kind=kind,
        axes=grid.axes,
        shape=shape,
        dtype=dtype,
        geometry=grid.geometry,
        segments=segments,
        background=background,
        apart=apart,
        places=grid.places,
        notes=(*grid.notes, *_meaning(dataset, kind)),
    )


def _segments(dataset: Any, path: Path) -> dict[int, str]:
    segments = {
        int(item.SegmentNumber): str(item.get("SegmentLabel", "") or f"segment {item.SegmentNumber}")
        for item in dataset.get("SegmentSequence", ())
    }
    if not segments:
        raise Unreadable(f"{path}", why="is a segmentation that describes no segment")
    return segments


def _background(dataset: Any, kind: str, segments: dict[int, str], path: Path) -> int:
    """The pixel value of nothing drawn, taken out of the segments where it is listed among them."""
    background = int(dataset.get("PixelPaddingValue", 0) or 0) if kind == "LABELMAP" else 0
    segments.pop(background, None)
    if 0 in segments:
        raise Unreadable(
            f"{path}",
            why=f"gives the value 0 to the segment `{segments[0]}`",
            remedy="Number the segments from 1: 0 is kept for what is not drawn",
        )
    return background


def _dtype(dataset: Any, kind: str, segments: Mapping[int, str]) -> str:
    if kind == "FRACTIONAL":
        return "float32"
    wide = int(dataset.BitsAllocated) > 8 if kind == "LABELMAP" else max(segments, default=0) > 255
    return "uint16" if wide else "uint8"


def _meaning(dataset: Any, kind: str) -> tuple[str, ...]:
    if kind != "FRACTIONAL":
        return ()
    if str(dataset.get("SegmentationFractionalType", "")) == "OCCUPANCY":
        return ("fractional segmentation: each value is the part of the voxel that the segment fills, from 0 to 1",)
    return ("fractional segmentation: each value is the probability that the voxel belongs to the segment, 0 to 1",)


def _apart(dataset: Any, kind: str, segments: Mapping[int, str], grid: _Grid, dtype: str) -> bool:
    """Whether segments may overlap, so that one label map could not hold them."""
    if kind == "LABELMAP":
        return False
    if kind == "FRACTIONAL":
        return True
    if len(segments) == 1 or str(dataset.get("SegmentsOverlap", "")) == "NO":
        return False
    if len({(place.step, place.row, place.column) for place in grid.places}) == len(grid.places):
        return False
    # A hundred organs on one CT would not fit apart. Nearly always they do not overlap either; reading them makes sure.
    voxels = grid.steps * grid.rows * grid.columns
    return len(segments) * voxels * np.dtype(dtype).itemsize <= MOST_PIXEL_BYTES


def _refuse_repeated(grid: _Grid, segments: Mapping[int, str], path: Path) -> None:
    seen: set[Place] = set()
    for number, place in enumerate(grid.places, start=1):
        if place.segment is not None and place.segment not in segments:
            raise Unreadable(f"{path}", why=f"frame {number} draws segment {place.segment}, which is not described")
        if place in seen:
            whose = f"frame of segment {place.segment}" if place.segment is not None else "frame"
            raise GeometryRefused(f"{path}", why=f"frame {number} lies where another {whose} already lies")
        seen.add(place)


def _grid(dataset: Any, path: Path, kind: str) -> _Grid:
    count = int(dataset.get("NumberOfFrames", 1) or 1)
    check_size(path, (count, int(dataset.Rows), int(dataset.Columns)), "uint8")
    frames = _Frames(dataset, count)
    full = str(dataset.get("DimensionOrganizationType", "")) == "TILED_FULL"
    if count > _MOST_FRAMES or (not full and count > max(len(frames.own), 1)):
        raise Unreadable(f"{path}", why=f"announces {count} frames and says of {len(frames.own)} where they lie")
    if "TotalPixelMatrixColumns" in dataset:
        return _tiled(dataset, frames, path, kind)
    numbers: list[int | None] = [None] * count if kind == "LABELMAP" else frames.segments(path)
    if all(frames.group(index, "PlanePositionSequence") is not None for index in range(count)):
        return _in_patient(dataset, frames, numbers, path)
    return _unplaced(dataset, frames, numbers, path)


class _Frames:
    """The functional groups of each frame: its own, else the shared one."""

    def __init__(self, dataset: Any, count: int) -> None:
        self.count = count
        self.own: Sequence[Any] = dataset.get("PerFrameFunctionalGroupsSequence", None) or []
        self.shared: Any = next(iter(dataset.get("SharedFunctionalGroupsSequence", None) or []), None)

    def group(self, index: int, name: str) -> Any | None:
        """One functional group of a frame, or None."""
        own = self.own[index] if index < len(self.own) else None
        for holder in (own, self.shared):
            items = holder.get(name) if holder is not None else None
            if items:
                return items[0]
        return None

    def segments(self, path: Path) -> list[int | None]:
        """The segment that each frame draws."""
        numbers: list[int | None] = []
        for index in range(self.count):
            item = self.group(index, "SegmentIdentificationSequence")
            if item is None:
                raise Unreadable(f"{path}", why=f"frame {index + 1} does not say which segment it draws")
            numbers.append(int(item.ReferencedSegmentNumber))
        return numbers

    def same(self, path: Path, group: str, keyword: str) -> list[float]:
        """Numbers that every frame must share, such as the direction of its rows."""
        values = self.numbers(path, group, keyword)
        if np.abs(values - values[0]).max() > 1e-4:
            raise GeometryRefused(f"{path}", why=f"its frames differ in {keyword}: they do not lie on one grid")
        return [float(value) for value in values[0]]

    def numbers(self, path: Path, group: str, keyword: str) -> NDArray[np.float64]:
        """The numbers of an attribute, one row per frame."""
        values = []
        for index in range(self.count):
            item = self.group(index, group)
            if item is None or not item.get(keyword):
                raise GeometryRefused(f"{path}", why=f"frame {index + 1} has no {keyword}")
            values.append([float(value) for value in item[keyword].value])
        return np.array(values, dtype=np.float64)

    def measure(self, *keywords: str) -> float | None:
        """The first of these lengths that is stated, in millimetres."""
        item = self.group(0, "PixelMeasuresSequence")
        found = (abs(float(item.get(keyword) or 0)) for keyword in keywords) if item is not None else ()
        return next((value for value in found if value), None)

    def size_alone(self) -> Geometry:
        """The geometry of frames whose pixels have a size but no place."""
        item = self.group(0, "PixelMeasuresSequence")
        if item is None or not item.get("PixelSpacing"):
            return Geometry.unknown()
        down, right = (float(value) for value in item.PixelSpacing)
        return Geometry.sized((right, down))

    def source(self, index: int) -> tuple[str, int]:
        """The image instance and the frame in it that a frame was drawn on; empty and 1 where it does not say."""
        derivation = self.group(index, "DerivationImageSequence")
        items = derivation.get("SourceImageSequence") if derivation is not None else None
        if not items:
            return "", 1
        number = items[0].get("ReferencedFrameNumber", 1) or 1
        return str(items[0].ReferencedSOPInstanceUID), int(number if isinstance(number, int | str) else number[0])


def _in_patient(dataset: Any, frames: _Frames, numbers: Sequence[int | None], path: Path) -> _Grid:
    orientation = np.array(frames.same(path, "PlaneOrientationSequence", "ImageOrientationPatient"))
    down, right = frames.same(path, "PixelMeasuresSequence", "PixelSpacing")
    positions = frames.numbers(path, "PlanePositionSequence", "ImagePositionPatient")
    x, y = orientation[:3], orientation[3:]
    normal = np.cross(x, y)
    depths = positions @ normal
    sideways = positions - np.outer(depths, normal)
    if np.abs(sideways - sideways[0]).max() > max(_SAME_PLACE, 0.01 * min(down, right)):
        raise GeometryRefused(f"{path}", why="its frames are shifted sideways against each other")
    spacing, steps, notes = _slices(depths, frames, path)
    origin = positions[int(np.argmin(depths))]
    geometry = Geometry.from_parts(
        origin=origin, spacing=(right, down, spacing), direction=np.stack([x, y, normal], axis=1)
    )
    places = tuple(Place(number, int(step), 0, 0) for number, step in zip(numbers, steps, strict=True))
    return _Grid("CZYX", int(steps.max()) + 1, int(dataset.Rows), int(dataset.Columns), geometry, places, notes)


def _slices(
    depths: NDArray[np.float64], frames: _Frames, path: Path
) -> tuple[float, NDArray[np.int64], tuple[str, ...]]:
    """The slice spacing and the slice of each frame; frames may be missing where nothing was drawn."""
    planes = np.sort(depths)
    gaps = np.diff(planes)
    gaps = gaps[gaps > _SAME_PLACE]
    if not gaps.size:
        spacing = frames.measure("SpacingBetweenSlices", "SliceThickness") or 1.0
        return spacing, np.zeros(len(depths), dtype=np.int64), ()
    stated = frames.measure("SpacingBetweenSlices")
    for step in (stated, float(gaps.min())):
        fit = _even(depths, gaps, step) if step else None
        if fit is not None:
            holes = step != stated and fit[1].max() > gaps.size
            note = "the slice spacing is not stated; it was taken from the frames that are there"
            return *fit, (note,) if holes else ()
    raise GeometryRefused(f"{path}", why=f"its frames lie unevenly, {gaps.min():.4g} to {gaps.max():.4g} mm apart")


def _even(
    depths: NDArray[np.float64], gaps: NDArray[np.float64], step: float
) -> tuple[float, NDArray[np.int64]] | None:
    """The exact spacing near `step` on which all frames lie, and their slices; None where there is none."""
    # Rounding gap by gap keeps a spacing that was written with few digits from adding up to a whole slice.
    total = float(np.rint(gaps / step).sum())
    if not total:
        return None
    spacing = float((depths.max() - depths.min()) / total)
    places = (depths - depths.min()) / spacing
    steps = np.rint(places).astype(np.int64)
    if abs(spacing - step) > _MOST_UNEVEN * step or np.abs(places - steps).max() > _MOST_UNEVEN:
        return None
    return spacing, steps


def _unplaced(dataset: Any, frames: _Frames, numbers: Sequence[int | None], path: Path) -> _Grid:
    """Frames drawn on an image without a place in the patient: a radiograph, or the frames of a film."""
    sources = [frames.source(index) for index in range(frames.count)]
    if len({instance for instance, _ in sources}) > 1:
        raise GeometryRefused(
            f"{path}",
            why="its frames have no position and were drawn on several images",
            remedy="Write one segmentation per image",
        )
    last = max(number for _, number in sources)
    film = any(number != sources[0][1] for _, number in sources)
    places = tuple(
        Place(segment, number - 1 if film else 0, 0, 0) for segment, (_, number) in zip(numbers, sources, strict=True)
    )
    rows, columns = int(dataset.Rows), int(dataset.Columns)
    return _Grid("CTYX" if film else "CYX", last if film else 1, rows, columns, frames.size_alone(), places)


def _tiled(dataset: Any, frames: _Frames, path: Path, kind: str) -> _Grid:
    """Tiles of a slide, laid out over its whole pixel matrix."""
    rows, columns = int(dataset.TotalPixelMatrixRows), int(dataset.TotalPixelMatrixColumns)
    if str(dataset.get("DimensionOrganizationType", "")) == "TILED_FULL":
        places = _full_tiles(dataset, frames, path, kind, (rows, columns))
    else:
        places = _sparse_tiles(frames, path, kind)
    inside = all(0 <= place.row < rows and 0 <= place.column < columns for place in places)
    if not inside:
        raise GeometryRefused(f"{path}", why=f"a tile lies outside the pixel matrix of {columns} x {rows}")
    return _Grid("CYX", 1, rows, columns, frames.size_alone(), places)


def _sparse_tiles(frames: _Frames, path: Path, kind: str) -> tuple[Place, ...]:
    numbers: list[int | None] = [None] * frames.count if kind == "LABELMAP" else frames.segments(path)
    places = []
    for index, number in enumerate(numbers):
        item = frames.group(index, "PlanePositionSlideSequence")
        if item is None:
            raise GeometryRefused(f"{path}", why=f"tile {index + 1} does not say where it lies")
        row, column = int(item.RowPositionInTotalImagePixelMatrix), int(item.ColumnPositionInTotalImagePixelMatrix)
        places.append(Place(number, 0, row - 1, column - 1))
    return tuple(places)


def _full_tiles(dataset: Any, frames: _Frames, path: Path, kind: str, size: tuple[int, int]) -> tuple[Place, ...]:
    """Every tile of every segment is there, segment by segment and row by row, so none needs to say its place."""
    high, wide = int(dataset.Rows), int(dataset.Columns)
    tiles = -(-size[0] // high) * -(-size[1] // wide)
    numbers: list[int | None] = [None]
    if kind != "LABELMAP":
        numbers = [int(item.SegmentNumber) for item in dataset.SegmentSequence]
    if tiles * len(numbers) != frames.count:
        raise GeometryRefused(
            f"{path}",
            why=f"{len(numbers)} segments of {tiles} tiles need as many frames, and there are {frames.count}",
            remedy="Several focal planes or optical paths cannot be told apart: write one file for each",
        )
    corners = [(row, column) for row in range(0, size[0], high) for column in range(0, size[1], wide)]
    return tuple(Place(number, 0, row, column) for number in numbers for row, column in corners)
