"""The header of a NRRD file: its fields, what its axes are, and where they lie in the patient."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isocenter.core.errors import Unreadable
from isocenter.core.geometry import Geometry
from isocenter.data.formats._shared import beside

TYPES = {
    "i1": "signed char, int8, int8_t",
    "u1": "uchar, unsigned char, uint8, uint8_t",
    "i2": "short, short int, signed short, signed short int, int16, int16_t",
    "u2": "ushort, unsigned short, unsigned short int, uint16, uint16_t",
    "i4": "int, signed int, int32, int32_t",
    "u4": "uint, unsigned int, uint32, uint32_t",
    "i8": "longlong, long long, long long int, signed long long, signed long long int, int64, int64_t",
    "u8": "ulonglong, unsigned long long, unsigned long long int, uint64, uint64_t",
    "f4": "float",
    "f8": "double",
}
_DTYPES = {name: dtype for dtype, names in TYPES.items() for name in names.split(", ")}
_SPACES = {
    "left-posterior-superior": (1, 1, 1),
    "lps": (1, 1, 1),
    "right-anterior-superior": (-1, -1, 1),
    "ras": (-1, -1, 1),
    "left-anterior-superior": (1, -1, 1),
    "las": (1, -1, 1),
}
_MILLIMETRES = {"": 1.0, "mm": 1.0, "millimeter": 1.0, "um": 0.001, "µm": 0.001, "cm": 10.0, "m": 1000.0}
_SECONDS = {"s": 1.0, "sec": 1.0, "ms": 1e-3, "us": 1e-6}
_SPATIAL = {"domain", "space"}
HEADER_LIMIT = 1 << 20
_SEGMENT = re.compile(r"Segment(\d+)_(Name|LabelValue|Layer)$")


@dataclass(slots=True)
class Header:
    """The fields of a header, its key/value pairs, and where the pixels are."""

    path: Path
    fields: dict[str, str] = field(default_factory=dict)
    pairs: dict[str, str] = field(default_factory=dict)
    names: list[str] = field(default_factory=list)
    start: int = 0

    @property
    def sizes(self) -> list[int]:
        """Steps along every axis, fastest first."""
        return [int(word) for word in self.fields.get("sizes", "").split()]

    @property
    def files(self) -> list[Path]:
        """The files that hold the pixels."""
        return [beside(self.path, name) for name in self.names] if self.names else [self.path]

    def words(self, name: str) -> list[str] | None:
        """A field with one word per axis, None where it is missing."""
        if name not in self.fields:
            return None
        words = self.fields[name].split()
        if len(words) != len(self.sizes):
            raise Unreadable(f"{self.path}", why=f"gives {len(words)} {name} for {len(self.sizes)} axes")
        return words

    def vectors(self, name: str) -> list[NDArray[np.float64] | None] | None:
        """A field of vectors such as `(1,0,0) none (0,1,0)`."""
        if name not in self.fields:
            return None
        found = re.findall(r"\(([^)]*)\)|(none)", self.fields[name])
        return [None if none else np.array([float(word) for word in inside.split(",")]) for inside, none in found]

    def units(self, name: str) -> list[str]:
        """A field of quoted units."""
        return re.findall(r'"([^"]*)"', self.fields.get(name, ""))

    @property
    def dtype(self) -> np.dtype[Any]:
        """The kind of number in the file."""
        name = " ".join(self.fields.get("type", "").split()).lower()
        if name not in _DTYPES:
            raise Unreadable(f"{self.path}", why=f"has pixels of kind {name or 'unknown'}")
        order = ">" if self.fields.get("endian", "little").lower() == "big" else "<"
        return np.dtype(order + _DTYPES[name])


def read_header(path: Path) -> Header:
    with path.open("rb") as file:
        text = file.read(HEADER_LIMIT)
    header = Header(path)
    position = text.find(b"\n") + 1
    listing = False
    while 0 < position < len(text):
        end = text.find(b"\n", position)
        end = len(text) if end < 0 else end
        line = text[position:end].decode("utf-8", "replace").rstrip("\r")
        position = end + 1
        if listing:
            header.names += [line.strip()] if line.strip() else []
        elif not line.strip():
            break
        elif not line.startswith("#"):
            listing = _take_line(header, line)
    header.start = position
    return header


def _take_line(header: Header, line: str) -> bool:
    """Write down one line; True where a list of files follows."""
    key, marker, value = line.partition(":=")
    if marker and ": " not in key:
        header.pairs[key.strip()] = value.strip()
        return False
    key, colon, value = line.partition(":")
    if not colon:
        raise Unreadable(f"{header.path}", why=f"has a header line without a value ({line[:40]!r})")
    key, value = key.strip().lower(), value.strip()
    header.fields[{"datafile": "data file", "centers": "centerings"}.get(key, key)] = value
    if key not in {"data file", "datafile"}:
        return False
    words = value.split()
    if words and words[0].upper() == "LIST":
        return True
    if len(words) >= 4 and "%" in words[0]:
        raise Unreadable(f"{header.path}", why="names its data files by a pattern", remedy="Save it as one .nrrd file")
    header.names.append(value)
    return False


@dataclass(frozen=True, slots=True)
class Axes:
    """Which axis of the file, fastest first, is what."""

    spatial: tuple[int, ...]
    time: int | None
    channel: int | None


def axes_of(header: Header) -> Axes:
    """Tell the axes apart by their kinds and directions."""
    sizes = header.sizes
    if int(header.fields.get("dimension", "0")) != len(sizes):
        raise Unreadable(
            f"{header.path}", why=f"announces {header.fields.get('dimension')} axes and {len(sizes)} sizes"
        )
    kinds = [kind.lower() for kind in header.words("kinds") or ["???"] * len(sizes)]
    directions = header.vectors("space directions") or [None] * len(sizes)
    if len(directions) != len(sizes):
        raise Unreadable(f"{header.path}", why=f"gives {len(directions)} directions for {len(sizes)} axes")
    placed = any(direction is not None for direction in directions)
    spatial, time, channel = [], [], []
    for axis, kind in enumerate(kinds):
        if kind == "time":
            time.append(axis)
        elif kind in _SPATIAL or (kind in {"???", "none"} and (directions[axis] is not None or not placed)):
            spatial.append(axis)
        else:
            channel.append(axis)
    if len(spatial) not in (2, 3) or len(time) > 1 or len(channel) > 1 or "complex" in kinds:
        raise Unreadable(
            f"{header.path}",
            why=f"has {len(sizes)} axes ({'x'.join(map(str, sizes))}), whose meaning cannot be known",
            remedy="Its header needs `kinds` that tell space, time and list apart",
        )
    return Axes(tuple(spatial), time[0] if time else None, channel[0] if channel else None)


def geometry_in(header: Header, axes: Axes, notes: list[str]) -> Geometry:
    """Where the grid lies; only a space that names the patient's sides places it."""
    vectors = header.vectors("space directions")
    unit = _factor(header, notes)
    if unit is None:
        return Geometry.unknown()
    if vectors is None:
        return _spaced(header, axes, unit)
    columns = [vectors[axis] for axis in axes.spatial]
    known = [column for column in columns if column is not None]
    if len(known) != len(columns) or len({len(column) for column in known}) != 1:
        raise Unreadable(f"{header.path}", why="gives space directions of unequal kinds")
    spacing = [float(np.linalg.norm(column)) * unit for column in known]
    space = header.fields.get("space", "").lower().removesuffix("-time")
    origin = header.vectors("space origin")
    if space not in _SPACES or len(known[0]) < 3 or not origin or origin[0] is None:
        notes.append(f"its space ({space or 'none'}) does not say which side is left: the spacing alone is used")
        return Geometry.sized(spacing)
    affine = np.eye(4)
    for number, column in enumerate(known):
        affine[:3, number] = column[:3] * unit
    if len(known) == 2:
        normal = np.cross(affine[:3, 0], affine[:3, 1])
        affine[:3, 2] = normal / np.linalg.norm(normal)
    affine[:3, 3] = origin[0][:3] * unit
    return Geometry(np.diag([*map(float, _SPACES[space]), 1.0]) @ affine)


def _factor(header: Header, notes: list[str]) -> float | None:
    """Millimetres per unit of length."""
    names = header.units("space units") or [name for name in header.units("units") if name.lower() not in _SECONDS]
    name = names[0].strip() if names else ""
    if name not in _MILLIMETRES:
        notes.append(f"its unit of length ({name}) is not known: spacing and place are left out")
    return _MILLIMETRES.get(name)


def _spaced(header: Header, axes: Axes, unit: float) -> Geometry:
    """The geometry of a file that gives spacings alone."""
    spacings = [float(word) for word in header.words("spacings") or []]
    chosen = [abs(spacings[axis]) * unit for axis in axes.spatial] if spacings else []
    if not chosen or not all(np.isfinite(value) and value > 0 for value in chosen):
        return Geometry.unknown()
    return Geometry.sized(chosen)


def times_in(header: Header, axes: Axes) -> tuple[float, ...] | None:
    """Seconds of each frame, where step and unit are given."""
    spacings, units = header.words("spacings"), header.units("units")
    if axes.time is None or spacings is None or len(units) != len(header.sizes):
        return None
    factor, step = _SECONDS.get(units[axes.time].lower()), float(spacings[axes.time])
    if factor is None or not np.isfinite(step) or step <= 0:
        return None
    return tuple(round(step * factor * frame, 9) for frame in range(header.sizes[axes.time]))


def segments_in(header: Header) -> dict[int, dict[int, str]] | None:
    """For a Slicer segmentation: per layer, value to name."""
    found: dict[str, dict[str, str]] = {}
    for key, value in header.pairs.items():
        match = _SEGMENT.match(key)
        if match:
            found.setdefault(match[1], {})[match[2]] = value
    if not found:
        return {0: {}} if header.path.name.lower().endswith(".seg.nrrd") else None
    layers: dict[int, dict[int, str]] = {}
    for number, segment in found.items():
        layer = layers.setdefault(int(segment.get("Layer", "0")), {})
        layer[int(segment.get("LabelValue", "1"))] = segment.get("Name", f"segment {number}")
    return layers
