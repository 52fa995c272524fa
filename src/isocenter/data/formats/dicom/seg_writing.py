"""Writing DICOM segmentations (SEG): a mask goes back onto the very slices that it was drawn on."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isocenter.core.errors import UsageError
from isocenter.core.image import Image, Intensity
from isocenter.core.optional import require
from isocenter.data.formats.dicom.heading import digest_of, save, uid_of
from isocenter.data.formats.dicom.seg_source import Source, laid_on, source_of
from isocenter.storage.atomic import atomic_write

_NO_DATE = "19700101"
_OWN_CODES = "99ISOCENTER"


@dataclass(frozen=True, slots=True)
class Segment:
    """One segment to write: its name, its code (such as `SCT:10200004`) or none, and its value in the mask."""

    name: str
    code: str | None
    value: int


def write_seg(
    mask: Image,
    path: Path,
    *,
    source: Image | Iterable[Path] | None = None,
    names: Mapping[int, str] | None = None,
    codes: Mapping[int, str] | None = None,
    algorithm: str | None = None,
) -> list[Path]:
    """Write a mask as a DICOM segmentation of the images that it was drawn on.

    Every slice of the mask must lie on a slice of the source: position, direction, pixel size and extent are compared,
    so that a mask of another series of the same size is refused. A mask whose axes are only turned or flipped against
    the source is turned back. Slices on which nothing is drawn are left out of the file, as usual.

    Args:
        mask: a label map, or one channel per segment where segments overlap.
        path: the file to write.
        source: the image, or its DICOM files; by default the files from which the mask's origin says that it came.
        names: value to name, where the mask's own classes should not be used.
        codes: value to code, such as `{1: "SCT:10200004"}`; a name without a code gets a private one.
        algorithm: the name of the program that drew the mask; None where a person did.
    """
    if mask.intensity != Intensity.LABEL or mask.array.dtype.kind not in "bui":
        raise UsageError(
            "A segmentation must be written from a mask of whole numbers, "
            f"got {mask.intensity} values of kind {mask.array.dtype}",
            remedy="Turn it into classes first (a threshold, say)",
        )
    if "T" in mask.axes:
        raise UsageError("A segmentation over time cannot be written", remedy="Write each time point, or .nii.gz")
    known = {**mask.classes, **(names or {})}
    segments = _segments(mask, known, codes or {})
    found = source_of(mask, source)
    pixels = laid_on(mask, found)
    dataset = _dataset(mask, found, _numbered(pixels, mask, segments), segments, algorithm)
    with atomic_write(path) as temporary:
        save(dataset, temporary)
    return [path]


def _segments(mask: Image, names: Mapping[int, str], codes: Mapping[int, str]) -> list[Segment]:
    """What there is to be named: every class that is known or drawn, or every channel."""
    if mask.extent("C") == 1:
        drawn = [int(value) for value in np.unique(mask.array) if value]
        values = sorted({*drawn, *(value for value in names if value)})
        return [Segment(names.get(value, f"class {value}"), codes.get(value), value) for value in values]
    segments = []
    for position, (channel, plane) in enumerate(zip(mask.channels, mask.array, strict=True), start=1):
        drawn = [int(value) for value in np.unique(plane) if value]
        if len(drawn) > 1:
            raise UsageError(
                f"Each channel of a mask must hold one segment, got the values {drawn} in `{channel}`",
                remedy="Make each of them a channel of its own",
            )
        segments.append(Segment(channel, codes.get(drawn[0] if drawn else position), position))
    return segments


def _numbered(pixels: NDArray[Any], mask: Image, segments: list[Segment]) -> NDArray[Any]:
    """Segments counted from 1 without gaps, as DICOM asks for: a label map, or segments along the last axis."""
    if mask.extent("C") > 1:
        return np.moveaxis(pixels != 0, 0, -1).astype(np.uint8)
    numbers = np.zeros(pixels.shape[1:], dtype=np.uint16)
    for number, segment in enumerate(segments, start=1):
        numbers[pixels[0] == segment.value] = number
    return numbers


def _dataset(mask: Image, source: Source, pixels: NDArray[Any], segments: list[Segment], algorithm: str | None) -> Any:
    highdicom = require("highdicom")
    digest = hashlib.sha256(f"{digest_of(mask)}{source.series}{segments}{algorithm}".encode()).hexdigest()
    if not segments:
        raise UsageError("A segmentation must have a segment, and the mask names none", remedy="Give it its classes")
    with warnings.catch_warnings():
        # highdicom warns of what source headers lack; the segmentation repeats them and is no worse.
        warnings.simplefilter("ignore")
        dataset = highdicom.seg.Segmentation(
            source_images=source.datasets,
            pixel_array=pixels,
            segmentation_type="BINARY",
            segment_descriptions=[
                _description(highdicom, number, segment, algorithm) for number, segment in enumerate(segments, start=1)
            ],
            series_instance_uid=uid_of(digest, "series"),
            series_number=900,
            sop_instance_uid=uid_of(digest, "instance"),
            instance_number=1,
            manufacturer="Isocenter",
            manufacturer_model_name="Isocenter",
            software_versions="1",
            device_serial_number="none",
            series_description="Segmentation",
            omit_empty_frames=bool(pixels.any()),
            tile_pixel_array=source.tiled,
        )
    first = source.datasets[0]
    dataset.ContentDate = first.get("ContentDate") or first.get("StudyDate") or _NO_DATE
    dataset.ContentTime = first.get("ContentTime") or first.get("StudyTime") or "000000"
    _make_repeatable(dataset, uid_of(digest, "dimensions"))
    return dataset


def _make_repeatable(dataset: Any, dimensions: str) -> None:
    """The same mask is to give the same file: no identifier made by chance, no time of writing."""
    for item in (*dataset.DimensionOrganizationSequence, *dataset.DimensionIndexSequence):
        item.DimensionOrganizationUID = dimensions
    for item in (dataset, *dataset.get("ContributingEquipmentSequence", ())):
        for keyword in ("InstanceCreationDate", "InstanceCreationTime", "ContributionDateTime"):
            if keyword in item:
                delattr(item, keyword)


def _description(highdicom: Any, number: int, segment: Segment, algorithm: str | None) -> Any:
    identification = None
    if algorithm is not None:
        family = highdicom.sr.CodedConcept("123110", "DCM", "Artificial Intelligence")
        identification = highdicom.AlgorithmIdentificationSequence(name=algorithm, family=family, version="1")
    description = highdicom.seg.SegmentDescription(
        segment_number=number,
        segment_label=segment.name[:64],
        segmented_property_category=highdicom.sr.CodedConcept("309825002", "SCT", "Spatial and Relational Concept"),
        segmented_property_type=_code(highdicom, segment),
        algorithm_type="AUTOMATIC" if algorithm is not None else "MANUAL",
        algorithm_identification=identification,
    )
    if segment.value != number:
        description.SegmentDescription = f"value {segment.value} in the mask"
    return description


def _code(highdicom: Any, segment: Segment) -> Any:
    """The segment's own code, or a private one made from its name: a wrong public code would be a wrong statement."""
    meaning = segment.name[:64]
    if segment.code is None:
        short = hashlib.sha256(segment.name.encode()).hexdigest()[:12].upper()
        return highdicom.sr.CodedConcept(short, _OWN_CODES, meaning)
    scheme, _, value = segment.code.partition(":")
    if not scheme or not value:
        raise UsageError(
            f"The code of `{segment.name}` must be SCHEME:VALUE, got `{segment.code}`", remedy="Such as SCT:10200004"
        )
    return highdicom.sr.CodedConcept(value, scheme, meaning)
