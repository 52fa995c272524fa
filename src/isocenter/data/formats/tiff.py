"""TIFF: 8 to 64 bits, several pages, several bands, OME and ImageJ metadata."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow

from isocenter.core.errors import Unreadable
from isocenter.core.geometry import Geometry
from isocenter.core.image import Image, ImageFacts, Intensity, default_channels
from isocenter.data.formats._shared import (
    Careful,
    Format,
    ReadOptions,
    absolute,
    check_ratio,
    check_size,
    frame_step,
    guarded,
    image_of,
    native,
    not_numbers,
    one_by_one,
    placed_at,
    plain,
)

_MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_MILLIMETRES = {
    "mm": 1.0,
    "millimeter": 1.0,
    "cm": 10.0,
    "centimeter": 10.0,
    "m": 1000.0,
    "um": 1e-3,
    "µm": 1e-3,
    "μm": 1e-3,
    "micron": 1e-3,
    "microns": 1e-3,
    "micrometer": 1e-3,
    "\\u00b5m": 1e-3,
    "nm": 1e-6,
    "inch": 25.4,
    "in": 25.4,
}
_PAGES = "IQ"
_MOST_PAGES = 100_000
_MINISWHITE, _PALETTE = 0, 3
_WRITTEN = ("i1", "u1", "i2", "u2", "i4", "u4", "f4", "f8")


def _sniff(head: bytes, _: str) -> bool:
    return head[:4] in _MAGIC


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    import logging

    import tifffile

    # tifffile logs what it overlooks in damaged files; what matters is raised or noted here.
    logging.getLogger("tifffile").setLevel(logging.CRITICAL)
    # A file that names others is read alone: they could lie anywhere.
    with guarded(path), Careful(path) as stream, tifffile.TiffFile(stream, _multifile=False) as file:
        # Counting the pages first also finds a chain of pages that leads back into itself, which walking does not.
        if len(file.pages) > _MOST_PAGES:
            raise Unreadable(f"{path}", why=f"has {len(file.pages):,} pages; at most {_MOST_PAGES:,} are read")
        yield file


@dataclass(slots=True)
class _Known:
    """What OME or ImageJ metadata say beyond the pixels."""

    spacing: tuple[float, ...] | None = None
    step: float | None = None
    names: tuple[str, ...] = ()
    notes: list[str] = field(default_factory=list)


def _facts(path: Path) -> list[ImageFacts]:
    with _opened(path) as file:
        chosen = _series(file)
        return [_described(path, file, number, f"series{number}" if len(chosen) > 1 else "") for number in chosen]


def _series(file: Any) -> list[int]:
    """Which series are images of their own: reduced copies are not."""
    numbers = [number for number, one in enumerate(file.series) if not one.keyframe.is_reduced]
    return numbers or list(range(len(file.series)))[:1]


def _described(path: Path, file: Any, number: int, part: str) -> ImageFacts:
    series = file.series[number]
    page = series.keyframe
    known = _metadata(file, number, series)
    order, sizes = _order(path, series, known.notes)
    dtype = _dtype(path, series, page)
    _check(path, series)
    palette = page.photometric == _PALETTE
    count = 3 if palette else sizes.get("C", 1)
    rgb = palette or (page.photometric in (2, 6) and count in (3, 4))
    intensity = Intensity.RGB if rgb else Intensity.NAMED if count > 1 else Intensity.RAW
    if palette:
        known.notes.append("its colours come from a palette; read as a mask, it keeps the palette's numbers")
    if page.photometric == _MINISWHITE:
        known.notes.append("stored with white as 0: turned round")
    names = known.names if len(known.names) == count and len(set(known.names)) == count else ()
    facts = ImageFacts(
        format="tiff",
        files=(absolute(path),),
        part=part,
        axes=order,
        shape=tuple(count if axis == "C" else sizes.get(axis, 1) for axis in order),
        dtype=dtype,
        intensity=intensity,
        channels=names or default_channels(intensity, count),
        times=_times(known.step, sizes.get("T", 1)) if "T" in order else None,
        notes=tuple(known.notes),
    )
    return placed_at(facts, Geometry.unknown() if known.spacing is None else Geometry.sized(known.spacing))


def _check(path: Path, series: Any) -> None:
    """Refuse a header whose pixels cannot be there."""
    check_ratio(path, check_size(path, series.shape, series.dtype))
    page = series.keyframe
    wanted, there = math.prod(page.chunked), len(page.dataoffsets)
    if there < wanted:
        raise Unreadable(f"{path}", why=f"is cut short: {wanted} pieces of a page announced, {there} there")


def _dtype(path: Path, series: Any, page: Any) -> str:
    """The kind of number as it is read."""
    if series.dtype is None or series.dtype.kind not in "iufb":
        raise Unreadable(f"{path}", why=f"has pixels of kind {series.dtype}")
    if series.dtype.kind == "b" or page.photometric == _PALETTE:
        return "uint8"
    return series.dtype.newbyteorder("=").name


def _order(path: Path, series: Any, notes: list[str]) -> tuple[str, dict[str, int]]:
    """Our axes, and the steps along each; pages that nothing explains are slices."""
    sizes: dict[str, int] = {}
    for letter, size in zip(series.axes, series.shape, strict=True):
        ours = _ours(letter)
        if ours is None and size > 1:
            raise Unreadable(f"{path}", why=f"has an axis `{letter}` of {size} steps, whose meaning cannot be known")
        if ours is None:
            continue
        if letter in _PAGES and size > 1:
            notes.append("several pages and nothing that explains them: taken for slices of unknown distance")
        if ours in sizes and ours != "C" and min(sizes[ours], size) > 1:
            raise Unreadable(f"{path}", why=f"has two axes that mean {ours} ({series.axes})")
        sizes[ours] = sizes.get(ours, 1) * int(size)
    keep = {"C", "Y", "X"} | {axis for axis in "TZ" if sizes.get(axis, 1) > 1}
    if sizes.get("T", 1) <= 1 and sizes.get("Z") == 1 and "Z" in series.axes:
        keep.add("Z")
    return "".join(axis for axis in "CTZYX" if axis in keep), sizes


def _ours(letter: str) -> str | None:
    if letter in _PAGES:
        return "Z"
    return {"S": "C", "C": "C", "T": "T", "Z": "Z", "Y": "Y", "X": "X"}.get(letter)


def _times(step: float | None, frames: int) -> tuple[float, ...] | None:
    return None if step is None else tuple(round(step * frame, 9) for frame in range(frames))


def _metadata(file: Any, number: int, series: Any) -> _Known:
    """What the writer said of sizes, times and channels."""
    if file.is_ome:
        return _ome(file.ome_metadata, number)
    if file.is_imagej:
        return _imagej(file.imagej_metadata or {}, series)
    return _Known()


def _ome(text: str, number: int) -> _Known:
    from defusedxml import ElementTree

    root = ElementTree.fromstring(text)
    pixels = [node for node in root.iter() if node.tag.rpartition("}")[2] == "Pixels"]
    if number >= len(pixels):
        return _Known()
    node = pixels[number]
    spacing = []
    for axis in "XYZ":
        unit = _MILLIMETRES.get(node.get(f"PhysicalSize{axis}Unit", "µm").lower())
        size = _number(node.get(f"PhysicalSize{axis}"))
        if size is not None and unit is not None:
            spacing.append(size * unit)
    seconds = {"s": 1.0, "ms": 1e-3, "min": 60.0}.get(node.get("TimeIncrementUnit", "s"))
    step = _number(node.get("TimeIncrement"))
    names = tuple(child.get("Name", "") for child in node if child.tag.rpartition("}")[2] == "Channel")
    deep = int(node.get("SizeZ", "1")) > 1
    enough = len(spacing) == 3 or (len(spacing) == 2 and not deep)
    return _Known(
        spacing=tuple(spacing) if enough else None,
        step=step * seconds if step is not None and seconds is not None else None,
        names=names if all(names) else (),
    )


def _number(value: Any) -> float | None:
    """A positive number, None for anything else."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if np.isfinite(number) and number > 0 else None


def _imagej(said: dict[str, Any], series: Any) -> _Known:
    unit = _MILLIMETRES.get(str(said.get("unit", "")).strip().lower())
    resolution = [_per_unit(series.keyframe, name) for name in ("XResolution", "YResolution")]
    distance = _number(said.get("spacing"))
    labels = said.get("Labels") or ()
    spacing: tuple[float, ...] | None = None
    if unit is not None and all(resolution):
        flat = tuple(unit / value for value in resolution if value)
        deep = said.get("slices", 1) > 1 or (
            said.get("images", 1) > 1 and "channels" not in said and "frames" not in said
        )
        spacing = flat if not deep else (*flat, distance * unit) if distance is not None else None
    channels = int(said.get("channels", 1))
    return _Known(
        spacing=spacing,
        step=_number(said.get("finterval")),
        names=tuple(str(label) for label in labels) if len(labels) == channels else (),
    )


def _per_unit(page: Any, name: str) -> float | None:
    """Pixels per unit out of a resolution tag."""
    tag = page.tags.get(name)
    if tag is None:
        return None
    above, below = tag.value
    return _number(above / below) if below else None


def _read(facts: ImageFacts, options: ReadOptions) -> Image:
    path = Path(facts.files[0])
    with _opened(path) as file:
        number = int(facts.part.removeprefix("series")) if facts.part else _series(file)[0]
        series = file.series[number]
        page = series.keyframe
        _check(path, series)
        array = _decoded(path, series)
        if page.photometric == _PALETTE and not options.indices:
            array = _coloured(array, page)
            axes = series.axes + "S"
        else:
            axes = series.axes
        if array.dtype.kind == "b":
            array = array.astype(np.uint8)
        if page.photometric == _PALETTE and options.indices:
            facts = replace(
                facts,
                shape=(1, *facts.shape[1:]),
                intensity=Intensity.LABEL,
                channels=("intensity",),
                dtype=str(array.dtype),
            )
        array = native(_arranged(array, axes, facts))
        return image_of(facts, array, notes=not_numbers(array))


def _decoded(path: Path, series: Any) -> NDArray[Any]:
    """The pixels, black as 0; Pillow unpacks what tifffile cannot without its codec package."""
    inverted = series.keyframe.photometric == _MINISWHITE
    try:
        array = np.asarray(series.asarray(level=0))
    except ValueError as error:
        if "imagecodecs" not in str(error):
            raise
        array = _by_pillow(path, series)
        inverted = inverted and array.dtype.itemsize > 1  # Pillow turns round up to 8 bits by itself
    return ~array if inverted and array.dtype.kind in "bu" else array


def _by_pillow(path: Path, series: Any) -> NDArray[Any]:
    with warnings.catch_warnings(action="ignore"), Pillow.open(path, formats=["TIFF"]) as picture:
        frames = []
        for page in series.pages:
            picture.seek(page.index)
            frames.append(np.asarray(picture))
    array = np.stack(frames)
    if array.size != int(np.prod(series.shape)):
        raise Unreadable(
            f"{path}",
            why=f"is packed in a way that is not read ({series.keyframe.compression.name})",
            remedy="Save it uncompressed or with Deflate",
        )
    return array.reshape(series.shape)


def _coloured(array: NDArray[Any], page: Any) -> NDArray[np.uint8]:
    """Palette numbers as 8-bit colours."""
    colours = np.asarray(page.colormap)
    table = (colours >> 8 if colours.max(initial=0) > 255 else colours).astype(np.uint8)
    return np.moveaxis(table[:, array], 0, -1)


def _arranged(array: NDArray[Any], axes: str, facts: ImageFacts) -> NDArray[Any]:
    """The pixels in the order C, T, Z, Y, X; channels and samples become one axis."""
    order = [position for wanted in "CSTIQZYX" for position, letter in enumerate(axes) if letter == wanted]
    rest = [position for position in range(len(axes)) if position not in order]
    return array.transpose([*rest, *order]).reshape(facts.shape)


def _write(image: Image, path: Path) -> list[Path]:
    import tifffile

    array = plain(image.array, path, _WRITTEN)
    letters = image.axes
    rgb = image.intensity == Intensity.RGB and len(array) == 3
    if rgb:
        array, letters = np.moveaxis(array, 0, -1), letters[1:] + "S"
    elif len(array) == 1:
        array, letters = array[0], letters[1:]
    metadata: dict[str, Any] = {"axes": letters}
    if image.spacing is not None:
        for axis, size in zip("XYZ", image.spacing, strict=True):
            if axis in letters:
                metadata |= {f"PhysicalSize{axis}": size, f"PhysicalSize{axis}Unit": "mm"}
    step = frame_step(image)
    if step is not None:
        metadata |= {"TimeIncrement": step, "TimeIncrementUnit": "s"}
    if "C" in letters:
        metadata["Channel"] = {"Name": list(image.channels)}
    tifffile.imwrite(
        path,
        np.ascontiguousarray(array),
        ome=True,
        photometric="rgb" if rgb else "minisblack",
        compression="zlib",
        metadata=metadata,
    )
    return [path]


FORMAT = Format(
    title="TIFF",
    suffixes=(".tif", ".tiff"),
    sniff=_sniff,
    describe=one_by_one(_facts),
    read=_read,
    keeps_place=False,
    write=_write,
    rank=35,
)
