"""Whole-slide images of pathology (Aperio, Hamamatsu, Leica, MIRAX ...), read in tiles through OpenSlide.

`FORMAT.read` gives the finest level that fits memory as a whole; `tile` gives any part at full resolution.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow

from isocenter.core.errors import UsageError
from isocenter.core.geometry import Geometry
from isocenter.core.image import Image, ImageFacts, Intensity, Origin, default_channels
from isocenter.core.optional import require
from isocenter.core.words import listed
from isocenter.data.formats._shared import (
    Format,
    ReadOptions,
    absolute,
    check_size,
    guarded,
    image_of,
    one_by_one,
)

LARGEST_SIDE = 4096
"""A level whose longer side has at most so many pixels is read as a whole."""

_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_TIFF_SLIDES = (".svs", ".ndpi", ".scn", ".bif", ".svslide")
_OTHER_SLIDES = (".mrxs", ".vms", ".vmu", ".czi")
_STRIP = 2048


def _sniff(head: bytes, name: str) -> bool:
    if head[:4] in _TIFF:
        return name.endswith(_TIFF_SLIDES) or b"Aperio" in head
    return name.endswith(_OTHER_SLIDES)


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    openslide = require("openslide")
    with guarded(path), openslide.OpenSlide(str(path)) as slide:
        yield slide


def _chosen(slide: Any) -> tuple[int, int]:
    """The finest level that fits, and by how much even the coarsest must be reduced where none does."""
    for level, size in enumerate(slide.level_dimensions):
        if max(size) <= LARGEST_SIDE:
            return level, 1
    last = slide.level_count - 1
    return last, math.ceil(max(slide.level_dimensions[last]) / LARGEST_SIDE)


def _spacing(slide: Any, downsample: float) -> tuple[float, float] | None:
    """Millimetres per pixel along x and y, where the scanner wrote them down."""
    try:
        x, y = (float(slide.properties[f"openslide.mpp-{axis}"]) for axis in "xy")
    except (KeyError, ValueError):
        return None
    if not all(math.isfinite(value) and value > 0 for value in (x, y)):
        return None
    return x * downsample / 1000, y * downsample / 1000


def _facts(path: Path) -> list[ImageFacts]:
    with _opened(path) as slide:
        level, shrink = _chosen(slide)
        width, height = (math.ceil(side / shrink) for side in slide.level_dimensions[level])
        check_size(path, (3, height, width), "uint8")
        spacing = _spacing(slide, slide.level_downsamples[level] * shrink)
        return [
            ImageFacts(
                format="slide",
                files=(absolute(path),),
                axes="CYX",
                shape=(3, height, width),
                dtype="uint8",
                spacing=None if spacing is None else (*spacing, 1.0),
                intensity=Intensity.RGB,
                channels=default_channels(Intensity.RGB, 3),
                modality="SM",
                device=slide.properties.get("openslide.vendor"),
                notes=tuple(_notes(slide, level, shrink)),
            )
        ]


def _notes(slide: Any, level: int, shrink: int) -> list[str]:
    """What a person should know of a slide that is shown small."""
    full_width, full_height = slide.dimensions
    power = slide.properties.get("openslide.objective-power")
    at = f" at {power}x" if power else ""
    levels = [f"{width}x{height}" for width, height in slide.level_dimensions]
    smaller = f", reduced {shrink} times" if shrink > 1 else ""
    notes = [
        f"whole slide of {full_width}x{full_height} pixels{at}, levels {listed(levels)}; "
        f"level {level} is read{smaller}, the rest in tiles"
    ]
    pictures = sorted(name for name in slide.associated_images if name != "thumbnail")
    if pictures:
        notes.append(f"its {listed(pictures)} picture may show the patient's name; it is not read")
    return notes


def tile(path: str | Path, *, x: int, y: int, width: int, height: int, level: int = 0) -> Image:
    """One rectangle of a slide.

    Args:
        path: the slide.
        x, y: left and top edge, in pixels of the full resolution.
        width, height: size of the tile, in pixels of `level`.
        level: 0 is the full resolution, higher ones are coarser.
    """
    place = Path(path)
    with _opened(place) as slide:
        if level not in range(slide.level_count):
            raise UsageError(f"level must be from 0 to {slide.level_count - 1}, got {level}")
        if min(width, height) < 1 or max(width, height) > LARGEST_SIDE:
            raise UsageError(f"a tile must have sides from 1 to {LARGEST_SIDE} pixels, got {width}x{height}")
        spacing = _spacing(slide, slide.level_downsamples[level])
        return Image(
            array=_region(slide, (x, y), level, (width, height)),
            axes="CYX",
            geometry=Geometry.unknown() if spacing is None else Geometry.sized(spacing),
            intensity=Intensity.RGB,
            modality="SM",
            origin=Origin(format="slide", files=(absolute(place),), part=f"level {level}, tile at {x}, {y}"),
        )


def _region(slide: Any, corner: tuple[int, int], level: int, size: tuple[int, int]) -> NDArray[np.uint8]:
    """A rectangle as C, Y, X; what was not scanned is shown in the slide's own background colour."""
    return np.ascontiguousarray(np.moveaxis(np.asarray(_flattened(slide, corner, level, size)), -1, 0))


def _flattened(slide: Any, corner: tuple[int, int], level: int, size: tuple[int, int]) -> Pillow.Image:
    colour = slide.properties.get("openslide.background-color", "FFFFFF")
    region = slide.read_region(corner, level, size)
    ground = Pillow.new("RGB", region.size, f"#{colour}")
    ground.paste(region, mask=region.getchannel("A"))
    return ground


def _read(facts: ImageFacts, _: ReadOptions) -> Image:
    with _opened(Path(facts.files[0])) as slide:
        level, shrink = _chosen(slide)
        width, height = slide.level_dimensions[level]
        if shrink == 1:
            return image_of(facts, _region(slide, (0, 0), level, (width, height)))
        return image_of(facts, _shrunk(slide, level, shrink))


def _shrunk(slide: Any, level: int, shrink: int) -> NDArray[np.uint8]:
    """A level reduced by a whole number, tile by tile, so that it never lies in memory as a whole."""
    width, height = slide.level_dimensions[level]
    out = np.empty((3, math.ceil(height / shrink), math.ceil(width / shrink)), np.uint8)
    step = max(_STRIP // shrink, 1) * shrink
    scale = slide.level_downsamples[level]
    for top in range(0, height, step):
        for left in range(0, width, step):
            size = min(step, width - left), min(step, height - top)
            part = _flattened(slide, (round(left * scale), round(top * scale)), level, size).reduce(shrink)
            row, column = top // shrink, left // shrink
            out[:, row : row + part.height, column : column + part.width] = np.moveaxis(np.asarray(part), -1, 0)
    return out


FORMAT = Format(
    title="Whole-slide image",
    suffixes=(".svs", ".ndpi", ".scn", ".mrxs", ".bif"),
    sniff=_sniff,
    describe=one_by_one(_facts),
    read=_read,
    rank=25,
)
