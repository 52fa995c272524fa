"""MetaImage, the format of ITK: `.mha`, or `.mhd` beside its `.raw` pixels."""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isocenter.core.errors import Unreadable
from isocenter.core.geometry import Geometry
from isocenter.core.image import Image, ImageFacts, Intensity, default_channels
from isocenter.data.formats._shared import (
    Format,
    ReadOptions,
    absolute,
    beside,
    check_ratio,
    check_size,
    frame_step,
    guarded,
    image_of,
    inflate,
    native,
    not_numbers,
    one_by_one,
    placed_at,
    plain,
)

_TYPES = {
    "MET_CHAR": "i1",
    "MET_UCHAR": "u1",
    "MET_SHORT": "i2",
    "MET_USHORT": "u2",
    "MET_INT": "i4",
    "MET_UINT": "u4",
    "MET_LONG": "i4",
    "MET_ULONG": "u4",
    "MET_LONG_LONG": "i8",
    "MET_ULONG_LONG": "u8",
    "MET_FLOAT": "f4",
    "MET_DOUBLE": "f8",
}
_NAMES = {dtype: name for name, dtype in _TYPES.items() if "LONG" not in name or "LONG_LONG" in name}
_MODALITIES = {"MET_MOD_CT": "CT", "MET_MOD_MR": "MR", "MET_MOD_NM": "NM", "MET_MOD_US": "US"}
_MILLIMETRES = {"mm": 1.0, "um": 0.001, "cm": 10.0}
_HEADER_LIMIT = 1 << 18
_DATA_ENDINGS = (".raw", ".zraw", ".raw.gz", ".raw.bz2")
_PATTERN = re.compile(r"%0?\d{0,2}d")
_MOST_FILES = 100_000


def _sniff(head: bytes, name: str) -> bool:
    if re.match(rb"\s*(ObjectType\s*=\s*Image|NDims\s*=|Comment\s*=[^\n]*\n\s*ObjectType)", head):
        return True
    return name.endswith(_DATA_ENDINGS) and head[128:132] != b"DICM"


def _describe_file(path: Path) -> list[ImageFacts]:
    if not path.name.lower().endswith(_DATA_ENDINGS):
        return [_facts(path)]
    _check_owned(path)
    return []  # described with its header


def _check_owned(path: Path) -> None:
    """Raw pixels belong to a header beside them; without one nobody knows what they are."""
    for header in path.parent.glob("*.[mMnN][hH][dD]*"):
        with header.open("rb") as file:
            text = file.read(_HEADER_LIMIT)
        if path.name.encode() in text or b"%" in text:
            return
    raise Unreadable(f"{path}", why="is raw pixels, and no header (.mhd or .nhdr) beside it names it")


@dataclass(frozen=True, slots=True)
class _Header:
    """The header's lines, and where the pixels are."""

    fields: dict[str, str]
    files: tuple[Path, ...]
    start: int

    def numbers(self, *names: str) -> list[float] | None:
        """The numbers of the first of these fields that is there."""
        for name in names:
            if name in self.fields:
                return [float(word) for word in self.fields[name].split()]
        return None

    def flag(self, *names: str) -> bool:
        """Whether one of these fields says true."""
        return any(self.fields.get(name, "").lower() in {"true", "1"} for name in names)


def _header(path: Path) -> _Header:
    with path.open("rb") as file:
        text = file.read(_HEADER_LIMIT)
    fields: dict[str, str] = {}
    start = 0
    while "ElementDataFile" not in fields:
        end = text.find(b"\n", start)
        line = text[start : end if end >= 0 else len(text)]
        key, equals, value = line.decode("utf-8", "replace").partition("=")
        if line.strip() and not equals:
            raise Unreadable(f"{path}", why=f"has a header line without a value ({key[:40]!r})")
        fields[key.strip()] = value.strip()
        start = end + 1
        if end < 0:
            break
    if "ElementDataFile" not in fields:
        raise Unreadable(f"{path}", why="does not say where its pixels are (ElementDataFile is missing)")
    return _Header(fields, _data_files(path, fields["ElementDataFile"], text[start:]), start)


def _data_files(path: Path, value: str, rest: bytes) -> tuple[Path, ...]:
    """The files that hold the pixels; the header itself where they follow it."""
    words = value.split()
    if value.upper() == "LOCAL":
        return (path,)
    if words and words[0].upper() == "LIST":
        names = [line.strip() for line in rest.decode("utf-8", "replace").splitlines() if line.strip()]
        return tuple(beside(path, name) for name in names)
    if len(words) in (3, 4) and _PATTERN.search(words[0]):
        first, last, step = int(words[1]), int(words[2]), int(words[3]) if len(words) == 4 else 1
        numbers = range(first, last + 1, max(step, 1))
        if len(numbers) > _MOST_FILES:
            raise Unreadable(f"{path}", why=f"names {len(numbers):,} files")
        return tuple(beside(path, _numbered(words[0], number)) for number in numbers)
    return (beside(path, value),)


def _numbered(pattern: str, number: int) -> str:
    """The name of one slice; only the one whole-number placeholder is filled in."""
    return _PATTERN.sub(lambda match: match[0] % number, pattern)


def _facts(path: Path) -> ImageFacts:
    header = _header(path)
    count = int(header.fields.get("NDims", "3"))
    steps = [int(word) for word in header.fields.get("DimSize", "").split()]
    if count not in (2, 3, 4) or len(steps) != count:
        raise Unreadable(f"{path}", why=f"announces {count} dimensions and the size {steps}")
    channels = int(header.fields.get("ElementNumberOfChannels", "1"))
    shape = (channels, *reversed(steps))
    dtype = _dtype(path, header)
    _check(path, header, shape, dtype)
    notes: list[str] = []
    geometry = _geometry(path, header, count, notes)
    rgb = channels in (3, 4) and dtype == np.uint8
    intensity = Intensity.RGB if rgb else Intensity.NAMED if channels > 1 else Intensity.RAW
    facts = ImageFacts(
        format="metaimage",
        files=(absolute(path), *(absolute(file) for file in header.files if file != path)),
        axes={2: "CYX", 3: "CZYX", 4: "CTZYX"}[count],
        shape=shape,
        dtype=dtype.newbyteorder("=").name,
        intensity=intensity,
        channels=default_channels(intensity, channels),
        modality=_MODALITIES.get(header.fields.get("Modality", "")),
        notes=tuple(notes),
    )
    return placed_at(facts, geometry)


def _dtype(path: Path, header: _Header) -> np.dtype[Any]:
    name = header.fields.get("ElementType", "")
    if name not in _TYPES:
        raise Unreadable(f"{path}", why=f"has pixels of kind {name or 'unknown'}")
    swapped = header.flag("BinaryDataByteOrderMSB", "ElementByteOrderMSB")
    return np.dtype((">" if swapped else "<") + _TYPES[name])


def _check(path: Path, header: _Header, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    needed = check_size(path, shape, dtype)
    if header.flag("CompressedData"):
        if len(header.files) == 1:
            check_ratio(header.files[0], needed)
    elif header.fields.get("BinaryData", "True").lower() != "false":
        there = sum(file.stat().st_size for file in header.files) - (header.start if header.files[0] == path else 0)
        check_size(path, shape, dtype, stored=there)


def _geometry(path: Path, header: _Header, count: int, notes: list[str]) -> Geometry:
    spacing = header.numbers("ElementSpacing", "ElementSize")
    direction = header.numbers("TransformMatrix", "Rotation", "Orientation")
    origin = header.numbers("Offset", "Position", "Origin")
    unit = header.fields.get("DistanceUnits", "mm").lower()
    if unit not in _MILLIMETRES:
        notes.append(f"its unit of length ({unit}) is not known: spacing and place are left out")
        return Geometry.unknown()
    for name, given, wanted in (
        ("spacing", spacing, count),
        ("direction", direction, count**2),
        ("origin", origin, count),
    ):
        if given is not None and len(given) != wanted:
            raise Unreadable(f"{path}", why=f"gives {len(given)} numbers for its {name}, not {wanted}")
    if spacing is None or min(spacing[:3]) <= 0:
        notes.append("does not say how large a voxel is")
        return Geometry.unknown()
    factor = _MILLIMETRES[unit]
    spacing = [value * factor for value in spacing[:3]]
    if count == 2 or (direction is None and origin is None):
        return Geometry.sized(spacing)
    # The file lists the direction of each axis in turn: rows of its matrix are our columns.
    matrix = np.eye(count) if direction is None else np.reshape(direction, (count, count)).T
    place = [value * factor for value in (origin or [0.0] * count)[:3]]
    return Geometry.from_parts(origin=place, spacing=spacing, direction=matrix[:3, :3])


def _read(facts: ImageFacts, _: ReadOptions) -> Image:
    path = Path(facts.files[0])
    with guarded(path):
        header = _header(path)
        dtype = _dtype(path, header)
        steps = [int(word) for word in header.fields["DimSize"].split()]
        channels = int(header.fields.get("ElementNumberOfChannels", "1"))
        shape = (*reversed(steps), channels)
        needed = check_size(path, shape, dtype)
        if header.fields.get("BinaryData", "True").lower() == "false":
            flat = _ascii(header, dtype)
        else:
            data = _bytes(path, header, needed)
            flat = np.frombuffer(data, dtype=dtype, count=len(data) // dtype.itemsize)
        if flat.size * dtype.itemsize < needed:
            raise Unreadable(
                f"{path}", why=f"is cut short: {needed // dtype.itemsize} values announced, {flat.size} there"
            )
        array = native(np.moveaxis(flat[: needed // dtype.itemsize].reshape(shape), -1, 0))
        return image_of(facts, array, notes=not_numbers(array))


def _ascii(header: _Header, dtype: np.dtype[Any]) -> NDArray[Any]:
    with header.files[0].open("rb") as file:
        file.seek(header.start if len(header.files) == 1 and header.fields["ElementDataFile"].upper() == "LOCAL" else 0)
        return np.array(file.read().split(), dtype=dtype)


def _bytes(path: Path, header: _Header, needed: int) -> bytes | bytearray:
    """The pixels of all data files in order."""
    data = bytearray()
    skip = int(header.fields.get("HeaderSize", "0"))
    for file in header.files:
        share = needed // len(header.files)
        with file.open("rb") as stream:
            stream.seek(header.start if file == path else 0)
            if header.flag("CompressedData"):
                data += inflate(stream, share, "zlib")
                continue
            if skip == -1:
                stream.seek(max(file.stat().st_size - share, 0))
            elif skip > 0:
                stream.seek(skip)
            data += stream.read(share)
    return data


def _write(image: Image, path: Path) -> list[Path]:
    array = plain(image.array, path, _NAMES)
    flat = image.axes == "CYX" and not image.geometry.placed
    pixels = np.ascontiguousarray(np.moveaxis(array, 0, -1)).astype(array.dtype.newbyteorder("<"), copy=False)
    packed = zlib.compress(pixels.tobytes(), 6)
    detached = path.name.lower().endswith(".mhd")
    data = path.with_suffix(".zraw")
    lines = _lines(image, array, flat) | {
        "CompressedData": "True",
        "CompressedDataSize": str(len(packed)),
        "ElementType": _NAMES[array.dtype.str[1:]],
        "ElementDataFile": data.name if detached else "LOCAL",
    }
    text = "".join(f"{name} = {value}\n" for name, value in lines.items()).encode()
    path.write_bytes(text if detached else text + packed)
    if not detached:
        return [path]
    data.write_bytes(packed)
    return [path, data]


def _lines(image: Image, array: NDArray[Any], flat: bool) -> dict[str, str]:
    """The header of an image that is written."""
    x, y, z = image.size
    steps = [x, y] if flat else [x, y, z]
    if "T" in image.axes:
        steps = [x, y, z, image.extent("T")]
    lines = {"ObjectType": "Image", "NDims": str(len(steps)), "BinaryData": "True", "BinaryDataByteOrderMSB": "False"}
    geometry, count = image.geometry, len(steps)
    if geometry.placed:
        matrix = np.eye(count)
        matrix[:3, :3] = geometry.direction.T
        lines["TransformMatrix"] = _spelled(matrix.ravel())
        lines["Offset"] = _spelled([*geometry.origin, 0.0][:count])
    if geometry.spacing_known:
        lines["ElementSpacing"] = _spelled([*geometry.spacing, frame_step(image) or 1.0][:count])
    lines["DimSize"] = " ".join(map(str, steps))
    if len(array) > 1:
        lines["ElementNumberOfChannels"] = str(len(array))
    modality = next((name for name, word in _MODALITIES.items() if word == image.modality), None)
    if modality:
        lines["Modality"] = modality
    return lines


def _spelled(numbers: Any) -> str:
    """Numbers as text that reads back to the same numbers."""
    return " ".join(repr(float(number)) for number in numbers)


FORMAT = Format(
    title="MetaImage",
    suffixes=(".mha", ".mhd"),
    sniff=_sniff,
    describe=one_by_one(_describe_file),
    read=_read,
    write=_write,
    rank=45,
)
