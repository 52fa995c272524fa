"""Writing DICOM: an image becomes a series of one file per slice, each at its own place in the patient."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isocenter.core.errors import UsageError
from isocenter.core.geometry import Geometry
from isocenter.core.image import Image, Intensity
from isocenter.core.words import sized
from isocenter.data.formats.dicom.heading import Heading, heading_of, is_colour, is_film, save, scanner_class
from isocenter.data.formats.dicom.seg_writing import write_seg
from isocenter.data.formats.dicom.stored import Stored, short_decimal, stored_values
from isocenter.storage.atomic import atomic_write, require_free

_RIGHT_ANGLES = 1e-4
"""How far the cosine between two axes may be from 0: at the far corner of 512 pixels that is a twentieth of a pixel."""


def write(image: Image, path: Path, *, exact: bool = False) -> list[Path]:
    """Write an image as DICOM; a mask as a segmentation of the series that it was drawn on.

    Whole numbers are kept exactly. Fractions are rounded to 65,536 even steps, and the file says by how much at most
    (Derivation Description). Positions are written as exactly as 16 characters allow.

    Args:
        image: what to write.
        path: `name.dcm` for a single slice; for several files a folder, which must be new or empty.
        exact: refuse values that 16 bits cannot hold instead of rounding them.

    Returns:
        The files written, in the order of the slices along their normal, then of time.
    """
    if image.intensity == Intensity.LABEL:
        return write_seg(image, path)
    _refuse_unfit(image)
    stored = stored_values(_samples(image), exact=exact)
    stored = stored.wide() if scanner_class(image) else stored.unsigned() if is_film(image) else stored
    if is_colour(image) and (stored.rescaled or stored.numbers.dtype == np.int16):
        raise UsageError(
            "Colours must be whole numbers of 8 or 16 bits without sign", remedy="Scale them to 0..255 first"
        )
    require_free(path, stored.numbers.nbytes, what=f"A series of {sized(stored.numbers.nbytes)}")
    heading = heading_of(image, stored)
    files = _film(image, stored, heading) if is_film(image) else _slices(image, stored, heading)
    alone = is_film(image) or image.extent("T") * image.extent("Z") == 1
    if alone and path.suffix.lower() == ".dcm":
        with atomic_write(path) as temporary:
            save(next(files), temporary)
        return [path]
    return _into_folder(files, path)


def refuse_taken(path: Path) -> None:
    """Refuse to write a series into a folder that already holds something: two series would mix there."""
    if path.is_dir() and any(path.iterdir()):
        raise UsageError(
            f"{path} must be a new or empty folder", why="it holds files", remedy="Choose another one, or empty it"
        )
    if path.is_file():
        raise UsageError(
            f"{path} must be a folder", why="a series is several files", remedy="Choose the name of a new folder"
        )


def _into_folder(files: Iterator[Any], path: Path) -> list[Path]:
    refuse_taken(path)
    names: list[str] = []
    with atomic_write(path) as temporary:
        temporary.mkdir()
        for number, dataset in enumerate(files, start=1):
            names.append(f"{number:05d}.dcm")
            save(dataset, temporary / names[-1])
        if path.is_dir():
            path.rmdir()
    return [path / name for name in names]


def _refuse_unfit(image: Image) -> None:
    if image.extent("C") > 1 and not is_colour(image):
        raise UsageError(
            f"A DICOM series holds one channel or three colours, got {image.extent('C')} channels",
            remedy="Write each channel as a series of its own, or write .nii.gz, .nrrd or .tif",
        )
    if image.array.size == 0:
        raise UsageError("An image without pixels cannot be written")
    if "Z" in image.axes and not image.geometry.placed:
        raise UsageError(
            "A DICOM volume must have a place in the patient, and where this one lies is unknown",
            remedy="Write .nrrd, .mha or .tif, which can leave it open",
        )
    if image.geometry.placed:
        _refuse_leaning(image.geometry)


def _refuse_leaning(geometry: Geometry) -> None:
    direction = geometry.direction
    lean = np.abs(direction.T @ direction - np.eye(3)).max()
    if lean > _RIGHT_ANGLES:
        degrees = float(np.degrees(np.arcsin(min(lean, 1.0))))
        raise UsageError(
            f"A DICOM series must have its axes at right angles; these lean by {degrees:.2g} degrees",
            remedy="Resample the image onto a grid with right angles first, or write .nii.gz",
        )


def _samples(image: Image) -> NDArray[Any]:
    """The pixels as time, slice, row, column and, for colours, sample."""
    array = image.array
    if "Z" not in image.axes:
        array = np.expand_dims(array, -3)
    if "T" not in image.axes:
        array = np.expand_dims(array, 1)
    return np.moveaxis(array, 0, -1) if is_colour(image) else array[0]


def _slices(image: Image, stored: Stored, heading: Heading) -> Iterator[Any]:
    """One data set per slice, in the order in which readers expect them: along the normal of the slices."""
    geometry = image.geometry
    depth = image.extent("Z")
    along = range(depth)
    if np.linalg.det(geometry.affine[:3, :3]) < 0:
        # A left-handed grid counts its slices against their normal: each keeps its place, only the order turns.
        along = range(depth - 1, -1, -1)
    number = 0
    for time in range(image.extent("T")):
        for step in along:
            number += 1
            dataset = heading.dataset(number)
            if geometry.placed:
                dataset.ImagePositionPatient = [short_decimal(value) for value in geometry.points((0, 0, step))]
            if "T" in image.axes:
                _say_when(dataset, image, time)
            _put(dataset, stored.numbers[time, step])
            yield dataset


def _say_when(dataset: Any, image: Image, time: int) -> None:
    dataset.TemporalPositionIdentifier = time + 1
    dataset.NumberOfTemporalPositions = image.extent("T")
    if image.times is not None:
        dataset.TriggerTime = short_decimal(image.times[time] * 1000)


def _film(image: Image, stored: Stored, heading: Heading) -> Iterator[Any]:
    """All frames in one data set."""
    dataset = heading.dataset(1)
    count = image.extent("T")
    dataset.NumberOfFrames = count
    if image.times is not None:
        gaps = [0.0, *np.diff(image.times)]
        dataset.FrameTimeVector = [short_decimal(gap * 1000) for gap in gaps]
        dataset.FrameIncrementPointer = 0x00181065
    else:
        dataset.PageNumberVector = list(range(1, count + 1))
        dataset.FrameIncrementPointer = 0x00182001
    _put(dataset, stored.numbers[:, 0])
    yield dataset


def _put(dataset: Any, pixels: NDArray[Any]) -> None:
    """The pixels into a data set that already says how they are stored."""
    data = np.ascontiguousarray(pixels, dtype=pixels.dtype.newbyteorder("<")).tobytes()
    dataset.PixelData = data + b"\0" * (len(data) % 2)
    dataset["PixelData"].VR = "OB" if pixels.dtype.itemsize == 1 else "OW"
