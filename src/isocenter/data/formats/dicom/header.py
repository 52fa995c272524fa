"""What is known of one DICOM file: a record made by the fast walk where that understands the file, else by pydicom."""

from __future__ import annotations

import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader, FileIO
from operator import eq
from pathlib import Path
from typing import Any, NamedTuple

from isocenter.core.errors import Unreadable
from isocenter.data.formats.dicom.records import NEVER, Common, Moment, Slice, Tracer
from isocenter.data.formats.dicom.tags import (
    COMMON,
    PER_SLICE,
    PIXEL_TAGS,
    WANTED,
    Decoder,
    Value,
    decode,
    seconds_of_date,
    seconds_of_datetime,
    seconds_of_day,
)
from isocenter.data.formats.dicom.walker import Unusual, Walked, walk

_SERIES = 0x0020000E
_MOST_REMEMBERED = 128
"""Series at a time: files of one mostly come together."""
_MOST_KINDS = 8
"""Echoes, directions and the like of one series."""
_NEEDS_ITS_SEQUENCES = (0x00540016, 0x00186011, 0x00409096)


class Headers:
    """Reads records, remembering what neighbouring files have in common so that it is decoded and kept only once."""

    def __init__(self) -> None:
        self._neighbours: dict[bytes, list[tuple[Walked, Common]]] = {}
        self._known: dict[Common, Common] = {}
        self._decoder = Decoder()
        self._rescales: dict[tuple[float, float], tuple[float, float]] = {}

    def read(self, path: str) -> Slice:
        """The record of one file; raises `Unreadable` or what pydicom raises where it is not sound."""
        try:
            return self._walked(path)
        except (Unusual, struct.error):
            return self.opened(open_header(path), path)

    def _walked(self, path: str) -> Slice:
        walked = walk(path)
        common = self._remembered(path, walked)
        if walked.pixels is not None:
            refuse_cut_short(path, common, walked.pixel_bytes)
        return self._slice(path, self._decoder.values(walked.raw, PER_SLICE, ()), common)

    def _remembered(self, path: str, walked: Walked) -> Common:
        """What the file shares with its neighbours: as remembered where the bytes are the same."""
        series = walked.raw.get(_SERIES, b"")
        known = self._neighbours.get(series)
        if known is None:
            if len(self._neighbours) >= _MOST_REMEMBERED:
                self._neighbours.clear()
            known = self._neighbours[series] = []
        # Compared only within a series, so that a file that stands alone costs no comparison.
        for other, common in known:
            if other.pixels == walked.pixels and all(map(eq, map(other.raw.get, COMMON), map(walked.raw.get, COMMON))):
                return common
        common = self._common_of(path, walked.raw, walked.pixels)
        if len(known) < _MOST_KINDS:
            known.append((walked, common))
        return common

    def _common_of(self, path: str, raw: dict[int, bytes], pixels: int | None) -> Common:
        if any(tag in raw for tag in _NEEDS_ITS_SEQUENCES):
            return self.opened(open_header(path), path).common
        charset = decode(raw.get(0x00080005, b""), COMMON[0x00080005]) or ()
        values = self._decoder.values(raw, COMMON, charset)
        return self._common(values, PIXEL_TAGS[pixels] if pixels is not None else None)

    def opened(self, opened: Opened, path: str) -> Slice:
        """The same record from a pydicom data set."""
        dataset = opened.dataset
        with quiet():
            values = dataset_values(dataset)
            worked_out = {
                "calibration": calibration(dataset),
                "tracer": tracer(dataset),
                "real_world": real_world(dataset),
            }
        shared = {name: value for name, value in values.items() if name in _COMMON_NAMES}
        common = self._common(shared, opened.pixels, **worked_out)
        if opened.pixels:
            refuse_cut_short(path, common, opened.stored)
        return self._slice(path, values, common)

    def _common(self, values: dict[str, Value], pixels: str | None, **worked_out: Any) -> Common:
        media_class = values.pop("media_class", None)
        values["sop_class"] = values.get("sop_class") or media_class
        for flag in ("modality_lut", "functional_groups"):
            values[flag] = bool(values.get(flag))
        for sequence in ("regions", "tracer", "real_world"):
            values.pop(sequence, None)
        common = Common(pixels=pixels, **values, **worked_out)
        return self._known.setdefault(common, common)

    def _slice(self, path: str, values: dict[str, Value], common: Common) -> Slice:
        slope, intercept = values.get("slope"), values.get("intercept")
        rescale = None
        if slope is not None or intercept is not None:
            rescale = (1.0 if slope is None else slope, intercept or 0.0)
            rescale = self._rescales.setdefault(rescale, rescale)
        position = values.get("position")
        return Slice(
            path=path,
            uid=values.get("instance_uid") or values.get("media_instance") or "",
            frame=0,
            position=position if position is not None and len(position) == 3 else None,
            instance=values.get("instance_number"),
            moment=moment_of(values),
            rescale=rescale,
            common=common,
        )


_TIMES = frozenset(
    (
        "acquisition_datetime",
        "acquisition_date",
        "acquisition_time",
        "trigger_time",
        "frame_reference_time",
        "temporal_position",
        "content_time",
        "acquisition_number",
        "b_value",
    )
)
_COMMON_NAMES = frozenset(wanted.name for wanted in COMMON.values())


@contextmanager
def quiet() -> Iterator[None]:
    """Without pydicom's warnings: what it warns of is either set right by it or refused by us, with a reason."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


class Bounded(BufferedReader):
    """A file that is never asked for more than it holds: a damaged length must not reserve gigabytes."""

    def __init__(self, path: str | Path) -> None:
        super().__init__(FileIO(path, "rb"))
        self._size = Path(path).stat().st_size

    def read(self, size: int | None = -1, /) -> bytes:
        """At most so many bytes, and at most what is left."""
        left = max(self._size - self.tell(), 0)
        return super().read(left if size is None or size < 0 else min(size, left))


class Opened(NamedTuple):
    """A data set read up to its pixels, which element holds those, and how many bytes of it the file has."""

    dataset: Any
    pixels: str | None
    stored: int


def open_header(path: str | Path) -> Opened:
    """The data set of a file up to its pixels, as far as it is sound; also without preamble."""
    from pydicom.filereader import read_partial

    found: list[str] = []

    def at_pixels(tag: int, _vr: str | None, _length: int) -> bool:
        if tag in PIXEL_TAGS:
            found.append(PIXEL_TAGS[tag])
        return tag in PIXEL_TAGS

    with quiet(), Bounded(path) as file:
        # A file without preamble is taken only after `sniff` has looked at its first elements.
        dataset = read_partial(file, stop_when=at_pixels, force=True)
        place = file.tell()
    if len(dataset) == 0:
        raise Unreadable(f"{path}", why="holds no DICOM elements")
    return Opened(dataset, found[-1] if found else None, Path(path).stat().st_size - place - 8)


def open_whole(path: str | Path) -> Any:
    """The data set of a file with its pixels."""
    import pydicom

    with quiet(), Bounded(path) as file:
        return pydicom.dcmread(file, force=True)


def dataset_values(dataset: Any) -> dict[str, Value]:
    """The wanted values of a pydicom data set, those that cannot be understood left out."""
    little = not _is_big_endian(dataset)
    charset = _raw_value(dataset, 0x00080005, (), little) or ()
    values = {}
    for tag, wanted in WANTED.items():
        value = _raw_value(dataset, tag, charset, little)
        if value is not None:
            values[wanted.name] = value
    return values


def _is_big_endian(dataset: Any) -> bool:
    _, little = dataset.original_encoding
    return little is False


def _raw_value(dataset: Any, tag: int, charset: tuple[str, ...], little: bool) -> Value:
    wanted = WANTED[tag]
    source = dataset.file_meta if tag < 0x00030000 else dataset
    if tag not in source:
        return None
    if wanted.vr == "SQ":
        return bool(source[tag].value)
    element = source.get_item(tag)
    if isinstance(element.value, bytes):
        return decode(element.value, wanted, vr=str(element.VR or ""), charset=charset, little=little)
    return plain(element.value, wanted)


def plain(value: Any, wanted: Any) -> Value:
    """The plain value of what pydicom has already understood."""
    if value is None or value == "":
        return None
    parts = [value] if isinstance(value, str) or not hasattr(value, "__iter__") else list(value)
    raw = "\\".join(str(part) for part in parts)
    coded = wanted._replace(vr="DS" if wanted.vr not in ("IS", "DS") else wanted.vr) if _is_number(wanted) else wanted
    return decode(raw.encode("utf-8"), coded, charset=("ISO_IR 192",))


def _is_number(wanted: Any) -> bool:
    return wanted.vr in ("DS", "IS", "US", "SS", "UL", "SL", "FD", "FL")


def moment_of(values: dict[str, Value]) -> Moment:
    """When a slice was taken, from the values of its tags."""
    if values.keys().isdisjoint(_TIMES):
        return NEVER
    acquired = seconds_of_datetime(values.get("acquisition_datetime"))
    if acquired is None:
        acquired = seconds_of_day(values.get("acquisition_time"))
        day = seconds_of_date(values.get("acquisition_date"))
        acquired = acquired + day if acquired is not None and day is not None else acquired
    trigger, reference = values.get("trigger_time"), values.get("frame_reference_time")
    return Moment(
        temporal_position=values.get("temporal_position"),
        trigger_time=trigger / 1000 if trigger is not None else None,
        frame_reference_time=reference / 1000 if reference is not None else None,
        acquisition_time=acquired,
        content_time=seconds_of_day(values.get("content_time")),
        acquisition_number=values.get("acquisition_number"),
        b_value=values.get("b_value"),
    )


def calibration(dataset: Any) -> tuple[float, float] | None:
    """Millimetres per pixel of an ultrasound image whose regions agree on it; None otherwise."""
    found = set()
    for region in dataset.get("SequenceOfUltrasoundRegions") or ():
        units = region.get("PhysicalUnitsXDirection"), region.get("PhysicalUnitsYDirection")
        if units == (3, 3) and region.get("RegionSpatialFormat") in (1, None):
            # Code 3 is centimetres; format 1 is a tissue image, not a Doppler trace.
            steps = region.get("PhysicalDeltaX"), region.get("PhysicalDeltaY")
            if all(steps):
                found.add((abs(float(steps[0])) * 10, abs(float(steps[1])) * 10))
    return found.pop() if len(found) == 1 else None


def tracer(dataset: Any) -> Tracer | None:
    """The injected dose of a PET image."""
    items = dataset.get("RadiopharmaceuticalInformationSequence")
    if not items:
        return None
    first = items[0]
    return Tracer(
        _number(first.get("RadionuclideTotalDose")),
        _number(first.get("RadionuclideHalfLife")),
        str(first.get("RadiopharmaceuticalStartTime") or "") or None,
        str(first.get("RadiopharmaceuticalStartDateTime") or "") or None,
    )


def real_world(source: Any) -> tuple[float, float] | None:
    """The line from stored to real-world values; None where there is none, or several, or a table."""
    items = source.get("RealWorldValueMappingSequence") if source is not None else None
    if not items or len(items) != 1:
        return None
    slope, intercept = _number(items[0].get("RealWorldValueSlope")), _number(items[0].get("RealWorldValueIntercept"))
    return (slope, intercept or 0.0) if slope else None


def _number(value: Any) -> float | None:
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


def bytes_of_pixels(common: Common) -> int | None:
    """How many bytes uncompressed pixels take, or None where the header does not say or they are compressed."""
    if common.syntax not in _UNCOMPRESSED or not common.rows or not common.columns or not common.bits_allocated:
        return None
    count = common.rows * common.columns * (common.frames or 1)
    samples = 2 if common.photometric in ("YBR_FULL_422", "YBR_PARTIAL_422") else (common.samples or 1)
    return (count * samples * common.bits_allocated + 7) // 8


_UNCOMPRESSED = frozenset(("1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"))


def refuse_cut_short(path: str, common: Common, stored: int) -> None:
    """Refuse a file that ends before its uncompressed pixels do."""
    if (common.frames or 1) > max(stored, 1):
        raise Unreadable(path, why=f"announces {common.frames} frames, more than it has bytes of pixels")
    needed = bytes_of_pixels(common)
    if needed is not None and stored < needed:
        raise Unreadable(path, why=f"is cut short: {needed} bytes of pixels announced, {stored} there")
