"""Contact sheets: each image by its most telling slice, as a radiologist would hang it, with a caption."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Picture
from PIL import ImageDraw

from isocenter.core.image import Image, Intensity
from isocenter.drawing.look import INK, LINE, MUTED, PAPER, colour, font, is_chinese
from isocenter.drawing.window import Pixels, Window, picture, window_for

_GROUND = (16, 20, 24)
"""What an image lies on: dark, as on a light box that is switched off."""


@dataclass(frozen=True, slots=True)
class Tile:
    """One picture of a contact sheet.

    Attributes:
        pixels: (row, column) grey or (row, column, 3) colour, 8 bits.
        caption: what stands below it; long ones are cut.
        tag: a short word, such as the class; tiles of one tag share a colour.
    """

    pixels: Pixels
    caption: str = ""
    tag: str = ""


def tile(
    image: Image,
    *,
    caption: str = "",
    tag: str = "",
    size: int = 192,
    window: Window | None = None,
    mask: Image | None = None,
) -> Tile:
    """An image as a tile.

    A volume is shown by one slice: the middle one, or the one with most of the mask. It is cut along the plane in which
    it was acquired (across its longest spacing; axial where all are alike) and hung by radiological convention: the
    patient's right on the left of the picture, anterior (or the head) up. A flat image is shown as it is stored.
    Pixels that are not square are stretched to their true proportions.

    Args:
        image: any image.
        caption, tag: go with it.
        size: the longer edge of the picture in pixels.
        window: the range of values to show; chosen by `window_for` if not given.
        mask: a label map on the same grid, drawn as outlines.
    """
    grey = image.intensity not in (Intensity.LABEL, Intensity.RGB)
    if window is None and grey:
        window = window_for(image)
    plane, marked, proportion = _hung(image, mask)
    pixels = picture(image, plane, window)
    drawn = scaled(pixels, proportion, size, exact=image.intensity == Intensity.LABEL)
    if marked is not None:
        drawn = outlined(drawn, _nearest(marked[0], drawn.shape[:2]))
    return Tile(drawn, caption, tag)


def outlined(pixels: Pixels, labels: NDArray[Any]) -> Pixels:
    """A picture with the edge of each region of a label map of the same size drawn in its colour."""
    values = np.asarray(labels).astype(np.int64)
    edge = np.zeros(values.shape, dtype=bool)
    for axis in (0, 1):
        change = np.diff(values, axis=axis) != 0
        pad = [(0, 0), (0, 0)]
        pad[axis] = (0, 1)
        edge |= np.pad(change, pad)
        pad[axis] = (1, 0)
        edge |= np.pad(change, pad)
    edge &= values != 0
    coloured = np.repeat(pixels[..., None], 3, axis=-1) if pixels.ndim == 2 else pixels.copy()
    for value in np.unique(values[edge]):
        coloured[edge & (values == value)] = colour(int(value) - 1)
    return np.asarray(coloured, dtype=np.uint8)


def contact_sheet(
    tiles: Sequence[Tile],
    *,
    size: int = 192,
    columns: int | None = None,
    colours: Mapping[str, tuple[int, int, int]] | None = None,
) -> Picture.Image:
    """All tiles in rows on one sheet, each on a dark square with its caption and tag below.

    Args:
        tiles: in the order in which they are shown.
        size: of a square, in pixels; pictures are made as large as it.
        columns: how many stand in a row; chosen to make a sheet a little wider than high if not given.
        colours: of the tags; by order of appearance if not given.
    """
    columns = columns or max(1, min(len(tiles), math.ceil(math.sqrt(len(tiles) * 1.4))))
    rows = max(1, math.ceil(len(tiles) / columns))
    gap, band = max(6, size // 16), 2 * _text_size(size) + 12
    sheet = Picture.new("RGB", (columns * (size + gap) + gap, rows * (size + band + gap) + gap), PAPER)
    known = colours or tag_colours([one.tag for one in tiles])
    for position, one in enumerate(tiles):
        left = gap + (position % columns) * (size + gap)
        top = gap + (position // columns) * (size + band + gap)
        _place(sheet, one, (left, top), size, known.get(one.tag, (120, 120, 120)))
    return sheet


def tag_colours(tags: Sequence[str]) -> dict[str, tuple[int, int, int]]:
    """One colour for each different tag, in the order of their names, so that a sheet drawn again looks the same."""
    return {tag: colour(position) for position, tag in enumerate(sorted({tag for tag in tags if tag}))}


def png(pixels: Pixels | Picture.Image) -> bytes:
    """A picture as the bytes of a PNG file; the same picture gives the same bytes."""
    shown = pixels if isinstance(pixels, Picture.Image) else Picture.fromarray(np.ascontiguousarray(pixels))
    stream = BytesIO()
    shown.save(stream, "PNG", optimize=False, compress_level=6)
    return stream.getvalue()


def _place(sheet: Picture.Image, one: Tile, corner: tuple[int, int], size: int, marker: tuple[int, int, int]) -> None:
    draw = ImageDraw.Draw(sheet)
    left, top = corner
    draw.rectangle((left, top, left + size - 1, top + size - 1), fill=_GROUND)
    shown = Picture.fromarray(np.ascontiguousarray(one.pixels)).convert("RGB")
    if max(shown.size) != size:
        factor = size / max(shown.size)
        wanted = [max(1, round(edge * factor)) for edge in shown.size]
        shown = shown.resize((wanted[0], wanted[1]), Picture.Resampling.LANCZOS)
    sheet.paste(shown, (left + (size - shown.width) // 2, top + (size - shown.height) // 2))
    height = _text_size(size)
    line = top + size + 4
    _write(draw, (left, line), one.caption, height, INK, size)
    if one.tag:
        line += height + 5
        draw.rectangle((left, line + 2, left + height - 3, line + height - 1), fill=marker, outline=LINE)
        _write(draw, (left + height + 3, line), one.tag, height, MUTED, size - height - 3)


def _write(draw: ImageDraw.ImageDraw, corner: tuple[int, int], text: str, height: int, ink: str, room: int) -> None:
    """One line of text, cut where it would run over, with dots to say so."""
    letters = font(height, chinese=is_chinese(text))
    shown = text
    while shown and draw.textlength(shown + ("…" if shown != text else ""), font=letters) > room:
        shown = shown[:-1]
    baseline = (corner[0], corner[1] + height)
    draw.text(baseline, shown if shown == text else shown.rstrip() + "…", font=letters, fill=ink, anchor="ls")


def _text_size(size: int) -> int:
    return max(10, min(16, size // 14))


def _hung(image: Image, mask: Image | None) -> tuple[NDArray[Any], NDArray[Any] | None, float]:
    """A plane (channel, row, column), the same plane of the mask, and how much taller than wide a pixel is."""
    flat, flat_mask = _first_time(image), None if mask is None else _first_time(mask)
    if "Z" not in flat.axes:
        x, y, _ = flat.geometry.spacing
        return flat.array, None if flat_mask is None else flat_mask.array, y / x
    turned = flat.oriented("LPS")
    turned_mask = None if flat_mask is None else flat_mask.oriented("LPS")
    telling = turned if image.intensity == Intensity.LABEL else turned_mask
    axis = _acquired_along(turned)
    place = _most_marked(telling, axis, turned.array.shape[axis + 1])
    x, y, z = turned.geometry.spacing
    proportion = (y / x, z / x, z / y)[axis]
    marked = None if turned_mask is None else cut(turned_mask.array, axis, place)
    return cut(turned.array, axis, place), marked, proportion


def _first_time(image: Image) -> Image:
    """The image at the middle of its time axis, where it has one."""
    if "T" not in image.axes:
        return image
    axis = image.axes.index("T")
    array = np.take(image.array, image.array.shape[axis] // 2, axis=axis)
    return replace(image, array=array, axes=image.axes.replace("T", ""), times=None)


def _acquired_along(image: Image) -> int:
    """The array axis (0 for z, 1 for y, 2 for x) across which the slices lie: the one of clearly longest spacing."""
    x, y, z = image.geometry.spacing
    spacing = (z, y, x)
    longest = int(np.argmax(spacing))
    return longest if spacing[longest] > 1.2 * sorted(spacing)[1] else 0


def _most_marked(mask: Image | None, axis: int, extent: int) -> int:
    if mask is not None:
        others = tuple(one for one in range(4) if one != axis + 1)
        marked = np.count_nonzero(mask.array, axis=others)
        if marked.any():
            return int(np.argmax(marked))
    return extent // 2


def cut(array: NDArray[Any], axis: int, place: int) -> NDArray[Any]:
    """A plane of an array (channel, z, y, x) in LPS, turned so that anterior, or else the head, is up."""
    plane = np.take(array, place, axis=axis + 1)
    return plane if axis == 0 else plane[:, ::-1]


def scaled(pixels: Pixels, proportion: float, size: int, *, exact: bool) -> Pixels:
    """A picture of true proportions whose longer edge is `size`."""
    height, width = pixels.shape[0] * proportion, float(pixels.shape[1])
    factor = size / max(height, width)
    wanted = (max(1, round(width * factor)), max(1, round(height * factor)))
    smooth = Picture.Resampling.LANCZOS if factor < 1 else Picture.Resampling.BICUBIC
    method = Picture.Resampling.NEAREST if exact else smooth
    shown = Picture.fromarray(np.ascontiguousarray(pixels)).resize(wanted, method)
    return np.asarray(shown, dtype=np.uint8)


def _nearest(labels: NDArray[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    rows, columns = (
        np.minimum((np.arange(wanted) + 0.5) * have / wanted, have - 1).astype(int)
        for wanted, have in zip(shape, labels.shape, strict=True)
    )
    return labels[rows[:, None], columns[None, :]]
