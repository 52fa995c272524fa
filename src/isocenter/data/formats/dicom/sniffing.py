"""Whether a file is DICOM, from its first bytes alone."""

from __future__ import annotations

from struct import unpack_from

from isocenter.data.formats.dicom.tags import LONG_TYPES, SHORT_TYPES

_FIRST = 0x00020000, 0x00020001, 0x00020002, 0x00020010, 0x00080000, 0x00080001, 0x00080005, 0x00080008, 0x00080012
_FIRST_GROUP_8 = frozenset((*_FIRST, 0x00080013, 0x00080014, 0x00080016, 0x00080018, 0x00080020))
_ENOUGH = 3
_MOST_BYTES = 65536


def sniff(head: bytes, _name: str) -> bool:
    """The mark at byte 128, or, without a preamble, elements as only a DICOM file begins with."""
    if head[128:132] == b"DICM":
        return True
    return any(_plausible(head, explicit=explicit, order=order) for explicit, order in _ENCODINGS)


_ENCODINGS = ((True, "<"), (False, "<"), (True, ">"))


def _plausible(head: bytes, *, explicit: bool, order: str) -> bool:
    """Whether the bytes read as a run of elements in rising order, beginning with one that may come first."""
    place, last, seen = 0, -1, 0
    while place + 8 <= len(head) and seen < _ENOUGH:
        element = _element(head, place, explicit, order)
        if element is None:
            return False
        tag, size = element
        # Two elements with their types are telling enough for the third to be of any group.
        expected = tag >> 16 in (0x0002, 0x0008) or (explicit and seen == _ENOUGH - 1)
        if tag <= last or (seen == 0 and tag not in _FIRST_GROUP_8) or not expected:
            return False
        last, place, seen = tag, place + size, seen + 1
    return seen >= _ENOUGH


def _element(head: bytes, place: int, explicit: bool, order: str) -> tuple[int, int] | None:
    """The tag and the whole size of an element, or None where there cannot be one."""
    group, number = unpack_from(order + "HH", head, place)
    if not explicit:
        (length,) = unpack_from(order + "I", head, place + 4)
        size = 8 + length
    else:
        vr = head[place + 4 : place + 6].decode("latin-1")
        if vr in SHORT_TYPES:
            (length,) = unpack_from(order + "H", head, place + 6)
            size = 8 + length
        elif vr in LONG_TYPES and place + 12 <= len(head):
            (length,) = unpack_from(order + "I", head, place + 8)
            size = 12 + length
        else:
            return None
    return None if length % 2 or length > _MOST_BYTES else (group << 16 | number, size)
