"""NumPy arrays: `.npy` and archives `.npz`; never anything that would run code."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from isocenter.core.errors import Unreadable, UsageError
from isocenter.core.image import Image, ImageFacts, Intensity, default_channels
from isocenter.data.formats._shared import (
    Careful,
    Format,
    ReadOptions,
    absolute,
    check_ratio,
    check_size,
    guarded,
    image_of,
    native,
    one_by_one,
)

_NPY = b"\x93NUMPY"
_STACK = re.compile(r"(^|_)(images|imgs|x|masks|segs|segmentations)$|^x_(train|val|valid|test)$", re.IGNORECASE)
_MASKS = re.compile(r"(^|_)(masks?|segs?|segmentations?)$", re.IGNORECASE)
_NOT_IMAGES = re.compile(
    r"(^|_)(labels?|targets?|y|classes|names|ids?|affine|spacing)$|^y_(train|val|valid|test)$", re.IGNORECASE
)
_SMALLEST_SIDE = 8
_REMEDY = "Save plain numbers: numpy.savez(file, images=...) without Python objects"


def _sniff(head: bytes, name: str) -> bool:
    if head.startswith(_NPY):
        return True
    if not head.startswith(b"PK\x03\x04"):
        return False
    length = int.from_bytes(head[26:28], "little")
    return name.endswith(".npz") or head[30 : 30 + length].endswith(b".npy")


def arrays(path: Path) -> dict[str, tuple[tuple[int, ...], np.dtype[Any]]]:
    """The names of the arrays in a file, with shape and kind of number; a `.npy` file holds one without a name."""
    with guarded(path):
        return {name: (shape, dtype) for name, shape, dtype, _ in _headers(path)}


def load(path: Path, name: str = "") -> NDArray[Any]:
    """One array of a file. The last one asked for is kept: reading a thousand images of one array unpacks it once.

    The array is shared and cannot be written to.
    """
    with guarded(path):
        state = path.stat()
        return _loaded(str(path), name, state.st_mtime_ns, state.st_size)


def _headers(path: Path) -> Iterator[tuple[str, tuple[int, ...], np.dtype[Any], bool]]:
    """Name, shape, kind and order of every array, from the headers alone."""
    with Careful(path) as file:
        if file.read(len(_NPY)) == _NPY:
            file.seek(0)
            yield "", *_header(file)
            return
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            if member.filename.endswith(".npy"):
                with archive.open(member) as file:
                    yield member.filename.removesuffix(".npy"), *_header(file)


def _header(file: Any) -> tuple[tuple[int, ...], np.dtype[Any], bool]:
    version = np.lib.format.read_magic(file)
    reader = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, fortran, dtype = reader(file)
    return tuple(int(step) for step in shape), dtype, bool(fortran)


@lru_cache(maxsize=1)
def _loaded(path: str, name: str, _changed: int, _size: int) -> NDArray[Any]:
    place = Path(path)
    with Careful(place) as file:
        if file.read(len(_NPY)) == _NPY:
            file.seek(0)
            return _payload(place, file)
    with zipfile.ZipFile(place) as archive, archive.open(f"{name}.npy") as member:
        return _payload(place, member)


def _payload(path: Path, file: BinaryIO | Any) -> NDArray[Any]:
    """The numbers behind a header, after asking whether they can be there."""
    shape, dtype, fortran = _header(file)
    _refuse_objects(path, dtype)
    needed = check_size(path, shape, dtype)
    check_ratio(path, needed)
    data = file.read(needed)
    if len(data) < needed:
        raise Unreadable(f"{path}", why=f"is cut short: {needed} bytes of numbers announced, {len(data)} there")
    flat = np.frombuffer(data, dtype=dtype)
    array = flat.reshape(shape[::-1]).T if fortran else flat.reshape(shape)
    array.flags.writeable = False
    return array


def _refuse_objects(path: Path, dtype: np.dtype[Any]) -> None:
    if dtype.hasobject:
        raise Unreadable(f"{path}", why="holds Python objects, which could run code when they are read", remedy=_REMEDY)


def _facts(path: Path) -> list[ImageFacts]:
    found: list[ImageFacts] = []
    named = list(_headers(path))
    for name, shape, dtype, _ in named:
        _refuse_objects(path, dtype)
        if len(shape) < 2 or _is_side_data(name, shape):
            continue
        if dtype.kind not in "iufb" or dtype.itemsize > 8:
            raise Unreadable(f"{path}", why=f"holds pixels of kind {dtype}, which no model takes", remedy=_REMEDY)
        check_ratio(path, check_size(path, shape, dtype))
        found.extend(
            _stack(path, name, shape, dtype) if _is_stack(name, shape) else [_single(path, name, shape, dtype)]
        )
    if not found:
        listing = ", ".join(f"{name or 'array'} {'x'.join(map(str, shape))}" for name, shape, _, _ in named[:8])
        raise Unreadable(f"{path}", why=f"holds no array that is an image ({listing or 'it is empty'})")
    return found


def _is_side_data(name: str, shape: tuple[int, ...]) -> bool:
    """Labels and the like beside the images of an archive."""
    return bool(name) and (bool(_NOT_IMAGES.search(name)) or (len(shape) == 2 and min(shape) < _SMALLEST_SIDE))


def _is_stack(name: str, shape: tuple[int, ...]) -> bool:
    return bool(_STACK.search(name)) and len(shape) >= 3


def _stack(path: Path, name: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Iterator[ImageFacts]:
    """One image per entry of an array that lists images."""
    role = "mask" if _MASKS.search(name) else "image"
    whole = absolute(path)
    for number in range(shape[0]):
        yield _described(path, whole, f"{name}/{number}", shape[1:], dtype, role)


def _single(path: Path, name: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> ImageFacts:
    return _described(path, absolute(path), name, shape, dtype, "mask" if _MASKS.search(name) else "image")


def _described(
    path: Path, whole: str, part: str, shape: tuple[int, ...], dtype: np.dtype[Any], role: str
) -> ImageFacts:
    axes = _axes(path, shape)
    sizes = dict(zip(axes, shape, strict=True))
    order = "".join(axis for axis in "CTZYX" if axis == "C" or axis in sizes)
    count = sizes.get("C", 1)
    rgb = count in (3, 4) and dtype == np.uint8
    intensity = Intensity.LABEL if role == "mask" else Intensity.RGB if rgb else Intensity.RAW
    if count > 1 and not rgb:
        intensity = Intensity.NAMED
    return ImageFacts(
        format="array",
        files=(whole,),
        part=part,
        axes=order,
        shape=tuple(sizes.get(axis, 1) for axis in order),
        dtype="uint8" if dtype.kind == "b" else dtype.newbyteorder("=").name,
        intensity=intensity,
        channels=default_channels(intensity, count),
        role=role,
    )


def _axes(path: Path, shape: tuple[int, ...]) -> str:
    """What the axes of a bare array must mean; channels are last, few, and beside larger axes."""
    last_is_channel = len(shape) >= 3 and shape[-1] <= 4 and min(shape[-3:-1]) > 4
    axes = {2: "YX", 3: "YXC" if last_is_channel else "ZYX", 4: "ZYXC" if last_is_channel else "TZYX", 5: "TZYXC"}
    known = axes.get(len(shape))
    if known is None or (len(shape) == 5 and not last_is_channel):
        raise Unreadable(
            f"{path}",
            why=f"has {len(shape)} axes ({'x'.join(map(str, shape))}), whose meaning cannot be known",
            remedy="Save (slices, rows, columns) or (rows, columns, colours)",
        )
    return known


def _read(facts: ImageFacts, _: ReadOptions) -> Image:
    path = Path(facts.files[0])
    with guarded(path):
        name, slash, number = facts.part.rpartition("/")
        stacked = bool(slash) and number.isdigit() and bool(_STACK.search(name))
        array = load(path, name)[int(number)] if stacked else load(path, facts.part)
        axes = _axes(path, array.shape)
        array = np.moveaxis(array, -1, 0) if axes.endswith("C") else array[np.newaxis]
        if array.dtype == bool:
            array = array.astype(np.uint8)
        return image_of(facts, native(array))


def _write(image: Image, path: Path) -> list[Path]:
    array = image.array
    array = array[0] if len(array) == 1 else np.moveaxis(array, 0, -1)
    if array.dtype.hasobject:
        raise UsageError(f"{path.name} cannot hold Python objects", remedy=_REMEDY)
    with path.open("wb") as file:
        if path.suffix.lower() == ".npz":
            np.savez_compressed(file, image=array)
        else:
            np.save(file, array, allow_pickle=False)
    return [path]


FORMAT = Format(
    title="NumPy array",
    suffixes=(".npy", ".npz"),
    sniff=_sniff,
    describe=one_by_one(_facts),
    read=_read,
    keeps_place=False,
    write=_write,
    rank=30,
)
