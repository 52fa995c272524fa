"""Files of many frames whose place, time and scale stand in functional groups: enhanced MR, CT, PET, maps."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from isocenter.core.errors import Unreadable
from isocenter.data.formats.dicom.header import real_world
from isocenter.data.formats.dicom.records import Common, Moment, Slice, Vector
from isocenter.data.formats.dicom.tags import seconds_of_datetime

MUST_BE_PLACED = frozenset(
    (
        "1.2.840.10008.5.1.4.1.1.2.1",  # Enhanced CT
        "1.2.840.10008.5.1.4.1.1.2.2",  # Legacy Converted Enhanced CT
        "1.2.840.10008.5.1.4.1.1.4.1",  # Enhanced MR
        "1.2.840.10008.5.1.4.1.1.4.3",  # Enhanced MR Color
        "1.2.840.10008.5.1.4.1.1.4.4",  # Legacy Converted Enhanced MR
        "1.2.840.10008.5.1.4.1.1.128.1",  # Legacy Converted Enhanced PET
        "1.2.840.10008.5.1.4.1.1.130",  # Enhanced PET
    )
)
_FRAME_TYPES = ("MRImageFrameTypeSequence", "CTImageFrameTypeSequence", "PETFrameTypeSequence", "FrameTypeSequence")
_PHILIPS_FRAME, _PHILIPS_SCALE = 0x2005140F, 0x2005100E
_PLACE_POINTERS = frozenset((0x00209056, 0x00209057, 0x00200032, 0x00209113))


def expand(dataset: Any, record: Slice) -> list[Slice]:
    """One slice per frame, each with what the functional groups say of it."""
    shared = _first(dataset, "SharedFunctionalGroupsSequence")
    per_frame = list(dataset.get("PerFrameFunctionalGroupsSequence") or ())
    count = record.common.frames or len(per_frame) or 1
    known: dict[Common, Common] = {}
    order = _dimension_order(dataset, per_frame)
    slices = []
    for number in range(count):
        groups = _Groups(shared, per_frame[number] if number < len(per_frame) else None)
        common = groups.common(record.common)
        slices.append(
            replace(
                record,
                frame=number,
                position=groups.position(record.position if count == 1 else None),
                moment=groups.moment(record.moment, order[number] if number < len(order) else None),
                rescale=groups.rescale(record.rescale),
                common=known.setdefault(common, common),
            )
        )
    if record.common.sop_class in MUST_BE_PLACED:
        _refuse_unplaced(slices)
    return slices


def _refuse_unplaced(slices: Iterable[Slice]) -> None:
    for one in slices:
        for value, tag in (
            (one.position, "PlanePositionSequence (0020,9113)"),
            (one.common.orientation, "PlaneOrientationSequence (0020,9116)"),
            (one.common.pixel_spacing, "PixelMeasuresSequence (0028,9110)"),
        ):
            if value is None:
                raise Unreadable(
                    one.path, why=f"does not say where frame {one.frame + 1} lies: {tag} is missing or empty"
                )


class _Groups:
    """What the functional groups say of one frame; its own group counts before the shared one."""

    def __init__(self, shared: Any, own: Any) -> None:
        self._sources = [source for source in (own, shared) if source is not None]

    def _item(self, name: str) -> Any:
        for source in self._sources:
            item = _first(source, name)
            if item is not None:
                return item
        return None

    def _vector(self, group: str, name: str, length: int) -> Vector | None:
        return vector(self._item(group), name, length)

    def position(self, fallback: Vector | None) -> Vector | None:
        found = self._vector("PlanePositionSequence", "ImagePositionPatient", 3)
        return found or self._vector("PlanePositionVolumeSequence", "ImagePositionVolume", 3) or fallback

    def common(self, common: Common) -> Common:
        measures = self._item("PixelMeasuresSequence")
        detector = self._item("FramePixelDataPropertiesSequence")
        content = self._item("FrameContentSequence")
        value = self._item("PixelValueTransformationSequence")
        return replace(
            common,
            kind="enhanced",
            orientation=self._vector("PlaneOrientationSequence", "ImageOrientationPatient", 6) or common.orientation,
            pixel_spacing=vector(measures, "PixelSpacing", 2) or common.pixel_spacing,
            imager_spacing=vector(detector, "ImagerPixelSpacing", 2) or common.imager_spacing,
            thickness=number(measures, "SliceThickness") or common.thickness,
            slice_spacing=number(measures, "SpacingBetweenSlices") or common.slice_spacing,
            stack=str(content.get("StackID") or "") if content is not None else "",
            echo_time=number(self._item("MREchoSequence"), "EffectiveEchoTime") or common.echo_time,
            image_type=self._frame_type() or common.image_type,
            philips_scale=self._philips_scale() or common.philips_scale,
            real_world=self._real_world() or common.real_world,
            rescale_type=(str(value.get("RescaleType") or "") or None) if value is not None else common.rescale_type,
        )

    def _frame_type(self) -> tuple[str, ...] | None:
        for name in _FRAME_TYPES:
            item = self._item(name)
            if item is not None and item.get("FrameType"):
                found = item.FrameType
                component = item.get("ComplexImageComponent")
                parts = [found] if isinstance(found, str) else list(found)
                return (*(str(part) for part in parts), *([str(component)] if component else []))
        return None

    def _philips_scale(self) -> float | None:
        """Philips keeps its private numbers of a frame in a private sequence."""
        for source in self._sources:
            element = source.get(_PHILIPS_FRAME)
            item = element.value[0] if element is not None and element.value else None
            if item is not None and _PHILIPS_SCALE in item:
                return float(item[_PHILIPS_SCALE].value)
        return None

    def _real_world(self) -> tuple[float, float] | None:
        return next((found for source in self._sources if (found := real_world(source))), None)

    def rescale(self, fallback: tuple[float, float] | None) -> tuple[float, float] | None:
        item = self._item("PixelValueTransformationSequence")
        if item is None:
            return fallback
        slope, intercept = number(item, "RescaleSlope"), number(item, "RescaleIntercept")
        return (1.0 if slope is None else slope, intercept or 0.0)

    def moment(self, fallback: Moment, rank: int | None) -> Moment:
        content = self._item("FrameContentSequence")
        cardiac = self._item("CardiacSynchronizationSequence")
        trigger = number(cardiac, "NominalCardiacTriggerDelayTime")
        offset = number(self._item("TemporalPositionSequence"), "TemporalPositionTimeOffset")
        index = number(content, "TemporalPositionIndex")
        stamp = content.get("FrameAcquisitionDateTime") or content.get("FrameReferenceDateTime") if content else None
        return fallback._replace(
            temporal_position=index if index is not None else rank,
            trigger_time=trigger / 1000 if trigger is not None else offset,
            acquisition_time=seconds_of_datetime(str(stamp)) if stamp else None,
            content_time=None,
            acquisition_number=number(content, "FrameAcquisitionNumber"),
            b_value=number(self._item("MRDiffusionSequence"), "DiffusionBValue"),
        )


def _dimension_order(dataset: Any, per_frame: list[Any]) -> list[int | None]:
    """For each frame, its rank along the dimensions other than place; None throughout where there are none."""
    pointers = [int(item.get("DimensionIndexPointer") or 0) for item in dataset.get("DimensionIndexSequence") or ()]
    others = [number for number, pointer in enumerate(pointers) if pointer not in _PLACE_POINTERS]
    keys: list[tuple[int, ...] | None] = []
    for groups in per_frame:
        content = _first(groups, "FrameContentSequence")
        values = content.get("DimensionIndexValues") if content is not None else None
        indices = [] if values is None else [values] if isinstance(values, int) else list(values)
        sound = len(indices) == len(pointers) and others
        keys.append(tuple(int(indices[number]) for number in others) if sound else None)
    ranks = {key: rank for rank, key in enumerate(sorted({key for key in keys if key is not None}))}
    return [None if key is None or len(ranks) < 2 else ranks[key] for key in keys]


def _first(source: Any, name: str) -> Any:
    items = source.get(name) if source is not None else None
    return items[0] if items else None


def number(source: Any, name: str) -> float | None:
    """A number of a data set, or None where it is missing or broken."""
    if source is None:
        return None
    try:
        value = source.get(name)
        return None if value is None or value == "" else float(value)
    except (TypeError, ValueError):
        return None


def vector(source: Any, name: str, length: int) -> Vector | None:
    """So many numbers of a data set, or None where they are missing or broken."""
    if source is None:
        return None
    try:
        found = tuple(float(value) for value in source.get(name) or ())
    except (TypeError, ValueError):
        return None
    return found if len(found) == length else None
