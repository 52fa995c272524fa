"""What a model looked at: an image beside the same image with a map of the evidence laid over it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Picture
from PIL import ImageDraw

from isocenter.core.image import Image, Intensity
from isocenter.drawing.look import INK, LINE, MUTED, PAPER, font, is_chinese
from isocenter.drawing.montage import cut, scaled
from isocenter.drawing.window import Pixels, Window, picture, window_for

if TYPE_CHECKING:
    from PIL.ImageFont import FreeTypeFont

_OPACITY = 0.62
"""Of the strongest place: the image must still be seen beneath it."""

_HALF = 0.5
"""Of the strongest place: a line is drawn round what is stronger, for readers who do not see it by its colour."""

_GROUND = (16, 20, 24)
_GAP, _MARGIN = 14, 22
_EDGE, _EDGE_OF_THREE = 460, 360
"""The longer edge of a picture that stands alone, and of the largest of three, in pixels."""

_FEW_SLICES = 12
"""Volumes of fewer slices are shown slice by slice: cut the other way they would be strips."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Legend:
    """The words of an explanation's picture.

    Attributes:
        title: what is explained.
        plain, explained: stand above the image and above the image with its map.
        none, strongest: stand at the ends of the colour scale.
        line: says what the line is drawn round.
        planes: of a volume, the names of the planes across z, y and x.
        notes: sentences below, each on lines of its own.
        sides: of a volume that is placed in the patient, the letters of right, left, front, back, head and feet.
    """

    title: str
    plain: str
    explained: str
    none: str
    strongest: str
    line: str
    planes: tuple[str, str, str] = ("", "", "")
    notes: tuple[str, ...] = ()
    sides: tuple[str, ...] = ()


def overlay(pixels: Pixels, strength: NDArray[np.floating]) -> Pixels:
    """A picture with a map laid over it, of the same size: the stronger a place, the brighter and the less clear.

    Args:
        pixels: (row, column) grey or (row, column, 3) colour.
        strength: (row, column), 0 for nothing to 1 for the strongest place.
    """
    level = np.clip(np.nan_to_num(np.asarray(strength, dtype=np.float32)), 0, 1)
    ground = np.repeat(pixels[..., None], 3, axis=-1) if pixels.ndim == 2 else pixels
    opacity = (_OPACITY * level**0.7)[..., None]
    painted = ground * (1 - opacity) + _colours()[np.rint(level * 255).astype(np.intp)] * opacity
    return np.asarray(np.rint(painted), dtype=np.uint8)


def relative(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """A map from 0 to 1 of its strongest place; what speaks against the answer is nothing here."""
    positive = np.maximum(values, 0)
    most = float(positive.max(initial=0))
    return (positive / max(most, 1e-30)).astype(np.float32)


def explained_image(image: Image, strength: NDArray[np.floating], *, window: Window | None = None) -> Pixels:
    """A flat image with its map, pixel for pixel at the size of the image."""
    return overlay(picture(image, image.array, window), strength)


def explained_sheet(image: Image, strength: NDArray[np.floating], legend: Legend) -> Picture.Image:
    """A sheet for a reader: the image, the image with its map, the scale of the colours and what to keep in mind.

    Args:
        image: without a time axis; a volume is shown by three slices through the strongest place, hung by radiological
            convention where its place in the patient is known.
        strength: on the image's grid, ([slices,] rows, columns), 0 for nothing to 1 for the strongest place.
        legend: the words.
    """
    grey = image.intensity not in (Intensity.LABEL, Intensity.RGB)
    window = window_for(image) if grey else None
    views = _views_of_volume(image, strength, legend) if "Z" in image.axes else [_flat(image, strength)]
    room = _EDGE if len(views) == 1 else _EDGE_OF_THREE
    largest = max(view.longest for view in views)
    above: list[Picture.Image] = []
    below: list[Picture.Image] = []
    for view in views:
        edge = max(1, round(room * view.longest / largest))
        shown = scaled(picture(image, view.plane, window), view.proportion, edge, exact=False)
        level = _stretched(view.level, shown.shape[:2])
        marked = _lined(overlay(shown, level), level)
        above.append(_panel(shown, view.name or legend.plain, view.sides))
        below.append(_panel(marked, "" if below else legend.explained, view.sides))
    return _composed([above + below] if len(views) == 1 else [above, below], legend)


@dataclass(frozen=True, slots=True)
class _View:
    """One plane of an image: its pixels (channel, row, column), its map, and how much taller than wide a pixel is."""

    plane: NDArray[np.generic]
    level: NDArray[np.floating]
    proportion: float
    size: float  # of a pixel from left to right, so that all planes of a volume are drawn to one scale
    name: str = ""
    sides: tuple[str, ...] = ()

    @property
    def longest(self) -> float:
        """The longer edge."""
        rows, columns = self.level.shape
        return max(columns, rows * self.proportion) * self.size


def _flat(image: Image, strength: NDArray[np.floating]) -> _View:
    x, y, _ = image.geometry.spacing
    return _View(image.array, strength, y / x, x)


def _views_of_volume(image: Image, strength: NDArray[np.floating], legend: Legend) -> list[_View]:
    """The three orthogonal slices through the strongest place; of few slices, that one and its neighbours."""
    turned = image.oriented("LPS")
    level = replace(image, array=strength[None], intensity=Intensity.RAW, channels=("map",)).oriented("LPS").array
    place = [int(one) for one in np.unravel_index(int(np.argmax(level[0])), level.shape[1:])]
    x, y, z = turned.geometry.spacing
    proportions, sizes = (y / x, z / x, z / y), (x, x, y)
    return [
        _View(
            cut(turned.array, axis, at),
            cut(level, axis, at)[0],
            proportions[axis],
            sizes[axis],
            f"{legend.planes[axis]} {_number(image, turned, axis, at)}",
            _sides(axis, legend.sides) if image.geometry.placed else (),
        )
        for axis, at in _chosen(level.shape[1:], place)
    ]


def _chosen(shape: tuple[int, ...], place: list[int]) -> list[tuple[int, int]]:
    """Which planes are shown: the axis that each cuts across, and where."""
    thin = int(np.argmin(shape))
    if shape[thin] >= _FEW_SLICES:
        return list(enumerate(place))
    first = max(0, min(place[thin] - 1, shape[thin] - 3))
    return [(thin, at) for at in range(first, min(first + 3, shape[thin]))]


def _number(image: Image, turned: Image, axis: int, at: int) -> str:
    """The number of a slice as the image stores it, which is what a viewer shows: `34 / 80`."""
    index = [0, 0, 0]
    index[2 - axis] = at
    stored = image.geometry.indices(turned.geometry.points(index))
    along = image.geometry.steps_to("LPS")[0][2 - axis]
    return f"{round(float(stored[along])) + 1} / {image.size[along]}"


def _sides(axis: int, letters: Sequence[str]) -> tuple[str, ...]:
    """What stands at the left, right, upper and lower edge of a plane."""
    if len(letters) != 6:
        return ()
    right, left, front, back, head, feet = letters
    return ((right, left, front, back), (right, left, head, feet), (front, back, head, feet))[axis]


def _lined(pixels: Pixels, level: NDArray[np.float32]) -> Pixels:
    """A picture with a thin white line round what is stronger than half of the strongest place."""
    inside = level >= _HALF
    edge = np.zeros(inside.shape, dtype=bool)
    edge[1:] |= inside[1:] != inside[:-1]
    edge[:, 1:] |= inside[:, 1:] != inside[:, :-1]
    return np.where(edge[..., None], np.uint8(255), pixels)


def _colours() -> NDArray[np.float32]:
    """256 colours of even steps for the eye, in any kind of colour vision, from violet to yellow."""
    import matplotlib

    # the darkest quarter would blacken what lies beneath
    scale = matplotlib.colormaps["plasma"](np.linspace(0.25, 1.0, 256))
    return np.asarray(scale[:, :3] * 255, dtype=np.float32)


def _stretched(level: NDArray[np.floating], shape: tuple[int, ...]) -> NDArray[np.float32]:
    shown = Picture.fromarray(np.ascontiguousarray(level, dtype=np.float32))
    return np.asarray(shown.resize((shape[1], shape[0]), Picture.Resampling.BILINEAR), dtype=np.float32)


def _panel(pixels: Pixels, caption: str, sides: tuple[str, ...]) -> Picture.Image:
    """A picture on dark ground with its caption above and the sides of the patient at its edges."""
    shown = Picture.fromarray(np.ascontiguousarray(pixels)).convert("RGB")
    band, letters = 26, _letters(caption, 14)
    panel = Picture.new("RGB", (max(shown.width, round(letters.getlength(caption))), shown.height + band), PAPER)
    panel.paste(shown, (0, band))
    draw = ImageDraw.Draw(panel)
    draw.text((0, 16), caption, font=letters, fill=MUTED, anchor="ls")
    width, height = shown.width, shown.height
    corners = (
        ((6, band + height // 2), "lm"),
        ((width - 6, band + height // 2), "rm"),
        ((width // 2, band + 6), "mt"),
        ((width // 2, band + height - 6), "mb"),
    )
    for letter, (corner, anchor) in zip(sides, corners, strict=False):
        ink, edge = "#ffffff", "#000000"
        draw.text(corner, letter, font=_letters(letter, 15), fill=ink, anchor=anchor, stroke_width=2, stroke_fill=edge)
    return panel


def _composed(rows: Sequence[Sequence[Picture.Image]], legend: Legend) -> Picture.Image:
    """Title, panels, scale and notes on one sheet."""
    widths = [max(row[column].width for row in rows) for column in range(len(rows[0]))]
    heights = [max(panel.height for panel in row) for row in rows]
    width = max(sum(widths) + _GAP * (len(widths) - 1), 520)
    titles = _wrapped(legend.title, 19, width)
    notes = [line for note in legend.notes for line in _wrapped(note, 14, width)]
    body = sum(heights) + _GAP * (len(rows) - 1)
    top = _MARGIN + 26 * len(titles) + 10
    sheet = Picture.new("RGB", (width + 2 * _MARGIN, top + body + 18 + 46 + 22 * len(notes) + _MARGIN), PAPER)
    draw = ImageDraw.Draw(sheet)
    for number, line in enumerate(titles):
        draw.text((_MARGIN, _MARGIN + 26 * number), line, font=_letters(line, 19, bold=True), fill=INK, anchor="lt")
    down = top
    for row, height in zip(rows, heights, strict=True):
        left = _MARGIN
        for panel, room in zip(row, widths, strict=True):
            sheet.paste(panel, (left, down))
            left += room + _GAP
        down += height + _GAP
    down += 4
    _scale(sheet, (_MARGIN, down), legend)
    for number, line in enumerate(notes):
        draw.text((_MARGIN, down + 42 + 22 * number), line, font=_letters(line, 14), fill=MUTED, anchor="lt")
    return sheet


def _scale(sheet: Picture.Image, corner: tuple[int, int], legend: Legend) -> None:
    """The colours from nothing to the strongest place, as they look on a middle grey."""
    draw = ImageDraw.Draw(sheet)
    left, top = corner
    letters = _letters(legend.none, 14)
    draw.text((left, top + 10), legend.none, font=letters, fill=INK, anchor="lm")
    left += round(draw.textlength(legend.none, font=letters)) + 10
    ramp = np.repeat(np.linspace(0, 1, 240, dtype=np.float32)[None], 20, axis=0)
    sheet.paste(Picture.fromarray(overlay(np.full(ramp.shape, 110, np.uint8), ramp)), (left, top))
    draw.rectangle((left, top, left + 239, top + 19), outline=LINE)
    draw.line((left + 120, top, left + 120, top + 19), fill="#ffffff", width=2)
    letters = _letters(legend.strongest, 14)
    draw.text((left + 250, top + 10), legend.strongest, font=letters, fill=INK, anchor="lm")
    left += 250 + round(draw.textlength(legend.strongest, font=letters)) + 24
    draw.text((left, top + 10), legend.line, font=_letters(legend.line, 14), fill=MUTED, anchor="lm")


def _wrapped(text: str, size: int, width: int) -> list[str]:
    """A sentence as lines that fit; Chinese may break between any two characters."""
    letters = _letters(text, size, bold=size > 16)
    words = list(text) if is_chinese(text) else [f"{word} " for word in text.split()]
    lines = [""]
    for word in words:
        if lines[-1] and letters.getlength((lines[-1] + word).rstrip()) > width:
            lines.append("")
        lines[-1] += word
    return [line.rstrip() for line in lines if line.strip()]


def _letters(text: str, size: int, *, bold: bool = False) -> FreeTypeFont:
    return font(size, bold=bold, chinese=is_chinese(text))
