"""Files of many frames without functional groups: moving pictures, radiotherapy doses, nuclear medicine."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from isocenter.core.errors import Unreadable
from isocenter.data.formats.dicom.enhanced import number, vector
from isocenter.data.formats.dicom.records import Common, Moment, Slice
from isocenter.data.formats.dicom.regular import directions

RT_DOSE = "1.2.840.10008.5.1.4.1.1.481.2"
NUCLEAR = "1.2.840.10008.5.1.4.1.1.20"
_SLICE_VECTOR = 0x00540080
_MOST_FRAMES = 1_000_000


def expand(dataset: Any, record: Slice) -> list[Slice]:
    """One slice per frame: over depth where the header says so, else over time."""
    common = record.common
    count = common.frames or 1
    if not 0 < count <= _MOST_FRAMES:
        raise Unreadable(record.path, why=f"announces {count} frames")
    if common.sop_class == RT_DOSE and count > 1:
        return _dose(dataset, record, count)
    if common.sop_class == NUCLEAR and _pointers(dataset) == [_SLICE_VECTOR]:
        return _tomogram(dataset, record, count)
    return _moving(record, count)


def _pointers(dataset: Any) -> list[int]:
    value = dataset.get("FrameIncrementPointer")
    if value is None:
        return []
    return [int(value)] if isinstance(value, int) else [int(one) for one in value]


def _dose(dataset: Any, record: Slice, count: int) -> list[Slice]:
    """A dose grid: each frame lies at its own offset along the normal."""
    offsets = vector(dataset, "GridFrameOffsetVector", count)
    axes = directions(record.common.orientation)
    if offsets is None or axes is None or record.position is None:
        raise Unreadable(record.path, why="is a dose grid that does not say where its frames lie (3004,000C)")
    # The offsets are either relative, beginning at zero, or coordinates along z of the patient.
    start = offsets[0]
    return _placed(record, np.asarray(record.position), axes[2], [offset - start for offset in offsets])


def _tomogram(dataset: Any, record: Slice, count: int) -> list[Slice]:
    """A reconstructed nuclear study: frames follow one another from the first along the normal."""
    detectors = dataset.get("DetectorInformationSequence")
    detector = detectors[0] if detectors else None
    orientation = vector(detector, "ImageOrientationPatient", 6) or record.common.orientation
    position = vector(detector, "ImagePositionPatient", 3) or record.position
    step = number(dataset, "SpacingBetweenSlices") or record.common.thickness
    axes = directions(orientation)
    if axes is None or position is None or not step:
        raise Unreadable(record.path, why="is a tomogram that does not say where its slices lie")
    placed = replace(record, common=replace(record.common, orientation=orientation))
    return _placed(placed, np.asarray(position), axes[2], [step * number for number in range(count)])


def _placed(record: Slice, start: Any, normal: Any, depths: list[float]) -> list[Slice]:
    common = replace(record.common, kind="stack")
    positions = [tuple(float(value) for value in start + normal * depth) for depth in depths]
    return [replace(record, frame=index, position=place, common=common) for index, place in enumerate(positions)]


def _moving(record: Slice, count: int) -> list[Slice]:
    """A moving picture: frames follow one another in time at one place."""
    common = replace(record.common, kind="cine")
    times = frame_times(common, count)
    moments = [
        Moment(temporal_position=float(index), trigger_time=times[index] if times else None) for index in range(count)
    ]
    return [replace(record, frame=index, moment=moments[index], common=common) for index in range(count)]


def frame_times(common: Common, count: int) -> tuple[float, ...] | None:
    """Seconds of each frame from the first, from the frame times or the rate; None where the file does not say."""
    vector_ms = common.frame_time_vector
    if vector_ms is not None and len(vector_ms) == count and any(vector_ms[1:]):
        # Each number is the time since the frame before; the first counts for nothing.
        passed = np.cumsum([0.0, *vector_ms[1:]]) / 1000
        return tuple(float(one) for one in passed)
    step = None
    if common.frame_time and common.frame_time > 0:
        step = common.frame_time / 1000
    else:
        rate = common.display_rate or common.cine_rate
        step = 1 / rate if rate and rate > 0 else None
    return tuple(index * step for index in range(count)) if step else None
