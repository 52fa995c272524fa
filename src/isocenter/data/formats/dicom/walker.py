"""A fast walk over the bytes of an ordinary DICOM file, picking up the few tags that a description needs.

It understands explicit and implicit little endian, which is nearly every file, and gives up with `Unusual` at the first
thing that it does not: the caller then asks pydicom, which is slower and knows everything. It never guesses.
"""

from __future__ import annotations

import os
from pathlib import Path
from struct import Struct
from typing import NamedTuple

from isocenter.data.formats.dicom.tags import LONG_TYPES, PIXEL_TAGS, SHORT_TYPES, WANTED

BLOCK_BYTES = 16 * 1024
"""How much is read at a time; most headers fit into one block."""

IMPLICIT_LITTLE = "1.2.840.10008.1.2"
EXPLICIT_BIG = "1.2.840.10008.1.2.2"
DEFLATED = "1.2.840.10008.1.2.1.99"
DEFLATED_JPIP = frozenset(("1.2.840.10008.1.2.4.95", "1.2.840.10008.1.2.4.205"))

_READ_ONLY = os.O_RDONLY | getattr(os, "O_BINARY", 0)
_PREAMBLE_END = 132
_MOST_VALUE_BYTES = 1024 * 1024
_UNDEFINED = 0xFFFFFFFF
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_FIRST_PIXELS, _LAST_PIXELS = min(PIXEL_TAGS), max(PIXEL_TAGS)
_SYNTAX = 0x00020010
_MOST_NESTING = 32

_explicit = Struct("<HH2sH").unpack_from
_implicit = Struct("<HHI").unpack_from
_long = Struct("<I").unpack_from

_SHORT = frozenset(vr.encode() for vr in SHORT_TYPES)
_LONG = frozenset(vr.encode() for vr in LONG_TYPES)
_EXPECTED = {tag: wanted.vr.encode() for tag, wanted in WANTED.items()}


class Unusual(Exception):
    """Something this walk does not understand; pydicom is asked instead."""


class Walked(NamedTuple):
    """What was picked up.

    Attributes:
        raw: the bytes of each wanted element that is there and not empty.
        pixels: the element that holds the pixels, or None.
        pixel_bytes: how many bytes of it the file really holds.
    """

    raw: dict[int, bytes]
    pixels: int | None
    pixel_bytes: int


def walk(path: str | Path) -> Walked:
    """Pick up the wanted tags of one file."""
    descriptor = os.open(path, _READ_ONLY)
    try:
        return _Walk(descriptor).run()
    finally:
        os.close(descriptor)


class _Walk:
    """One file being walked: a buffer, where it begins in the file, and where we are in it."""

    __slots__ = ("base", "buffer", "descriptor", "explicit", "position", "raw")

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self.base = 0
        self.buffer = os.read(descriptor, BLOCK_BYTES)
        self.position = _PREAMBLE_END
        self.explicit = True
        self.raw: dict[int, bytes] = {}

    def run(self) -> Walked:
        if self.buffer[128:_PREAMBLE_END] != b"DICM":
            raise Unusual("no preamble")
        self._elements(0x0002FFFF)
        syntax = self.raw.get(_SYNTAX, b"").rstrip(b" \0").decode("latin-1")
        if not syntax or syntax in (EXPLICIT_BIG, DEFLATED) or syntax in DEFLATED_JPIP:
            raise Unusual(f"transfer syntax {syntax}")
        self.explicit = syntax != IMPLICIT_LITTLE
        tag, length = self._elements(_FIRST_PIXELS - 1)
        if not _FIRST_PIXELS <= tag <= _LAST_PIXELS or tag not in PIXEL_TAGS:
            if tag:
                raise Unusual("pixels are not where they should be")
            return Walked(self.raw, None, 0)
        stored = os.fstat(self.descriptor).st_size - self.base - self.position
        return Walked(self.raw, tag, stored if length == _UNDEFINED else min(stored, length))

    def _elements(self, last: int) -> tuple[int, int]:
        """Walk up to the first group after `last`, or behind the head of the first element after it; tag and length."""
        raw, seen = self.raw, 0
        while True:
            seen = self._coast(seen, last)
            if self.position + 12 > len(self.buffer) and not self._refill():
                return 0, 0
            if self._group() > last >> 16:
                return _FIRST_PIXELS - 1, 0
            tag, vr, length = self._head()
            if tag <= seen:
                raise Unusual("tags out of order")
            seen = tag
            if tag > last:
                return tag, length
            if tag in _EXPECTED:
                if vr != _EXPECTED[tag]:
                    raise Unusual("an unexpected type of value")
                value = self._value(length)
                if value:
                    raw[tag] = value
            elif length == _UNDEFINED:
                self._skip_items(self.explicit and vr != b"UN")
            else:
                self.position += length

    def _coast(self, seen: int, last: int) -> int:
        """Pass ordinary elements as fast as Python can, taking what is wanted; returns the last tag passed."""
        return self._coast_explicit(seen, last) if self.explicit else self._coast_implicit(seen, last)

    def _coast_explicit(self, seen: int, last: int) -> int:
        buffer, position, raw, size = self.buffer, self.position, self.raw, len(self.buffer)
        while position + 12 <= size:
            group, number, vr, length = _explicit(buffer, position)
            tag, value = group << 16 | number, position + 8
            if not seen < tag <= last:
                break
            if vr not in _SHORT:
                if vr not in _LONG:
                    break
                (length,) = _long(buffer, value)
                value += 4
            if tag in _EXPECTED:
                if vr != _EXPECTED[tag] or value + length > size:
                    break
                if length:
                    raw[tag] = buffer[value : value + length]
            elif length == _UNDEFINED:
                break
            position, seen = value + length, tag
        self.position = position
        return seen

    def _coast_implicit(self, seen: int, last: int) -> int:
        buffer, position, raw, size = self.buffer, self.position, self.raw, len(self.buffer)
        while position + 8 <= size:
            group, number, length = _implicit(buffer, position)
            tag, value = group << 16 | number, position + 8
            if not seen < tag <= last:
                break
            if tag in _EXPECTED:
                if value + length > size:
                    break
                if length:
                    raw[tag] = buffer[value : value + length]
            elif length == _UNDEFINED:
                break
            position, seen = value + length, tag
        self.position = position
        return seen

    def _group(self) -> int:
        """The group of the element here, which reads the same in either encoding."""
        return self.buffer[self.position] | self.buffer[self.position + 1] << 8

    def _head(self) -> tuple[int, bytes, int]:
        """Tag, type and length of the element here; leaves us at its value."""
        if not self.explicit:
            group, number, length = _implicit(self.buffer, self.position)
            self.position += 8
            tag = group << 16 | number
            return tag, _EXPECTED.get(tag, b"  "), length
        group, number, vr, length = _explicit(self.buffer, self.position)
        self.position += 8
        if vr in _LONG:
            (length,) = _long(self.buffer, self.position)
            self.position += 4
        elif vr not in _SHORT:
            raise Unusual("an unknown type of value")
        return group << 16 | number, vr, length

    def _refill(self, least: int = 8) -> bool:
        """Read on from here; False at the end of the file. A file that ends inside an element is unusual."""
        self.base += self.position
        self.position = 0
        os.lseek(self.descriptor, self.base, os.SEEK_SET)
        self.buffer = os.read(self.descriptor, max(BLOCK_BYTES, least))
        if not self.buffer and self.base == os.fstat(self.descriptor).st_size:
            return False
        if len(self.buffer) < least:
            raise Unusual("the file ends inside an element")
        return True

    def _value(self, length: int) -> bytes:
        if length == _UNDEFINED:
            return self._items_as_bytes()
        if length > _MOST_VALUE_BYTES:
            raise Unusual("a very long value")
        if self.position + length > len(self.buffer) and not (self._refill(length) or length == 0):
            raise Unusual("the file ends inside a value")
        value = self.buffer[self.position : self.position + length]
        self.position += length
        return value

    def _items_as_bytes(self) -> bytes:
        """A sequence of undefined length, whole; only within one block."""
        base, start = self.base, self.position
        self._skip_items(self.explicit)
        if self.base != base:
            raise Unusual("a long sequence")
        return self.buffer[start : self.position]

    def _skip_items(self, explicit: bool, depth: int = 0) -> None:
        """Go behind a sequence of undefined length: item by item, for its bytes may look like its end."""
        if depth > _MOST_NESTING:
            raise Unusual("nested too deeply")
        while True:
            tag, length = self._item_head()
            if tag == _SEQUENCE_END:
                return
            if tag != _ITEM:
                raise Unusual("an item is missing")
            if length == _UNDEFINED:
                self._skip_elements(explicit, depth)
            else:
                self.position += length

    def _item_head(self) -> tuple[int, int]:
        if self.position + 12 > len(self.buffer) and not self._refill():
            raise Unusual("the file ends inside a sequence")
        group, number, length = _implicit(self.buffer, self.position)
        self.position += 8
        return group << 16 | number, length

    def _skip_elements(self, explicit: bool, depth: int) -> None:
        """Go behind an item of undefined length."""
        outer, self.explicit = self.explicit, explicit
        while True:
            tag, _ = self._peek()
            if tag == _ITEM_END:
                self.position += 8
                break
            _, vr, length = self._head()
            if length == _UNDEFINED:
                self._skip_items(explicit and vr != b"UN", depth + 1)
            else:
                self.position += length
        self.explicit = outer

    def _peek(self) -> tuple[int, int]:
        tag, length = self._item_head()
        self.position -= 8
        return tag, length
