"""The private header in which Siemens scanners before XA keep what DICOM had no place for."""

from __future__ import annotations

import struct

_MOST_ENTRIES = 1024
_NAME_BYTES = 64
_ENTRY = struct.Struct("<64si4siii")
_ITEM = struct.Struct("<4i")


def entries(raw: bytes) -> dict[str, list[str]]:
    """The entries of a CSA header, by name; each a list of texts. Raises `ValueError` where it is not one."""
    second = raw[:4] == b"SV10"
    place = 8 if second else 0
    if len(raw) < place + 8:
        raise ValueError("a CSA header that ends too early")
    count, _ = struct.unpack_from("<II", raw, place)
    if not 0 < count <= _MOST_ENTRIES:
        raise ValueError("not a CSA header")
    place += 8
    found: dict[str, list[str]] = {}
    excess = 0
    while len(found) < count and place + _ENTRY.size <= len(raw):
        name, _, _, _, items, _ = _ENTRY.unpack_from(raw, place)
        # The first version writes each item's length too large by the number of items of the first entry that has any.
        excess = excess or items
        values, place = _items(raw, place + _ENTRY.size, items, None if second else excess)
        found[_text(name)] = values
    return found


def _items(raw: bytes, place: int, items: int, excess: int | None) -> tuple[list[str], int]:
    """The texts of one entry that are not empty, and where the next entry begins."""
    values = []
    for _ in range(max(items, 0)):
        if place + _ITEM.size > len(raw):
            raise ValueError("a CSA header that ends too early")
        first, second, _, _ = _ITEM.unpack_from(raw, place)
        length = second if excess is None else first - excess
        place += _ITEM.size
        if length < 0 or place + length > len(raw):
            if excess is not None:
                break
            raise ValueError("a CSA header that ends too early")
        text = _text(raw[place : place + length])
        if text:
            values.append(text)
        place += (length + 3) // 4 * 4
    return values, place


def _text(raw: bytes) -> str:
    return raw.split(b"\0")[0].decode("latin-1").strip()


def numbers(found: dict[str, list[str]], name: str) -> list[float]:
    """The numbers of one entry; empty where it is not there or not numbers."""
    try:
        return [float(value) for value in found.get(name, [])]
    except ValueError:
        return []
