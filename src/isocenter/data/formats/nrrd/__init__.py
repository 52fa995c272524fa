"""NRRD, the format of 3D Slicer: `.nrrd`, `.nhdr` beside its pixels, and `.seg.nrrd` segmentations."""

from __future__ import annotations

import gzip
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isocenter.core.errors import Unreadable
from isocenter.core.image import Image, ImageFacts, Intensity, default_channels
from isocenter.data.formats._shared import (
    Format,
    ReadOptions,
    absolute,
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
from isocenter.data.formats.nrrd.header import (
    HEADER_LIMIT,
    TYPES,
    Axes,
    Header,
    axes_of,
    geometry_in,
    read_header,
    segments_in,
    times_in,
)

_WRITTEN = {dtype: names.split(", ")[-1] for dtype, names in TYPES.items()}
_CODECS = {"raw": "raw", "gzip": "gzip", "gz": "gzip", "bzip2": "bzip2", "bz2": "bzip2"}
_ASCII = {"txt", "text", "ascii"}


def _sniff(head: bytes, _: str) -> bool:
    return head.startswith(b"NRRD000")


def _facts(path: Path) -> list[ImageFacts]:
    header = read_header(path)
    axes = axes_of(header)
    dtype = header.dtype
    _check(header, dtype)
    notes: list[str] = []
    geometry = geometry_in(header, axes, notes)
    sizes = header.sizes
    count = sizes[axes.channel] if axes.channel is not None else 1
    letters = "C" + ("T" if axes.time is not None else "") + "ZYX"[3 - len(axes.spatial) :]
    order = [axis for axis in (axes.time, *reversed(axes.spatial)) if axis is not None]
    intensity = _intensity(header, axes, count)
    files = header.files
    facts = ImageFacts(
        format="nrrd",
        files=tuple(absolute(file) for file in (files if path in files else [path, *files])),
        axes=letters,
        shape=(count, *(sizes[axis] for axis in order)),
        dtype=dtype.newbyteorder("=").name,
        intensity=intensity,
        channels=default_channels(intensity, count),
        times=times_in(header, axes),
        description=header.fields.get("content"),
        notes=tuple(notes),
    )
    facts = placed_at(facts, geometry)
    layers = segments_in(header)
    return [facts] if layers is None else _layered(facts, layers)


def _layered(facts: ImageFacts, layers: dict[int, dict[int, str]]) -> list[ImageFacts]:
    """One mask per layer of a segmentation: segments of different layers may overlap."""
    mask = replace(facts, role="mask", intensity=Intensity.LABEL, shape=(1, *facts.shape[1:]), channels=("intensity",))
    if facts.extent("C") == 1:
        return [replace(mask, classes={key: name for layer in layers.values() for key, name in layer.items()})]
    return [replace(mask, part=f"layer{layer}", classes=layers.get(layer, {})) for layer in range(facts.extent("C"))]


def _intensity(header: Header, axes: Axes, count: int) -> Intensity:
    kinds = header.words("kinds")
    kind = kinds[axes.channel].lower() if kinds and axes.channel is not None else ""
    if kind in {"rgb-color", "rgba-color", "3-color", "4-color"} and count in (3, 4):
        return Intensity.RGB
    return Intensity.NAMED if count > 1 else Intensity.RAW


def _check(header: Header, dtype: np.dtype[Any]) -> None:
    """Refuse pixels that cannot be there, before anything is unpacked."""
    encoding = header.fields.get("encoding", "").lower()
    if encoding not in _CODECS and encoding not in _ASCII:
        raise Unreadable(f"{header.path}", why=f"is packed as {encoding or 'nothing named'}", remedy="Save it as gzip")
    needed = check_size(header.path, header.sizes, dtype)
    there = sum(file.stat().st_size for file in header.files) - (0 if header.names else header.start)
    if encoding == "raw":
        check_size(header.path, header.sizes, dtype, stored=there)
    elif len(header.files) == 1:
        check_ratio(header.files[0], needed)


def _read(facts: ImageFacts, _: ReadOptions) -> Image:
    path = Path(facts.files[0])
    with guarded(path):
        header = read_header(path)
        axes = axes_of(header)
        flat = _values(header)
        lead = [axis for axis in (axes.channel, axes.time) if axis is not None]
        order = [*lead, *reversed(axes.spatial)]
        # the file's first axis runs fastest: the array's last
        array = flat.reshape(header.sizes[::-1]).transpose([len(header.sizes) - 1 - axis for axis in order])
        array = array if axes.channel is not None else array[np.newaxis]
        if facts.part:
            layer = int(facts.part.removeprefix("layer"))
            array = array[layer : layer + 1]
        array = native(array)
        return image_of(facts, array, notes=not_numbers(array))


def _values(header: Header) -> NDArray[Any]:
    """Every number of the file in a row."""
    dtype = header.dtype
    needed = check_size(header.path, header.sizes, dtype)
    encoding = header.fields.get("encoding", "").lower()
    data = bytearray()
    for file in header.files:
        data += _unpacked(header, file, needed // len(header.files), encoding)
    if encoding in _ASCII:
        flat = np.array(bytes(data).replace(b",", b" ").split(), dtype=dtype)
    else:
        flat = np.frombuffer(data, dtype=dtype, count=len(data) // dtype.itemsize)
    count = needed // dtype.itemsize
    if flat.size < count:
        raise Unreadable(f"{header.path}", why=f"is cut short: {count} values announced, {flat.size} there")
    return flat[:count]


def _unpacked(header: Header, file: Path, share: int, encoding: str) -> bytes | bytearray:
    """The bytes of one data file, without what the header says to skip."""
    lines, skip = int(header.fields.get("line skip", "0")), int(header.fields.get("byte skip", "0"))
    with file.open("rb") as stream:
        stream.seek(0 if header.names else header.start)
        for _ in range(max(lines, 0)):
            if not stream.readline(HEADER_LIMIT):
                break
        if encoding in _ASCII:
            return stream.read()
        if _CODECS[encoding] != "raw":
            data = inflate(stream, share + max(skip, 0), _CODECS[encoding])
            return data[max(skip, 0) :]
        if skip == -1:
            stream.seek(max(file.stat().st_size - share, 0))
        else:
            stream.seek(max(skip, 0), 1)
        return stream.read(share)


def _write(image: Image, path: Path) -> list[Path]:
    array = plain(image.array, path, _WRITTEN)
    pixels = np.moveaxis(array, 0, -1) if len(array) > 1 else array[0]
    pixels = np.ascontiguousarray(pixels).astype(array.dtype.newbyteorder("<"), copy=False)
    packed = gzip.compress(pixels.tobytes(), 6, mtime=0)
    lines = _lines(image, array)
    detached = path.name.lower().endswith(".nhdr")
    data = path.with_suffix(".raw.gz")
    text = "NRRD0005\n" + "".join(f"{name}: {value}\n" for name, value in lines.items())
    text += f"data file: {data.name}\n" if detached else ""
    text += "".join(f"{line}\n" for line in _segment_lines(image))
    head = text.encode() + (b"" if detached else b"\n")
    path.write_bytes(head if detached else head + packed)
    if not detached:
        return [path]
    data.write_bytes(packed)
    return [path, data]


def _lines(image: Image, array: NDArray[Any]) -> dict[str, str]:
    """The header of an image that is written: each axis with its size, kind, direction, spacing and unit."""
    geometry, spatial = image.geometry, [axis for axis in "XYZ" if axis in image.axes]
    # A slice with a place needs its third axis, or the place is lost.
    if geometry.placed and "Z" not in spatial:
        spatial.append("Z")
    sized = geometry.spacing_known and not geometry.placed
    axes = [
        (image.extent(axis), "domain", _vector(column), repr(step) if sized else "nan", "mm" if sized else "")
        for axis, column, step in zip(spatial, geometry.affine[:3, :3].T, geometry.spacing, strict=False)
    ]
    if len(array) > 1:
        kind = "RGB-color" if image.intensity == Intensity.RGB and len(array) == 3 else "list"
        axes.insert(0, (len(array), kind, "none", "nan", ""))
    step = frame_step(image)
    if "T" in image.axes:
        axes.append((image.extent("T"), "time", "none", "nan" if step is None else repr(step), "s" if step else ""))
    sizes, kinds, vectors, spacings, units = zip(*axes, strict=True)
    lines = {"type": _WRITTEN[array.dtype.str[1:]], "dimension": str(len(axes))}
    if geometry.placed:
        lines["space"] = "left-posterior-superior"
    lines["sizes"] = " ".join(map(str, sizes))
    if geometry.placed:
        lines |= {"space directions": " ".join(vectors), "space origin": _vector(geometry.origin)}
    if sized or step is not None:
        lines |= {"spacings": " ".join(spacings), "units": " ".join(f'"{unit}"' for unit in units)}
    return lines | {"kinds": " ".join(kinds), "endian": "little", "encoding": "gzip"}


def _vector(numbers: Any) -> str:
    return "(" + ",".join(repr(float(number)) for number in numbers) + ")"


def _segment_lines(image: Image) -> list[str]:
    """Names of a mask's values, as Slicer writes them."""
    lines = []
    for number, (value, name) in enumerate(sorted(image.classes.items())):
        for key, text in (("ID", name), ("Name", name), ("LabelValue", value), ("Layer", 0)):
            lines.append(f"Segment{number}_{key}:={text}")
    return lines


FORMAT = Format(
    title="NRRD",
    suffixes=(".nrrd", ".nhdr"),
    sniff=_sniff,
    describe=one_by_one(_facts),
    read=_read,
    write=_write,
    rank=42,
)
