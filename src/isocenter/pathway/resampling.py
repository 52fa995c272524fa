"""Another number of pixels over the same extent: linear where it grows, averaged where it shrinks.

Pillow's separable filters do the work, a plane at a time, so that a volume is never held twice in floating point and
nothing slow to import is needed. A shrinking axis is weighted by a triangle as wide as two new pixels, so that
fine patterns fade instead of turning into false ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

_SLAB = 4_000_000
"""How many values are resampled along the slices at a time."""


def resampled(array: NDArray[Any], extent: Sequence[int]) -> NDArray[Any]:
    """Values on a grid of another number of steps; 8-bit values are rounded, others become float32.

    Args:
        array: (..., [slice,] row, column).
        extent: the wanted [slices,] rows and columns; these axes are resampled, those in front stay.
    """
    extent = tuple(int(steps) for steps in extent)
    lead = array.shape[: array.ndim - len(extent)]
    if array.shape == (*lead, *extent):
        return array
    made = np.empty((*lead, *extent), _dtype(array))
    for place in np.ndindex(lead):
        part = array[place]
        made[place] = _plane(part, extent) if len(extent) == 2 else _volume(part, extent)
    return made


def nearest(array: NDArray[Any], extent: Sequence[int]) -> NDArray[Any]:
    """The value of the nearest pixel on a grid of another number of steps, for labels that cannot be mixed.

    Args:
        array: (..., [slice,] row, column).
        extent: the wanted [slices,] rows and columns.
    """
    for axis, steps in enumerate(extent, start=array.ndim - len(extent)):
        if array.shape[axis] != steps:
            # twice the centre of a step is a whole number, so that no rounding decides
            taken = (2 * np.arange(steps) + 1) * array.shape[axis] // (2 * steps)
            array = array.take(taken, axis=axis)
    return array


def _dtype(array: NDArray[Any]) -> type[np.uint8] | type[np.float32]:
    return np.uint8 if array.dtype == np.uint8 else np.float32


def _plane(plane: NDArray[Any], extent: tuple[int, ...]) -> NDArray[Any]:
    """One plane (row, column)."""
    from PIL import Image as Pillow

    rows, columns = extent
    picture = Pillow.fromarray(np.ascontiguousarray(plane, dtype=_dtype(plane)))
    return np.asarray(picture.resize((columns, rows), Pillow.Resampling.BILINEAR))


def _volume(volume: NDArray[Any], extent: tuple[int, ...]) -> NDArray[Any]:
    """One volume (slice, row, column): first the direction that leaves the least to hold."""
    slices, rows, columns = extent
    in_plane = volume.shape[0] * rows * columns
    in_depth = slices * volume.shape[1] * volume.shape[2]
    if in_plane <= in_depth:
        return _along_slices(_within_slices(volume, rows, columns), slices)
    return _within_slices(_along_slices(volume, slices), rows, columns)


def _within_slices(volume: NDArray[Any], rows: int, columns: int) -> NDArray[Any]:
    if volume.shape[1:] == (rows, columns):
        return volume
    made = np.empty((len(volume), rows, columns), _dtype(volume))
    for position, plane in enumerate(volume):
        made[position] = _plane(plane, (rows, columns))
    return made


def _along_slices(volume: NDArray[Any], slices: int) -> NDArray[Any]:
    """The slices of a few rows laid side by side make a plane, whose height alone changes."""
    depth, rows, columns = volume.shape
    if depth == slices:
        return volume
    made = np.empty((slices, rows, columns), _dtype(volume))
    thickness = max(1, _SLAB // (depth * columns))
    for first in range(0, rows, thickness):
        slab = volume[:, first : first + thickness]
        width = slab.shape[1] * columns
        made[:, first : first + thickness] = _plane(slab.reshape(depth, width), (slices, width)).reshape(
            slices, -1, columns
        )
    return made
