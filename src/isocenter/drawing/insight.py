"""What a network makes of an image: the filters that meet it first, its maps on the way, and what a place heeds."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from isocenter.drawing.look import INK, LINE, MUTED
from isocenter.drawing.overlay import overlay
from isocenter.drawing.sheet import Form, drawn, paper, style
from isocenter.drawing.window import Pixels

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_FILTERS = 64
MOST_MAPS = 8
"""So many are drawn: of filters the first, of maps those that differ most from place to place."""

_TILE, _GAP = 72, 6
"""Edge of a filter or map, and what is left between two of them, in pixels of the picture."""

_FRAME = "#e69f00"

_SOFT = 0.05
"""Share of a picture by which the edge of what is heeded is softened."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plane:
    """One plane of an image, and what a place of the last map makes of it.

    Attributes:
        pixels: (row, column) grey or (row, column, 3) colour.
        strength: how strongly each pixel moves the place, (row, column), 1 for the strongest of the whole image.
        heeded: the pixels that hold most of that.
        frame: first and last row, first and last column of what the place could see.
        proportion: how much taller than wide a pixel is.
        name: stands above.
    """

    pixels: Pixels
    strength: NDArray[np.floating[Any]]
    heeded: NDArray[np.bool_]
    frame: tuple[tuple[int, int], tuple[int, int]]
    proportion: float = 1.0
    name: str = ""


def filter_sheet(
    kernels: NDArray[np.floating[Any]], *, colour: bool = False, title: str = "", form: Form = "png"
) -> bytes:
    """The first kernels of a convolution, each a small picture.

    Args:
        kernels: kernels, channels, rows, columns.
        colour: whether the channels are red, green and blue; else each channel has a picture of its own.
        title: stands above.
        form: `png` or `svg`.
    """
    shown = kernels[:MOST_FILTERS]
    if colour and shown.shape[1] == 3:
        tiles = [np.moveaxis(_from_grey(one), 0, -1) for one in shown]
        return _sheet(_tiled(tiles), title, "Each is shown by itself; grey is 0.", form)
    limit = float(np.abs(shown).max(initial=0)) or 1.0
    tiles = [_diverging(channel / limit) for one in shown for channel in one]
    return _sheet(_tiled(tiles), title, f"Weights from {-limit:.2g} (blue) over 0 (white) to {limit:.2g} (red).", form)


def map_sheet(
    image: Pixels, stages: Mapping[str, NDArray[np.floating[Any]]], *, title: str = "", form: Form = "png"
) -> bytes:
    """An image, and below it a row of maps for each stage: those that differ most from place to place.

    Args:
        image: the image that the network was shown.
        stages: name to maps (channels, rows, columns).
        title: stands above.
        form: `png` or `svg`.
    """
    with style():
        figure = paper(height=0.9 + 1.12 * (len(stages) + 1), width=9.6)
        figure.suptitle(title, x=0.01, ha="left", fontsize=12, fontweight="bold", color=INK)
        grid = figure.subplots(len(stages) + 1, 1, squeeze=False)[:, 0]
        wide = MOST_MAPS * (_TILE + _GAP) - _GAP
        _strip(grid[0], [image], "what it is shown", wide)
        for axes, (name, maps) in zip(grid[1:], stages.items(), strict=True):
            chosen = maps[np.argsort(-maps.reshape(len(maps), -1).std(axis=1), kind="stable")[:MOST_MAPS]]
            extents = " × ".join(str(extent) for extent in maps.shape[1:])
            _strip(axes, [_from_darkest(one) for one in chosen], f"{name}\n{len(maps)} maps of {extents}", wide)
        figure.supxlabel(
            "Each map from its lowest value (black) to its highest (white); those that vary most from place to place.",
            x=0.01,
            ha="left",
            fontsize=8,
            color=MUTED,
        )
        return drawn(figure, form)


def sight_sheet(
    planes: Sequence[Plane], words: Sequence[str], *, plain: bool = True, title: str = "", form: Form = "png"
) -> bytes:
    """An image beside the same image with what the middle place of the last map heeds, and could see.

    Args:
        planes: one of an image, three of a volume.
        words: stand below.
        plain: whether the image is shown without marks as well; not where it is but a ground to draw on.
        title: stands above.
        form: `png` or `svg`.
    """
    with style():
        several = len(planes) > 1
        figure = paper(height=7.6 if several and plain else 5.6, width=9.6)
        figure.suptitle(title, x=0.01, ha="left", fontsize=12, fontweight="bold", color=INK)
        # A volume has its planes side by side; an image and its marked twin stand side by side.
        form_of_grid = (1 + plain, len(planes)) if several else (1, 1 + plain)
        grid = figure.subplots(*form_of_grid, squeeze=False)
        rows = grid if several else grid.T
        for place, plane in enumerate(planes):
            if plain:
                _picture(rows[0][place], plane.pixels, plane.proportion, plane.name or "what it is shown")
            marked, name = rows[-1][place], "" if several and plain else plane.name or "what it heeds of that"
            _picture(marked, overlay(plane.pixels, plane.strength), plane.proportion, name)
            _outlined(marked, plane)
        below = {"title": "\n".join(_lines(words)), "title_fontsize": 9.5, "alignment": "left"}
        figure.legend(handles=_key(), loc="outside lower left", ncols=3, frameon=False, fontsize=8.5, **below)
        return drawn(figure, form)


def _lines(words: Sequence[str], most: int = 118) -> list[str]:
    """Sentences as lines that fit on the sheet."""
    import textwrap

    return [line for one in words for line in textwrap.wrap(one, most)]


def _picture(axes: Axes, pixels: Pixels, proportion: float, name: str) -> None:
    axes.imshow(pixels, cmap="gray", vmin=0, vmax=255, aspect=proportion, interpolation="nearest")
    axes.set_title(name, fontsize=9, fontweight="normal", color=MUTED)
    axes.set_axis_off()


def _outlined(axes: Axes, plane: Plane) -> None:
    """The edge of what is heeded, and the frame of what could be seen."""
    from matplotlib.patches import Rectangle
    from scipy.ndimage import gaussian_filter

    if plane.heeded.any() and not plane.heeded.all():
        # An edge of nothing around it, so that what reaches the border is closed as well; softened, so that single
        # pixels do not make a lace of it.
        inside = gaussian_filter(np.pad(plane.heeded, 1).astype(float), _SOFT * max(plane.heeded.shape))
        rows, columns = (np.arange(extent) - 1 for extent in inside.shape)
        axes.contour(columns, rows, inside, levels=[0.5], colors="white", linewidths=1.2)
    (top, bottom), (left, right) = plane.frame
    corner, wide, tall = (left - 0.5, top - 0.5), right - left + 1, bottom - top + 1
    axes.add_patch(Rectangle(corner, wide, tall, fill=False, edgecolor=_FRAME, linewidth=2, clip_on=False))
    rows, columns = plane.pixels.shape[:2]
    axes.set_xlim(-0.5, columns - 0.5)
    axes.set_ylim(rows - 0.5, -0.5)


def _key() -> list[Any]:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    return [
        Line2D([], [], color=_FRAME, linewidth=2, label="could be seen, by the layers"),
        Patch(facecolor="#777777", edgecolor="white", linewidth=2, label="white line: holds 95 % of what is heeded"),
        Patch(facecolor="#f0844c", label="the brighter, the more it is heeded"),
    ]


def _sheet(picture: Pixels, title: str, note: str, form: Form) -> bytes:
    """One picture on paper, with its title and what its colours mean."""
    with style():
        height, width = picture.shape[:2]
        figure = paper(height=0.8 + 7.2 * height / width, width=7.2)
        figure.suptitle(title, x=0.01, ha="left", fontsize=12, fontweight="bold", color=INK)
        axes = figure.subplots()
        axes.imshow(picture, interpolation="nearest")
        axes.set_axis_off()
        figure.supxlabel(note, x=0.01, ha="left", fontsize=8.5, color=MUTED)
        return drawn(figure, form)


def _tiled(tiles: Sequence[Pixels]) -> Pixels:
    """Small pictures in rows on one ground."""
    columns = min(len(tiles), max(8, math.ceil(math.sqrt(len(tiles)))))
    rows = math.ceil(len(tiles) / columns)
    step = _TILE + _GAP
    ground = _ground(rows * step + _GAP, columns * step + _GAP)
    for place, tile in enumerate(tiles):
        top, left = _GAP + place // columns * step, _GAP + place % columns * step
        _lay(ground, tile, top, left)
    return ground


def _strip(axes: Axes, tiles: Sequence[Pixels], name: str, wide: int) -> None:
    """Small pictures in one row, with a name before them."""
    ground = np.full((_TILE, wide, 3), 255, np.uint8)
    for place, tile in enumerate(tiles):
        _lay(ground, np.repeat(tile[..., None], 3, axis=-1) if tile.ndim == 2 else tile, 0, place * (_TILE + _GAP))
    axes.imshow(ground, interpolation="nearest")
    axes.set_yticks([_TILE / 2], [name])
    axes.tick_params(length=0, labelsize=8)
    axes.set_xticks([])
    axes.spines[:].set_visible(False)


def _ground(height: int, width: int) -> Pixels:
    shade = tuple(int(LINE[place : place + 2], 16) for place in (1, 3, 5))
    return np.broadcast_to(np.array(shade, np.uint8), (height, width, 3)).copy()


def _lay(ground: Pixels, tile: Pixels, top: int, left: int) -> None:
    """Put a picture in its square, as large as it fits, its pixels as squares."""
    height, width = tile.shape[:2]
    scale = _TILE / max(height, width)
    tall, across = max(1, round(height * scale)), max(1, round(width * scale))
    rows = np.minimum(np.arange(tall) * height // tall, height - 1)
    columns = np.minimum(np.arange(across) * width // across, width - 1)
    top, left = top + (_TILE - tall) // 2, left + (_TILE - across) // 2
    ground[top : top + tall, left : left + across] = tile[rows][:, columns]


def _diverging(values: NDArray[np.floating[Any]]) -> Pixels:
    """Values from -1 to 1 as colours from blue through white to red."""
    import matplotlib

    painted = matplotlib.colormaps["RdBu_r"](0.5 + np.asarray(values) / 2)
    return np.asarray(painted[..., :3] * 255, dtype=np.uint8)


def _from_grey(values: NDArray[np.floating[Any]]) -> Pixels:
    """Values as brightness around a middle grey, the strongest of them black or white."""
    limit = float(np.abs(values).max(initial=0)) or 1.0
    return np.asarray(np.rint(127.5 + 127.5 * values / limit), dtype=np.uint8)


def _from_darkest(values: NDArray[np.floating[Any]]) -> Pixels:
    """Values from the lowest, black, to the highest, white."""
    low, high = float(values.min()), float(values.max())
    return np.asarray(np.rint(255 * (values - low) / max(high - low, 1e-12)), dtype=np.uint8)
