"""The frames of a DICOM segmentation, one at a time: bare bits, deflated, run-length or otherwise coded."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isocenter.core.errors import Unreadable

_DEFLATED_FRAME = "1.2.840.10008.1.2.8.1"
_RUN_LENGTH = "1.2.840.10008.1.2.5"
_RUN_LENGTH_HEADER = 64
_BIG_ENDIAN = "1.2.840.10008.1.2.2"
_BARE = frozenset(("1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.1.99", _BIG_ENDIAN))


def frames_of(dataset: Any, path: Path) -> Iterator[NDArray[np.unsignedinteger[Any]]]:
    """Each frame as rows x columns, as stored: bits as 0 and 1."""
    syntax = str(dataset.file_meta.TransferSyntaxUID)
    if syntax == _DEFLATED_FRAME:
        yield from _coded(dataset, path, _inflate)
    elif syntax == _RUN_LENGTH and int(dataset.BitsAllocated) == 1:
        yield from _coded(dataset, path, _run_length)
    elif syntax in _BARE and int(dataset.BitsAllocated) == 1:
        yield from _bare_bits(dataset, path, syntax)
    else:
        yield from _decoded(dataset)


def _decoded(dataset: Any) -> Iterator[NDArray[np.unsignedinteger[Any]]]:
    from pydicom.pixels import iter_pixels

    yield from iter_pixels(dataset, raw=True)


def _bare_bits(dataset: Any, path: Path, syntax: str) -> Iterator[NDArray[np.unsignedinteger[Any]]]:
    """Frames of single bits that follow one another without a gap, so that most begin in the middle of a byte.

    pydicom 3.0 cuts such frames wrongly when it reads them one by one, unless each fills whole bytes.
    """
    stored = np.frombuffer(dataset.PixelData, dtype=np.uint8)
    if syntax == _BIG_ENDIAN and dataset["PixelData"].VR == "OW":
        stored = stored.view(np.uint16).byteswap().view(np.uint8)
    rows, columns = int(dataset.Rows), int(dataset.Columns)
    count, size = int(dataset.get("NumberOfFrames", 1) or 1), rows * columns
    if stored.size * 8 < count * size:
        raise Unreadable(
            f"{path}", why=f"is cut short: {count} frames need {count * size} bits, {stored.size * 8} are there"
        )
    for start in range(0, count * size, size):
        first, skip = divmod(start, 8)
        bits = np.unpackbits(stored[first : first + (skip + size + 7) // 8], bitorder="little")
        yield bits[skip : skip + size].reshape(rows, columns)


def _coded(dataset: Any, path: Path, decode: Any) -> Iterator[NDArray[np.unsignedinteger[Any]]]:
    """Frames in codings that pydicom 3.0 does not know: the deflated one and run lengths of single bits."""
    from pydicom.encaps import generate_frames

    rows, columns, bits = int(dataset.Rows), int(dataset.Columns), int(dataset.BitsAllocated)
    needed = (rows * columns * bits + 7) // 8
    count = int(dataset.get("NumberOfFrames", 1) or 1)
    for coded in generate_frames(dataset.PixelData, number_of_frames=count):
        plain = decode(coded, needed)
        if len(plain) < needed:
            raise Unreadable(f"{path}", why=f"a frame of {needed} bytes decodes to only {len(plain)}")
        stored = np.frombuffer(plain[:needed], dtype="<u2" if bits == 16 else "u1")
        pixels = np.unpackbits(stored, count=rows * columns, bitorder="little") if bits == 1 else stored
        yield pixels.reshape(rows, columns)


def _inflate(coded: bytes, needed: int) -> bytes:
    return zlib.decompressobj(-zlib.MAX_WBITS).decompress(coded, needed)


def _run_length(coded: bytes, needed: int) -> bytes:
    """The single segment of a run-length frame: runs and literals (PackBits)."""
    out = bytearray()
    position = _RUN_LENGTH_HEADER
    while position < len(coded) and len(out) < needed:
        head = coded[position]
        if head < 128:
            out += coded[position + 1 : position + 2 + head]
            position += 2 + head
        elif head > 128:
            out += coded[position + 1 : position + 2] * (257 - head)
            position += 2
        else:
            position += 1
    return bytes(out)
