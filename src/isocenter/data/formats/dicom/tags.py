"""The DICOM tags that a description needs, and how their bytes become plain values."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Mapping
from datetime import date
from functools import lru_cache
from typing import Any, NamedTuple

Value = Any


SHORT_TYPES = frozenset(
    ("AE", "AS", "AT", "CS", "DA", "DS", "DT", "FL", "FD", "IS", "LO", "LT", "PN", "SH", "SL", "SS")
)
SHORT_TYPES |= {"ST", "TM", "UI", "UL", "US"}
LONG_TYPES = frozenset(("OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV"))
"""Types of value whose length takes two bytes, and those where it takes four after two empty ones."""


class Wanted(NamedTuple):
    """A tag to look for: its name here, the type of value the standard gives it, and whether there are several."""

    name: str
    vr: str
    many: bool = False


COMMON: dict[int, Wanted] = {
    0x00020002: Wanted("media_class", "UI"),
    0x00020010: Wanted("syntax", "UI"),
    0x00080005: Wanted("charset", "CS", True),
    0x00080008: Wanted("image_type", "CS", True),
    0x00080016: Wanted("sop_class", "UI"),
    0x00080020: Wanted("study_date", "DA"),
    0x00080021: Wanted("series_date", "DA"),
    0x00080031: Wanted("series_time", "TM"),
    0x00080060: Wanted("modality", "CS"),
    0x00080070: Wanted("manufacturer", "LO"),
    0x0008103E: Wanted("description", "LO"),
    0x00081090: Wanted("model", "LO"),
    0x00082144: Wanted("display_rate", "IS"),
    0x00089208: Wanted("complex_component", "CS"),
    0x00100020: Wanted("patient", "LO"),
    0x00100030: Wanted("birth_date", "DA"),
    0x00100040: Wanted("sex", "CS"),
    0x00101010: Wanted("age", "AS"),
    0x00101030: Wanted("weight", "DS"),
    0x00180015: Wanted("body_part", "CS"),
    0x00180020: Wanted("scanning_sequence", "CS", True),
    0x00180040: Wanted("cine_rate", "IS"),
    0x00180050: Wanted("thickness", "DS"),
    0x00180080: Wanted("repetition_time", "DS"),
    0x00180081: Wanted("echo_time", "DS"),
    0x00180086: Wanted("echo_number", "IS", True),
    0x00180088: Wanted("slice_spacing", "DS"),
    0x00181063: Wanted("frame_time", "DS"),
    0x00181065: Wanted("frame_time_vector", "DS", True),
    0x00181114: Wanted("magnification", "DS"),
    0x00181164: Wanted("imager_spacing", "DS", True),
    0x00182010: Wanted("nominal_spacing", "DS", True),
    0x00186011: Wanted("regions", "SQ"),
    0x0020000D: Wanted("study", "UI"),
    0x0020000E: Wanted("series", "UI"),
    0x00200011: Wanted("series_number", "IS"),
    0x00200037: Wanted("orientation", "DS", True),
    0x00200052: Wanted("frame_of_reference", "UI"),
    0x00200060: Wanted("laterality", "CS"),
    0x00200062: Wanted("image_laterality", "CS"),
    0x00200105: Wanted("temporal_positions", "IS"),
    0x00200110: Wanted("temporal_resolution", "DS"),
    0x00209161: Wanted("concatenation", "UI"),
    0x00280002: Wanted("samples", "US"),
    0x00280004: Wanted("photometric", "CS"),
    0x00280008: Wanted("frames", "IS"),
    0x00280010: Wanted("rows", "US"),
    0x00280011: Wanted("columns", "US"),
    0x00280030: Wanted("pixel_spacing", "DS", True),
    0x00280100: Wanted("bits_allocated", "US"),
    0x00280101: Wanted("bits_stored", "US"),
    0x00280103: Wanted("signed", "US"),
    0x00281054: Wanted("rescale_type", "LO"),
    0x00283000: Wanted("modality_lut", "SQ"),
    0x00409096: Wanted("real_world", "SQ"),
    0x00480006: Wanted("matrix_columns", "UL"),
    0x00540016: Wanted("tracer", "SQ"),
    0x00541001: Wanted("units", "CS"),
    0x00541102: Wanted("decay_correction", "CS"),
    0x00651050: Wanted("grid_slices", "DS"),
    0x2005100E: Wanted("philips_scale", "FL"),
    0x3004000E: Wanted("dose_scaling", "DS"),
    0x52009229: Wanted("functional_groups", "SQ"),
    0x70531000: Wanted("philips_suv_factor", "DS"),
    0x70531009: Wanted("philips_activity_factor", "DS"),
}
"""What all slices of a series usually share."""

PER_SLICE: dict[int, Wanted] = {
    0x00020003: Wanted("media_instance", "UI"),
    0x00080018: Wanted("instance_uid", "UI"),
    0x00080022: Wanted("acquisition_date", "DA"),
    0x0008002A: Wanted("acquisition_datetime", "DT"),
    0x00080032: Wanted("acquisition_time", "TM"),
    0x00080033: Wanted("content_time", "TM"),
    0x00181060: Wanted("trigger_time", "DS"),
    0x00189087: Wanted("b_value", "FD"),
    0x00200012: Wanted("acquisition_number", "IS"),
    0x00200013: Wanted("instance_number", "IS"),
    0x00200032: Wanted("position", "DS", True),
    0x00200100: Wanted("temporal_position", "IS"),
    0x00281052: Wanted("intercept", "DS"),
    0x00281053: Wanted("slope", "DS"),
    0x00541300: Wanted("frame_reference_time", "DS"),
}
"""What tells the slices of a series apart."""

WANTED = COMMON | PER_SLICE

PIXEL_TAGS = {0x7FE00008: "float", 0x7FE00009: "double", 0x7FE00010: "integer"}
"""The three elements that hold pixels, and what kind of number is in them."""

_MOST_SEEN = 128
_FIRST_DAY = date(1900, 1, 1).toordinal() * 86400.0
"""Counting from here keeps a day's seconds exact to the microsecond."""

_PLAIN = frozenset(("UI", "CS", "DA", "TM", "DT", "AS"))
_TEXT = frozenset(("LO", "SH", "PN", "LT", "ST", "UT", "UC"))
_BINARY = {"US": "H", "SS": "h", "UL": "I", "SL": "i", "FL": "f", "FD": "d", "UV": "Q", "SV": "q", "AT": "I"}
_NUMBERS = frozenset(("DS", "IS"))
_WHOLE = frozenset(("IS", "US", "UL", "SS", "SL", "UV", "SV"))


def decode(raw: bytes, wanted: Wanted, *, vr: str = "", charset: tuple[str, ...] = (), little: bool = True) -> Value:
    """The plain value of an element's bytes: text, a number, a tuple of them; None where it is empty or broken."""
    actual = vr if vr not in ("", "UN", "OB") else wanted.vr
    if actual in _PLAIN and wanted.vr in _PLAIN and not wanted.many:
        return raw.decode("latin-1").strip(" \0\r\n\t") or None
    if wanted.vr == "SQ":
        return raw or None
    if actual in _BINARY:
        return _numbers(_binary(raw, _BINARY[actual], little), wanted)
    if actual in _NUMBERS or wanted.vr in _NUMBERS:
        return _numbers([_number(part) for part in raw.decode("latin-1").split("\\")], wanted)
    return _texts(raw, wanted, charset)


class Decoder:
    """Decodes elements of the usual encodings, remembering what it has decoded: most values come again and again."""

    def __init__(self) -> None:
        self._seen: dict[int, dict[bytes, Value]] = {tag: {} for tag in WANTED}

    def values(
        self, raw: Mapping[int, bytes], table: Mapping[int, Wanted], charset: tuple[str, ...]
    ) -> dict[str, Value]:
        """The values, by name, of those elements that stand in the table."""
        found = {}
        for tag, content in raw.items():
            wanted = table.get(tag)
            if wanted is None:
                continue
            seen = self._seen[tag]
            if content in seen:
                found[wanted.name] = seen[content]
                continue
            value = found[wanted.name] = decode(content, wanted, charset=charset)
            # What is not plain ASCII reads differently from one character set to the next.
            if len(seen) < _MOST_SEEN and content.isascii() and b"\x1b" not in content:
                seen[content] = value
        return found


def _binary(raw: bytes, code: str, little: bool) -> list[float]:
    count = len(raw) // struct.calcsize(code)
    return list(struct.unpack_from(f"{'<' if little else '>'}{count}{code}", raw))


def _number(text: str) -> float | None:
    try:
        value = float(text.strip(" \0\r\n\t"))
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _numbers(values: list[Any], wanted: Wanted) -> Value:
    if wanted.vr in _WHOLE:
        values = [None if value is None else int(value) for value in values]
    else:
        values = [None if value is None else float(value) for value in values]
    if not values:
        return None
    if not wanted.many:
        return values[0]
    return None if None in values else tuple(values)


def _texts(raw: bytes, wanted: Wanted, charset: tuple[str, ...]) -> Value:
    text = _in_charset(raw, charset) if wanted.vr in _TEXT else raw.decode("latin-1")
    if wanted.many:
        parts = tuple(part.strip(" \0") for part in text.split("\\"))
        return parts if any(parts) else None
    return text.strip(" \0\r\n\t") or None


def _in_charset(raw: bytes, charset: tuple[str, ...]) -> str:
    if raw.isascii() and b"\x1b" not in raw:
        return raw.decode("ascii")
    return _charset_decoder(charset)(raw)


@lru_cache(maxsize=64)
def _charset_decoder(charset: tuple[str, ...]) -> Callable[[bytes], str]:
    """How text reads under a SpecificCharacterSet, as pydicom understands it."""
    import warnings

    from pydicom.charset import convert_encodings, decode_bytes, default_encoding
    from pydicom.valuerep import TEXT_VR_DELIMS

    with warnings.catch_warnings():
        # pydicom warns of a misspelt character set and then takes the likeliest one, which is what we want too.
        warnings.simplefilter("ignore")
        encodings = convert_encodings(list(charset)) if charset else [default_encoding]

    def read(raw: bytes) -> str:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return str(decode_bytes(raw, encodings, TEXT_VR_DELIMS))

    return read


def seconds_of_day(text: str | None) -> float | None:
    """Seconds since midnight of a DICOM time, such as 101530.5 (also the old 10:15:30)."""
    digits = (text or "").replace(":", "").strip()
    if len(digits) < 2 or not digits[:2].isdigit():
        return None
    parts = (digits[0:2], digits[2:4] or "0", digits[4:] or "0")
    hours, minutes, rest = (_number(part) for part in parts)
    if hours is None or minutes is None or rest is None:
        return None
    return hours * 3600 + minutes * 60 + rest


@lru_cache(maxsize=256)
def seconds_of_date(text: str | None) -> float | None:
    """Seconds from a fixed day to the start of a DICOM date (YYYYMMDD, also the old YYYY.MM.DD)."""
    digits = (text or "").replace(".", "").strip()[:8]
    if len(digits) < 8 or not digits.isdigit():
        return None
    try:
        return date(int(digits[:4]), int(digits[4:6]), int(digits[6:8])).toordinal() * 86400.0 - _FIRST_DAY
    except ValueError:
        return None


def seconds_of_datetime(text: str | None) -> float | None:
    """Seconds from a fixed day of a DICOM date and time (YYYYMMDDHHMMSS.F, its time zone left aside)."""
    body = (text or "").split("+")[0].split("-")[0]
    day, time = seconds_of_date(body[:8]), seconds_of_day(body[8:])
    return None if day is None or time is None else day + time
