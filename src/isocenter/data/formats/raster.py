"""Pictures: PNG, JPEG, BMP, GIF and WebP, with or without frames.

A picture says nothing of millimetres: the dots per inch that some carry describe a printer and are never used.
One-bit pictures keep their stored 0 and 1.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow
from PIL import ImageOps

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

_KINDS = ("PNG", "JPEG", "BMP", "GIF", "WEBP")
_BMP_HEADERS = {12, 16, 40, 52, 56, 64, 108, 124}
_GREY = {"1": "uint8", "L": "uint8", "I;16": "uint16", "I;16B": "uint16", "I;16L": "uint16", "I": "int32"}
_ORIENTATION_TAG = 274
_TURNED = {5, 6, 7, 8}
_MOST_FRAMES = 10_000


def _sniff(head: bytes, _: str) -> bool:
    return (
        head.startswith((b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF87a", b"GIF89a"))
        or (head[:4] == b"RIFF" and head[8:12] == b"WEBP")
        or (head[:2] == b"BM" and int.from_bytes(head[14:18], "little") in _BMP_HEADERS)
    )


@contextmanager
def _opened(path: Path) -> Iterator[Pillow.Image]:
    """The picture with its header read; Pillow's warning of a decompression bomb counts as an error."""
    with guarded(path), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Pillow.DecompressionBombWarning)
        with Careful(path) as file, Pillow.open(file, formats=_KINDS) as picture:
            yield picture


def _facts(path: Path) -> list[ImageFacts]:
    with _opened(path) as picture:
        notes: list[str] = []
        turned = _orientation(picture)
        width, height = reversed(picture.size) if turned in _TURNED else picture.size
        frames = int(getattr(picture, "n_frames", 1))
        if frames > _MOST_FRAMES:
            raise Unreadable(f"{path}", why=f"has {frames:,} frames; at most {_MOST_FRAMES:,} are read")
        dtype = _GREY.get(picture.mode, "uint8")
        space = (frames, height, width) if frames > 1 else (height, width)
        check_ratio(path, check_size(path, (4, *space), dtype))
        if turned != 1:
            notes.append(f"turned upright as its EXIF orientation {turned} asks")
        mode = _mode(path, picture, notes)
        times = _times(picture, frames) if frames > 1 else None
        count = 1 if mode in _GREY else len(mode)
        intensity = Intensity.RGB if mode in {"RGB", "RGBA"} else Intensity.NAMED if count > 1 else Intensity.RAW
        return [
            ImageFacts(
                format="raster",
                files=(absolute(path),),
                axes="CTYX" if frames > 1 else "CYX",
                shape=(count, *space),
                dtype=dtype,
                intensity=intensity,
                channels=("intensity", "alpha") if mode == "LA" else default_channels(intensity, count),
                times=times,
                notes=tuple(notes),
            )
        ]


def _orientation(picture: Pillow.Image) -> int:
    """The EXIF orientation, where the header has one: Pillow would decode a PNG to look for it further behind."""
    if "exif" not in picture.info:
        return 1
    value = picture.getexif().get(_ORIENTATION_TAG, 1)
    return value if value in range(1, 9) else 1


def _mode(path: Path, picture: Pillow.Image, notes: list[str]) -> str:
    """The mode in which the picture is read, and why it is not its own."""
    mode = picture.mode
    if mode in {"P", "PA"}:
        notes.append("its colours come from a palette; read as a mask, it keeps the palette's numbers")
        return "RGB"
    if mode in {"LA", "RGBA", "La", "RGBa"}:
        return _transparency(picture, notes)
    if mode in {"CMYK", "YCbCr", "LAB", "HSV", "RGBX"}:
        notes.append(f"stored as {mode}, converted to RGB")
        return "RGB"
    if mode not in _GREY and mode != "RGB":
        raise Unreadable(f"{path}", why=f"has pixels of kind {mode}")
    if picture.format == "PNG" and mode == "RGB" and _png_depth(path) == 16:
        notes.append("holds 16 bits per colour, of which the upper 8 are read")
    return mode


def _transparency(picture: Pillow.Image, notes: list[str]) -> str:
    """With or without its alpha channel: one that is opaque everywhere says nothing."""
    plain = "L" if picture.mode.startswith("L") else "RGB"
    if all(frame.getchannel(frame.getbands()[-1]).getextrema()[0] == 255 for frame in _frames(picture)):
        return plain
    notes.append("partly transparent: the transparency is kept as a channel")
    return plain + "A"


def _png_depth(path: Path) -> int:
    with path.open("rb") as file:
        return file.read(25)[24]


def _frames(picture: Pillow.Image) -> Iterator[Pillow.Image]:
    for frame in range(getattr(picture, "n_frames", 1)):
        picture.seek(frame)
        picture.load()
        yield picture
    picture.seek(0)


def _times(picture: Pillow.Image, frames: int) -> tuple[float, ...] | None:
    """Seconds at which each frame appears, where all say how long they stay."""
    lengths = [float(frame.info.get("duration", 0)) for frame in _frames(picture)]
    if min(lengths) <= 0:
        return None
    return tuple(round(sum(lengths[:number]) / 1000, 6) for number in range(frames))


def _read(facts: ImageFacts, options: ReadOptions) -> Image:
    path = Path(facts.files[0])
    with _opened(path) as picture:
        indices = options.indices and picture.mode == "P"
        turned = _orientation(picture)
        mode = {1: "", 2: "LA", 3: "RGB", 4: "RGBA"}.get(facts.extent("C"), "")
        if facts.extent("C") == 1 and picture.mode in {"LA", "La"}:
            mode = "L"
        frames = [_pixels(frame, "" if indices else mode, turned) for frame in _frames(picture)]
    array = np.stack(frames, axis=1) if "T" in facts.axes else frames[0]
    if indices:
        facts = replace(facts, shape=(1, *facts.shape[1:]), intensity=Intensity.LABEL, channels=("intensity",))
    return image_of(facts, native(array))


def _pixels(frame: Pillow.Image, mode: str, turned: int) -> NDArray[Any]:
    """One frame as C, Y, X."""
    if mode and frame.mode != mode:
        frame = frame.convert(mode)
    if turned != 1:
        upright = ImageOps.exif_transpose(frame)
        frame = frame if upright is None else upright
    array = np.asarray(frame)
    if array.dtype == bool:
        array = array.astype(np.uint8)
    return array[np.newaxis] if array.ndim == 2 else np.moveaxis(array, -1, 0)


def _write(image: Image, path: Path) -> list[Path]:
    lower = path.name.lower()
    if not lower.endswith((".png", ".bmp")):
        raise UsageError(
            f"{path.name} would lose values",
            why="this kind of picture is not written",
            remedy="Write .png, which keeps them",
        )
    if any(image.extent(axis) > 1 for axis in "TZ"):
        raise UsageError(f"{path.name} cannot hold a volume or frames", remedy="Write .nii.gz, .nrrd or .tif")
    count, (width, height, _) = image.extent("C"), image.size
    array = _whole(image.array.reshape(count, height, width), path)
    if count not in (1, 3) or (count == 3 and image.intensity != Intensity.RGB):
        raise UsageError(f"{path.name} cannot hold {count} channels", remedy="Write .nii.gz, .nrrd or .tif")
    if array.dtype == np.uint16 and (count == 3 or lower.endswith(".bmp")):
        raise UsageError(f"{path.name} cannot hold colours of 16 bits", remedy="Write .tif")
    Pillow.fromarray(array[0] if count == 1 else np.ascontiguousarray(np.moveaxis(array, 0, -1))).save(path)
    return [path]


def _whole(array: NDArray[Any], path: Path) -> NDArray[Any]:
    """The array as 8 or 16 bits, refused where that would change a value."""
    if array.dtype == bool:
        return array.astype(np.uint8)
    if array.dtype.kind in "iu":
        low, high = int(array.min()), int(array.max())
        for name in ("uint8", "uint16"):
            if low >= 0 and high <= np.iinfo(name).max and (name == "uint16" or array.dtype != np.uint16):
                return array.astype(name)
    raise UsageError(
        f"{path.name} cannot hold values of kind {array.dtype}",
        why="a picture holds whole numbers from 0 to 65535",
        remedy="Write .nii.gz, .nrrd or .tif, which keep every value",
    )


FORMAT = Format(
    title="Picture (PNG, JPEG, BMP, GIF, WebP)",
    suffixes=(".png", ".bmp", ".jpg", ".jpeg", ".gif", ".webp"),
    sniff=_sniff,
    describe=one_by_one(_facts),
    read=_read,
    keeps_place=False,
    write=_write,
    rank=20,
)
