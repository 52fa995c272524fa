"""The images that a mask was drawn on: found, and compared with the mask in space before anything is written."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isocenter.core.errors import UsageError
from isocenter.core.geometry import Geometry
from isocenter.core.image import Image
from isocenter.data.formats._shared import guarded
from isocenter.data.formats.dicom.header import open_header

_TOLERANCE = 0.05
"""How far a corner of the mask may lie from the same corner of its slice, as a part of a pixel."""


@dataclass(frozen=True, slots=True)
class Plane:
    """One slice or frame of the source, LPS.

    Attributes:
        corners: its first pixel, the last of its first row, and the first of its last row, in millimetres.
        orientation: unit vectors along a row and along a column.
    """

    corners: NDArray[np.float64]
    orientation: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Source:
    """The images to refer to.

    Attributes:
        datasets: their headers: one per slice, or a single one of many frames.
        planes: where each slice or frame lies; empty where the images have no place in the patient.
        tiled: whether it is a slide, cut into tiles.
    """

    datasets: list[Any]
    planes: tuple[Plane, ...]
    tiled: bool = False

    @property
    def series(self) -> str:
        """Its series UID."""
        return str(self.datasets[0].SeriesInstanceUID)


def source_of(mask: Image, source: Image | Iterable[Path] | None) -> Source:
    """The source that was given, or the one that the mask's origin names."""
    given = mask if source is None else source
    files = _files(given) if isinstance(given, Image) else [Path(one) for one in given]
    datasets = []
    for path in dict.fromkeys(files):
        with guarded(path):
            dataset = open_header(path).dataset
            if "Rows" not in dataset or "SegmentSequence" in dataset:
                raise UsageError(f"{path} is not an image that a mask can be drawn on", remedy=_REMEDY)
            datasets.append(_with_empty_heading(dataset))
    if len({str(dataset.SeriesInstanceUID) for dataset in datasets}) != 1:
        raise UsageError("A mask must be written for one series", remedy="Give the files of one series")
    if "TotalPixelMatrixColumns" in datasets[0]:
        return Source(datasets, (), tiled=True)
    planes = _planes(datasets)
    if planes and len(datasets) > 1:
        datasets, planes = _once(datasets, planes)
    return Source(datasets, planes)


_HEADING = (
    *("PatientID", "PatientName", "PatientBirthDate", "PatientSex", "StudyID", "StudyDate", "StudyTime"),
    *("AccessionNumber", "ReferringPhysicianName", "SeriesNumber"),
)
"""What DICOM wants named in every file even where it is empty (type 2), and real files leave out."""


def _with_empty_heading(dataset: Any) -> Any:
    for keyword in _HEADING:
        if keyword not in dataset:
            setattr(dataset, keyword, None)
    return dataset


def _once(datasets: list[Any], planes: tuple[Plane, ...]) -> tuple[list[Any], tuple[Plane, ...]]:
    """One slice per place: of a series over time, the first visit."""
    places: dict[bytes, int] = {}
    for index, plane in enumerate(planes):
        places.setdefault(np.round(plane.corners, 3).tobytes(), index)
    return [datasets[index] for index in places.values()], tuple(planes[index] for index in places.values())


_REMEDY = "Give the DICOM series that the mask was drawn on as `source`, or write .nii.gz, .nrrd or .mha"


def _files(image: Image) -> list[Path]:
    if image.origin.format != "dicom" or not image.origin.files:
        raise UsageError(
            "A DICOM segmentation must refer to the images that it was drawn on, and this mask names none",
            remedy=_REMEDY,
        )
    return [Path(one) for one in image.origin.files]


def laid_on(mask: Image, source: Source) -> NDArray[Any]:
    """The mask's pixels (channel, slice, row, column), one slice for each slice or frame of the source."""
    if not source.planes:
        return _on_unplaced(mask, source)
    if not mask.geometry.placed:
        raise UsageError("The mask has no place in the patient, so it cannot be laid on the source", remedy=_REMEDY)
    turned = _turned(mask, source.planes[0])
    array = turned.array if "Z" in turned.axes else turned.array[:, np.newaxis]
    if array.shape[2:] != _size(source):
        raise _mismatch(f"its slices have {_by(array.shape[2:])} pixels, those of the source {_by(_size(source))}")
    width, height = array.shape[3] - 1, array.shape[2] - 1
    pixel = min(turned.geometry.spacing[:2])
    pixels = np.zeros((array.shape[0], len(source.planes), *array.shape[2:]), dtype=array.dtype)
    taken = np.array([plane.corners for plane in source.planes])
    for step in range(array.shape[1]):
        corners = turned.geometry.points([(0, 0, step), (width, 0, step), (0, height, step)])
        away = np.abs(taken - corners).max(axis=(1, 2))
        nearest = int(np.argmin(away))
        if away[nearest] > _TOLERANCE * pixel:
            raise _mismatch(f"its slice {step + 1} lies {away[nearest]:.3g} mm from the nearest slice of the source")
        pixels[:, nearest] = array[:, step]
    return pixels


def _turned(mask: Image, plane: Plane) -> Image:
    """The mask with its axes in the order of the source, where they are only turned or flipped."""
    if "Z" not in mask.axes:
        return mask
    row, column = plane.orientation
    affine = np.eye(4)
    affine[:3, :3] = np.stack([row, column, np.cross(row, column)], axis=1)
    return mask.oriented(Geometry(affine).orientation)


def _on_unplaced(mask: Image, source: Source) -> NDArray[Any]:
    """A radiograph, a photograph, a slide: no position to compare, so the mask itself must say what it was drawn on."""
    dataset = source.datasets[0]
    array = mask.array if "Z" in mask.axes else mask.array[:, np.newaxis]
    if len(source.datasets) > 1 or array.shape[1:] != (1, *_size(source)):
        found = _by(array.shape[1:])
        raise _mismatch(f"it has {found} pixels, the source {len(source.datasets)}x{_by(_size(source))}")
    if not source.tiled and int(dataset.get("NumberOfFrames", 1) or 1) > 1:
        raise UsageError("A segmentation of a film cannot be written", remedy="Write .nii.gz or .tif")
    named = {uid for uid, _ in mask.origin.slices} | set(mask.origin.header.get("references", ()))
    if str(dataset.SOPInstanceUID) not in named:
        raise _mismatch("the source has no place in the patient, and the mask does not name it as its origin")
    return array


def _size(source: Source) -> tuple[int, int]:
    dataset = source.datasets[0]
    if source.tiled:
        return int(dataset.TotalPixelMatrixRows), int(dataset.TotalPixelMatrixColumns)
    return int(dataset.Rows), int(dataset.Columns)


def _planes(datasets: Sequence[Any]) -> tuple[Plane, ...]:
    """Where every slice or frame lies; none where one of them does not say."""
    planes = []
    for dataset in datasets:
        frames = dataset.get("PerFrameFunctionalGroupsSequence") or [None]
        shared = next(iter(dataset.get("SharedFunctionalGroupsSequence") or []), None)
        for frame in frames:
            holders = [holder for holder in (frame, shared, dataset) if holder is not None]
            plane = _plane(holders, int(dataset.Rows), int(dataset.Columns))
            if plane is None:
                return ()
            planes.append(plane)
    return tuple(planes)


def _plane(holders: Sequence[Any], rows: int, columns: int) -> Plane | None:
    position = _numbers(holders, "PlanePositionSequence", "ImagePositionPatient")
    orientation = _numbers(holders, "PlaneOrientationSequence", "ImageOrientationPatient")
    spacing = _numbers(holders, "PixelMeasuresSequence", "PixelSpacing")
    if position is None or orientation is None or spacing is None:
        return None
    row, column = orientation[:3], orientation[3:]
    across = position + row * spacing[1] * (columns - 1)
    down = position + column * spacing[0] * (rows - 1)
    return Plane(np.stack([position, across, down]), np.stack([row, column]))


def _numbers(holders: Sequence[Any], group: str, keyword: str) -> NDArray[np.float64] | None:
    """An attribute from the frame's functional groups, the shared ones, or the data set itself."""
    for holder in holders:
        item = next(iter(holder.get(group) or []), holder)
        if item.get(keyword):
            return np.array([float(value) for value in item[keyword].value])
    return None


def _by(sizes: Sequence[int]) -> str:
    return "x".join(str(size) for size in sizes)


def _mismatch(why: str) -> UsageError:
    return UsageError(
        "The mask does not lie on its source",
        why=why,
        remedy="Resample it onto the grid of the source, or give the series that it was drawn on",
    )
