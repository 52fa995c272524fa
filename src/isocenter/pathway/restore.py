"""From the prepared grid back to the image that was given: a map laid where its pixels came from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isocenter.core.geometry import Geometry

_POINTS = 2**20
"""How many places are computed at once."""


def restored(values: NDArray[Any], have: Geometry, wanted: Geometry, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """A map on another grid: linear between its values, 0 where the grid reaches beyond it.

    Args:
        values: ([slices,] rows, columns), on the grid of `have`.
        have: where the map lies. Known places are not needed: geometry follows the pixels through every step.
        wanted: where the result lies.
        shape: ([slices,] rows, columns) of the result.
    """
    from scipy.ndimage import map_coordinates

    volume = np.asarray(values, dtype=np.float32).reshape((1,) * (3 - values.ndim) + values.shape)
    extent = np.asarray(volume.shape)[:, None]
    result = np.zeros((1,) * (3 - len(shape)) + shape, dtype=np.float32)
    for part, points in _in_parts(result.shape):
        places = have.indices(wanted.points(points)).T[::-1]
        # a pixel reaches half its width beyond its centre; further out there is nothing
        inside = ((places >= -0.5 - 1e-6) & (places <= extent - 0.5 + 1e-6)).all(axis=0)
        found = map_coordinates(volume, places, order=1, mode="nearest")
        result.reshape(-1)[part] = np.where(inside, found, 0)
    return result.reshape(shape)


def _in_parts(shape: tuple[int, ...]) -> Iterator[tuple[slice, NDArray[np.float64]]]:
    """Stretches of a flattened grid (z, y, x) with the indices (points, 3) of their voxels in the order x, y, z."""
    total = int(np.prod(shape))
    for start in range(0, total, _POINTS):
        part = slice(start, min(start + _POINTS, total))
        z, y, x = np.unravel_index(np.arange(part.start, part.stop), shape)
        yield part, np.stack([x, y, z], axis=-1).astype(np.float64)
