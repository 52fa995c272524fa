"""DICOM segmentations (SEG): masks drawn by people or programs, put back where they belong in the patient."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isocenter.core.errors import Unreadable
from isocenter.core.image import Image, ImageFacts, Intensity, Origin
from isocenter.core.words import listed
from isocenter.data.formats._shared import ReadOptions, absolute, guarded, image_of
from isocenter.data.formats.dicom.header import open_header, open_whole
from isocenter.data.formats.dicom.identity import known_of, uids_of
from isocenter.data.formats.dicom.seg_frames import frames_of
from isocenter.data.formats.dicom.seg_layout import LABELMAP, Layout, layout_of

SOP_CLASSES = frozenset(("1.2.840.10008.5.1.4.1.1.66.4", LABELMAP))
"""Segmentation Storage and Label Map Segmentation Storage."""


def describe_file(path: Path) -> list[ImageFacts]:
    """What a segmentation's header says, without decoding its frames."""
    with guarded(path):
        dataset = open_header(path).dataset
        layout = layout_of(dataset, path)
        geometry = layout.geometry
        return [
            ImageFacts(
                format="dicom",
                files=(absolute(path),),
                axes=layout.axes,
                shape=layout.shape,
                dtype=layout.dtype,
                affine=tuple(float(value) for value in geometry.affine.ravel()) if geometry.placed else None,
                spacing=geometry.spacing if geometry.spacing_known else None,
                intensity=str(_intensity(layout)),
                channels=_channels(layout),
                modality="SEG",
                role="mask",
                group=str(dataset.SOPInstanceUID),
                instances=(str(dataset.SOPInstanceUID),),
                refers_to=_references(dataset),
                classes=_classes(layout),
                notes=layout.notes,
                **known_of(dataset),
            )
        ]


def read(facts: ImageFacts, _: ReadOptions) -> Image:
    """The mask: a label map, or one channel per segment where segments may overlap or are fractions."""
    path = Path(facts.files[0])
    with guarded(path):
        dataset = open_whole(path)
        layout = layout_of(dataset, path)
        array = _drawn(dataset, layout, path)
        image = image_of(facts, array, notes=_undescribed(array, layout))
        header = {"references": _references(dataset)}
        return replace(image, origin=Origin(format="dicom", files=facts.files, uids=uids_of(dataset), header=header))


def _intensity(layout: Layout) -> Intensity:
    # A label is a whole number; fractions of 1 are a quantity, and calling them labels would round them away.
    return Intensity.QUANTITY if layout.kind == "FRACTIONAL" else Intensity.LABEL


def _channels(layout: Layout) -> tuple[str, ...]:
    """The segment's name where a channel holds one segment; a number tells namesakes apart."""
    if not layout.apart and len(layout.segments) != 1:
        return ("segmentation",)
    seen = Counter(layout.segments.values())
    return tuple(label if seen[label] == 1 else f"{label} {number}" for number, label in layout.segments.items())


def _classes(layout: Layout) -> dict[int, str]:
    """Value to name. A fraction has no class, save that 1 is all of the segment where there is only one."""
    if layout.kind != "FRACTIONAL":
        return dict(layout.segments)
    return {1: next(iter(layout.segments.values()))} if len(layout.segments) == 1 else {}


def _references(dataset: Any) -> tuple[str, ...]:
    """The series, then the instances, that the segmentation was drawn on."""
    series: list[str] = []
    instances: list[str] = []
    studies = dataset.get("StudiesContainingOtherReferencedInstancesSequence") or ()
    for holder in (dataset, *studies):
        for item in holder.get("ReferencedSeriesSequence") or ():
            series.append(str(item.SeriesInstanceUID))
            named = item.get("ReferencedInstanceSequence") or ()
            instances.extend(str(one.ReferencedSOPInstanceUID) for one in named)
    sources = dataset.get("SourceImageSequence") or ()
    instances.extend(str(one.ReferencedSOPInstanceUID) for one in sources)
    return tuple(dict.fromkeys((*series, *instances)))


def _drawn(dataset: Any, layout: Layout, path: Path) -> NDArray[Any]:
    array = np.zeros(layout.shape, dtype=layout.dtype)
    channels = {number: position for position, number in enumerate(layout.segments)} if layout.apart else {}
    planes = array if array.ndim == 4 else array[:, np.newaxis]
    count = 0
    for place, frame in zip(layout.places, frames_of(dataset, path), strict=False):
        window = planes[
            channels.get(place.segment or 0, 0),
            place.step,
            place.row : place.row + frame.shape[0],
            place.column : place.column + frame.shape[1],
        ]
        _draw(window, frame[: window.shape[0], : window.shape[1]], place.segment, dataset, layout, path)
        count += 1
    if count != len(layout.places):
        raise Unreadable(f"{path}", why=f"announces {len(layout.places)} frames and holds {count}")
    return array


def _draw(
    window: NDArray[Any], frame: NDArray[Any], segment: int | None, dataset: Any, layout: Layout, path: Path
) -> None:
    """Draw one frame into its place."""
    if layout.kind == "FRACTIONAL":
        window[...] = frame / np.float32(int(dataset.get("MaximumFractionalValue", 255)))
    elif segment is None:
        window[...] = np.where(frame == layout.background, 0, frame)
    else:
        drawn = frame > 0
        taken = drawn & (window != 0)
        if taken.any():
            other = layout.segments[int(window[taken][0])]
            raise Unreadable(
                f"{path}",
                why=f"`{layout.segments[segment]}` and `{other}` overlap, which the header rules out",
                remedy="Write it again with SegmentsOverlap set to YES, or one file per segment",
            )
        window[drawn] = segment


def _undescribed(array: NDArray[Any], layout: Layout) -> tuple[str, ...]:
    if layout.kind != "LABELMAP":
        return ()
    strangers = [str(value) for value in np.unique(array) if value and int(value) not in layout.segments]
    return (f"values that no segment describes: {listed(strangers)}",) if strangers else ()
