"""Whether the slices of a volume lie on a regular grid, what is wrong where not, and how to lay them onto one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_EVEN = 0.05
_ROUNDED = 0.1
"""Positions may be off an even grid by this part of the distance between slices, or by what rounding to a tenth of a
millimetre does to them, which is how coarsely some scanners write; of that at most a tenth of the distance counts."""
_WORTH_SAYING = 0.01
_LEANING_PIXELS = 0.1
_LEANING_SINE = 1e-3


@dataclass(slots=True, kw_only=True)
class Lay:
    """How the slices of a volume lie.

    Attributes:
        affine: of the regular grid, index (x, y, z) to LPS millimetres.
        size: voxels of the regular grid along x, y, z.
        depths: of each slice along the normal, from the first, in millimetres.
        offsets: of each slice's first pixel within its plane, from the grid's first pixel, in pixels (x, y).
        problem: what keeps the slices from being such a grid as they are; empty where they are.
        notes: what a person should know.
    """

    affine: Array
    size: tuple[int, int, int]
    depths: Array
    offsets: Array
    problem: str = ""
    notes: tuple[str, ...] = ()


@lru_cache(maxsize=256)
def directions(orientation: tuple[float, ...] | None) -> tuple[Array, Array, Array] | None:
    """Unit vectors along a row, along a column, and the normal; None where they are not at right angles."""
    if orientation is None or len(orientation) != 6:
        return None
    row, column = np.asarray(orientation[:3], dtype=float), np.asarray(orientation[3:], dtype=float)
    lengths = np.linalg.norm(row), np.linalg.norm(column)
    if min(lengths) < 0.9 or max(lengths) > 1.1:
        return None
    row, column = row / lengths[0], column / lengths[1]
    if abs(float(row @ column)) > 1e-2:
        return None
    normal = np.cross(row, column)
    axes = row, column, normal / np.linalg.norm(normal)
    for axis in axes:
        axis.setflags(write=False)
    return axes


def depth_order(positions: Array, normal: Array) -> tuple[Array, list[int]]:
    """Distances along the normal, and the slices in that order."""
    depths = np.asarray(positions @ normal, dtype=np.float64)
    return depths, [int(index) for index in np.argsort(depths, kind="stable")]


def lay_of(
    positions: Array,
    axes: tuple[Array, Array, Array],
    pixel: tuple[float, float],
    shape: tuple[int, int],
    names: Sequence[str],
) -> Lay:
    """How at least two slices lie that are in the order of their depth.

    Args:
        positions: n x 3, LPS millimetres of each slice's first pixel.
        axes: unit vectors along a row, a column, and the normal.
        pixel: millimetres along x and y.
        shape: columns and rows.
        names: what to call each slice in a message.
    """
    row, column, normal = axes
    relative = positions - positions[0]
    depths = relative @ normal
    offsets = np.stack([relative @ row / pixel[0], relative @ column / pixel[1]], axis=1)
    count, step = _even_grid(depths)
    problem, notes = _unevenness(depths, step, count, names)
    leaning = _leaning(depths, relative, normal, offsets)
    if leaning:
        problem = f"{problem}; {leaning}" if problem else leaning
    lowest = np.floor(offsets.min(axis=0) + 1e-3) if leaning else np.zeros(2)
    highest = np.ceil(offsets.max(axis=0) - 1e-3) if leaning else np.zeros(2)
    affine = np.eye(4)
    affine[:3, 0], affine[:3, 1], affine[:3, 2] = row * pixel[0], column * pixel[1], normal * step
    affine[:3, 3] = positions[0] + affine[:3, :2] @ lowest
    grown = highest - lowest
    return Lay(
        affine=affine,
        size=(shape[0] + int(grown[0]), shape[1] + int(grown[1]), count),
        depths=depths,
        offsets=offsets - lowest if leaning else np.zeros_like(offsets),
        problem=problem,
        notes=notes,
    )


def _usual(steps: Array) -> float:
    """The distance that most slices keep; of two in the middle the smaller, for gaps make distances larger."""
    return float(np.sort(steps)[(len(steps) - 1) // 2])


def _tolerance(step: float) -> float:
    return max(_EVEN * step, min(_ROUNDED, 0.1 * step))


def _even_grid(depths: Array) -> tuple[int, float]:
    """How many slices an even grid has that begins and ends with these, and their distance."""
    span = float(depths[-1] - depths[0])
    mean = span / (len(depths) - 1)
    ideal = depths[0] + mean * np.arange(len(depths))
    if np.abs(depths - ideal).max() <= _tolerance(mean):
        return len(depths), mean
    typical = _usual(np.diff(depths))
    count = max(round(span / typical), 1) + 1
    return count, span / (count - 1)


def _unevenness(depths: Array, step: float, count: int, names: Sequence[str]) -> tuple[str, tuple[str, ...]]:
    steps = np.diff(depths)
    if count == len(depths):
        worst = float(np.abs(depths - depths[0] - step * np.arange(count)).max())
        if worst <= _tolerance(step):
            said = f"slices are up to {worst:.3g} mm off even spacing, taken as even"
            return "", (said,) if worst > _WORTH_SAYING * step else ()
    usual = _usual(steps)
    place = int(np.argmax(np.abs(steps - usual)))
    gap = float(steps[place])
    between = f"between {names[place]} and {names[place + 1]}"
    whole = round(gap / usual)
    if whole >= 2 and abs(gap - whole * usual) <= _EVEN * usual * whole:
        missing = "a slice is missing" if whole == 2 else f"{whole - 1} slices are missing"
        return f"{missing} {between} ({gap:.3g} mm apart, {usual:.3g} mm elsewhere)", ()
    return f"slices are unevenly spaced: {gap:.4g} mm {between}, {usual:.4g} mm elsewhere", ()


def _leaning(depths: Array, relative: Array, normal: Array, offsets: Array) -> str:
    """What to say of slices that are shifted against one another; a tilted gantry does that."""
    # The first slice is at zero, so the largest offset is the whole drift.
    if float(np.abs(offsets).max()) <= _LEANING_PIXELS:
        return ""
    sideways = relative - np.outer(depths, normal)
    sine = float(np.linalg.norm(sideways[-1]) / max(float(np.linalg.norm(relative[-1])), 1e-9))
    straight = np.outer(depths / depths[-1], sideways[-1])
    if float(np.linalg.norm(sideways - straight, axis=1).max()) > 0.5 * float(np.linalg.norm(sideways, axis=1).max()):
        return "slices are shifted sideways against one another"
    if sine <= _LEANING_SINE:
        return ""
    angle = float(np.degrees(np.arcsin(min(sine, 1.0))))
    return f"gantry tilt of {angle:.1f} degrees: slices do not lie straight above one another"


def onto_grid(volume: NDArray[np.generic], lay: Lay, fill: float) -> NDArray[np.generic]:
    """Lay slices (z, y, x) onto the regular grid, linearly between neighbours; what no slice covers becomes `fill`."""
    columns, rows, count = lay.size
    planes = [_placed(volume[index], lay.offsets[index], (rows, columns), fill) for index in range(len(volume))]
    result = np.empty((count, rows, columns), dtype=volume.dtype)
    wanted = np.linspace(float(lay.depths[0]), float(lay.depths[-1]), count)
    for number, depth in enumerate(wanted):
        above = int(np.clip(np.searchsorted(lay.depths, depth), 1, len(planes) - 1))
        below = above - 1
        weight = (depth - lay.depths[below]) / (lay.depths[above] - lay.depths[below])
        weight = float(np.clip(weight, 0.0, 1.0))
        blended = planes[below] * (1 - weight) + planes[above] * weight
        result[number] = np.rint(blended) if np.issubdtype(volume.dtype, np.integer) else blended
    return result


def _placed(plane: NDArray[np.generic], offset: Array, shape: tuple[int, int], fill: float) -> Array:
    """A slice on the grid's plane, moved by its offset (x, y) in pixels."""
    canvas = np.full(shape, fill, dtype=np.float64)
    if not offset.any() and plane.shape == shape:
        canvas[...] = plane
        return canvas
    from scipy.ndimage import affine_transform

    return np.asarray(
        affine_transform(
            plane.astype(np.float64),
            np.eye(2),
            offset=(-offset[1], -offset[0]),
            output_shape=shape,
            order=1,
            mode="constant",
            cval=fill,
        )
    )
