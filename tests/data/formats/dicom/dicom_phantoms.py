"""DICOM files made for the tests: every voxel holds a value that follows from where it lies in the patient."""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian, generate_uid

from isocenter.core.geometry import Geometry
from isocenter.core.image import Image, ImageFacts
from isocenter.data.formats._shared import Described, ReadOptions
from isocenter.data.formats.dicom import FORMAT

MR = "1.2.840.10008.5.1.4.1.1.4"
CT = "1.2.840.10008.5.1.4.1.1.2"
ENHANCED_MR = "1.2.840.10008.5.1.4.1.1.4.1"
AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
OBLIQUE = (0.8, 0.6, 0.0, -0.36, 0.48, 0.8)
ROWS, COLUMNS = 5, 7
SPACING = (2.0, 1.5)
"""Between rows, between columns."""


def field(points: NDArray[np.float64]) -> NDArray[np.int64]:
    """The value at places in the patient (..., 3): distinct and different along each direction."""
    return np.rint(points @ (3.0, 17.0, 41.0)).astype(np.int64) + 500


def plane(
    position: Sequence[float], orientation: Sequence[float] = AXIAL, shape: tuple[int, int] = (ROWS, COLUMNS)
) -> Any:
    """The pixels of a slice."""
    row, column = np.asarray(orientation[:3]), np.asarray(orientation[3:])
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    points = np.asarray(position) + rows[..., None] * column * SPACING[0] + columns[..., None] * row * SPACING[1]
    return field(points)


def base(sop_class: str = MR, syntax: str = ExplicitVRLittleEndian, **changes: Any) -> Dataset:
    """A data set with everything but its pixels."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = UID(syntax)
    known: dict[str, Any] = {
        "SOPClassUID": sop_class,
        "SOPInstanceUID": generate_uid(),
        "StudyInstanceUID": "1.2.3",
        "SeriesInstanceUID": "1.2.3.4",
        "FrameOfReferenceUID": "1.2.3.5",
        "PatientID": "P1",
        "StudyDate": "20240229",
        "Modality": {CT: "CT"}.get(sop_class, "MR"),
        "ImageType": ["ORIGINAL", "PRIMARY", "M"],
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "BitsAllocated": 16,
        "BitsStored": 16,
        "HighBit": 15,
        "PixelRepresentation": 1,
    }
    for keyword, value in {**known, **changes}.items():
        if value is not None:
            setattr(dataset, keyword, value)
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    return dataset


def save(dataset: Dataset, path: Path, pixels: NDArray[Any]) -> Path:
    """Write a data set with its pixels, a sample or more per pixel, one frame or more."""
    kind = f"{'<' if dataset.file_meta.TransferSyntaxUID.is_little_endian else '>'}"
    letter = "i" if dataset.PixelRepresentation else "u"
    raw = np.asarray(pixels).astype(f"{kind}{letter}{max(dataset.BitsAllocated // 8, 1)}").tobytes()
    dataset.PixelData = raw + b"\0" * (len(raw) % 2)
    dataset["PixelData"].VR = "OW" if dataset.BitsAllocated > 8 else "OB"
    path.parent.mkdir(parents=True, exist_ok=True)
    dataset.save_as(path, enforce_file_format=True)
    return path


def write_slice(
    path: Path, position: Sequence[float], orientation: Sequence[float] = AXIAL, pixels: Any = None, **changes: Any
) -> Path:
    """One slice of a classic series; its pixels follow from its position."""
    values = plane(position, orientation) if pixels is None else np.asarray(pixels)
    placed: dict[str, Any] = {
        "Rows": values.shape[0],
        "Columns": values.shape[1],
        "PixelSpacing": list(SPACING),
        "ImagePositionPatient": [float(value) for value in position],
        "ImageOrientationPatient": list(orientation),
        "SliceThickness": 3.0,
    }
    return save(base(**{**placed, **changes}), path, values)


def normal_of(orientation: Sequence[float]) -> NDArray[np.float64]:
    """Along which slices are stacked."""
    return np.cross(orientation[:3], orientation[3:])


def positions(
    count: int, step: float = 3.0, orientation: Sequence[float] = AXIAL, start: Sequence[float] = (-10.0, 20.0, 5.0)
) -> list[NDArray[np.float64]]:
    """Where the slices of a regular volume lie."""
    return [np.asarray(start) + normal_of(orientation) * step * index for index in range(count)]


def write_series(
    folder: Path, places: Sequence[Any], orientation: Sequence[float] = AXIAL, **changes: Any
) -> list[Path]:
    """A classic series whose file names and instance numbers say nothing of the order."""
    paths = []
    for index, place in enumerate(places):
        scrambled = (index * 7 + 3) % len(places) if len(places) % 7 else index
        path = folder / f"{scrambled:03d}-{index}.dcm"
        paths.append(write_slice(path, place, orientation, **{"InstanceNumber": scrambled + 1, **changes}))
    return paths


def csa(entries: Mapping[str, Sequence[object]], *, second: bool = True) -> bytes:
    """A CSA header in its second or first version."""
    raw = (b"SV10\x04\x03\x02\x01" if second else b"") + struct.pack("<II", len(entries), 77)
    for name, values in entries.items():
        slots = 6 if values else 0
        raw += struct.pack("<64si4siii", name.encode(), len(values), b"FD\0\0", 4, slots, 77)
        for index in range(slots):
            text = f"{values[index]}".encode() + b"\0" if index < len(values) else b""
            first = len(text) if second else len(text) + 6
            raw += struct.pack("<4i", first, len(text), 77, len(text)) + text + b"\0" * (-len(text) % 4)
    return raw


def write_mosaic(
    path: Path,
    corner: Sequence[float],
    count: int,
    *,
    orientation: Sequence[float] = AXIAL,
    step: float = 4.0,
    downwards: bool = False,
    header: bytes | None = None,
    add: int = 0,
    **changes: Any,
) -> Path:
    """A Siemens mosaic whose first tile begins at `corner`."""
    side = math.ceil(math.sqrt(count))
    normal = normal_of(orientation) * (-1 if downwards else 1)
    picture = np.zeros((side * ROWS, side * COLUMNS), int)
    for index in range(count):
        top, left = index // side * ROWS, index % side * COLUMNS
        tile = plane(np.asarray(corner) + normal * step * index, orientation) + add
        picture[top : top + ROWS, left : left + COLUMNS] = tile
    row, column = np.asarray(orientation[:3]), np.asarray(orientation[3:])
    shift = row * SPACING[1] * COLUMNS * (side - 1) / 2 + column * SPACING[0] * ROWS * (side - 1) / 2
    said = csa({"NumberOfImagesInMosaic": [count], "SliceNormalVector": [f"{value:.8f}" for value in normal]})
    dataset = base(
        ImageType=["ORIGINAL", "PRIMARY", "M", "ND", "MOSAIC"],
        Manufacturer="SIEMENS",
        Rows=picture.shape[0],
        Columns=picture.shape[1],
        PixelSpacing=list(SPACING),
        SpacingBetweenSlices=step,
        ImagePositionPatient=[float(value) for value in np.asarray(corner) - shift],
        ImageOrientationPatient=list(orientation),
        **changes,
    )
    if header is None or header:
        dataset.private_block(0x0029, "SIEMENS CSA HEADER", create=True).add_new(0x10, "OB", header or said)
    return save(dataset, path, picture)


def item(**elements: Any) -> Dataset:
    """A sequence item."""
    made = Dataset()
    for keyword, value in elements.items():
        setattr(made, keyword, value)
    return made


def frame_groups(
    position: Sequence[float] | None = None,
    *,
    stack: str = "1",
    index: Sequence[int] = (),
    content: Mapping[str, Any] | None = None,
    **groups: Any,
) -> Dataset:
    """What the functional groups say of one frame."""
    made = item(FrameContentSequence=[item(StackID=stack, **(content or {}))])
    if index:
        made.FrameContentSequence[0].DimensionIndexValues = list(index)
    if position is not None:
        made.PlanePositionSequence = [item(ImagePositionPatient=[float(value) for value in position])]
    for keyword, value in groups.items():
        setattr(made, keyword, [value])
    return made


def write_enhanced(
    path: Path,
    frames: Sequence[Dataset],
    pixels: NDArray[Any],
    *,
    orientation: Sequence[float] | None = AXIAL,
    dimensions: Sequence[int] = (),
    sop_class: str = ENHANCED_MR,
    **changes: Any,
) -> Path:
    """An enhanced multi-frame file."""
    shared = item(PixelMeasuresSequence=[item(PixelSpacing=list(SPACING), SliceThickness=3.0)])
    if orientation is not None:
        shared.PlaneOrientationSequence = [item(ImageOrientationPatient=list(orientation))]
    dataset = base(
        sop_class=sop_class,
        Rows=pixels.shape[1],
        Columns=pixels.shape[2],
        NumberOfFrames=len(frames),
        SharedFunctionalGroupsSequence=[shared],
        PerFrameFunctionalGroupsSequence=list(frames),
        **changes,
    )
    if dimensions:
        dataset.DimensionIndexSequence = [item(DimensionIndexPointer=pointer) for pointer in dimensions]
    return save(dataset, path, pixels)


def described(*paths: Path) -> Described:
    """What the format says of files or folders."""
    found = [one for path in paths for one in (sorted(path.rglob("*")) if path.is_dir() else [path]) if one.is_file()]
    return FORMAT.describe(found)


def only(*paths: Path) -> ImageFacts:
    """The one image in some files."""
    found = described(*paths)
    assert not found.refused, found.refused
    assert len(found.images) == 1, [facts.part for facts in found.images]
    return found.images[0]


def read(facts: ImageFacts, *, resample: bool = False, window: bool = False) -> Image:
    """An image, held to what its header promised."""
    image = FORMAT.read(facts, ReadOptions(resample=resample, window=window))
    assert image.array.shape == facts.shape
    assert image.axes == facts.axes
    assert image.times == facts.times
    assert image.channels == facts.channels or window
    if not window:
        assert str(image.array.dtype) == facts.dtype
        assert str(image.intensity) == facts.intensity
    assert image.geometry.placed == (facts.affine is not None)
    if facts.affine is not None:
        np.testing.assert_array_equal(image.geometry.affine.ravel(), facts.affine)
    assert set(facts.notes) <= set(image.notes)
    return image


def values_at(geometry: Geometry, size: tuple[int, int, int]) -> NDArray[np.int64]:
    """What a grid (z, y, x) should hold."""
    z, y, x = np.mgrid[: size[2], : size[1], : size[0]]
    return field(geometry.points(np.stack([x, y, z], axis=-1)))


def assert_in_place(image: Image, volume: NDArray[Any] | None = None, *, tolerance: float = 0) -> None:
    """Every voxel holds the value of its place in the patient."""
    array = image.array[0] if volume is None else volume
    array = array.reshape(image.size[::-1])
    np.testing.assert_allclose(array, values_at(image.geometry, image.size), atol=tolerance)


__all__ = [name for name in dir() if not name.startswith("_") and name not in ("annotations", "pydicom")]
