"""A volume to paint tissue on, in millimetres, with soft edges where a voxel is only partly filled."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Field = NDArray[np.float32]
Points = NDArray[np.float64]

AIR = -1000.0


@dataclass
class Canvas:
    """Hounsfield units on a grid (z, y, x), painted from the outside to the inside.

    Everything is described in the frame of the body: x to the left, y to the back, z to the head, in millimetres, with
    z = 0 at the top of the diaphragm. A body lies on the table a little turned and shifted; only the canvas knows.

    Attributes:
        array: the Hounsfield units painted so far.
        spacing: millimetres between voxels along z, y and x.
        bottom: height of the lowest slice in the frame of the body.
        turn: by how many radians the body is rolled on the table.
        shift: where the middle of the body lies on the table (x, y).
    """

    array: Field
    spacing: tuple[float, float, float]
    bottom: float
    turn: float
    shift: tuple[float, float]

    @classmethod
    def blank(
        cls,
        shape: tuple[int, int, int],
        spacing: tuple[float, float, float],
        *,
        bottom: float,
        turn: float,
        shift: tuple[float, float],
    ) -> Canvas:
        """A canvas full of air."""
        return cls(np.full(shape, AIR, dtype=np.float32), spacing, bottom, turn, shift)

    def __post_init__(self) -> None:
        depth, rows, columns = self.array.shape
        self.z = (self.bottom + np.arange(depth) * self.spacing[0]).astype(np.float32)
        self.rows = ((np.arange(rows) - (rows - 1) / 2) * self.spacing[1]).astype(np.float32)
        self.columns = ((np.arange(columns) - (columns - 1) / 2) * self.spacing[2]).astype(np.float32)
        across, down = self.columns[None, :] - self.shift[0], self.rows[:, None] - self.shift[1]
        cosine, sine = math.cos(self.turn), math.sin(self.turn)
        self.x: Field = (cosine * across + sine * down).astype(np.float32)
        self.y: Field = (cosine * down - sine * across).astype(np.float32)
        self.softness = float(np.mean(self.spacing[1:]))

    @property
    def heights(self) -> Field:
        """The height of each slice, shaped to be combined with `x` and `y`."""
        return self.z[:, None, None]

    def inside(self, distance: Any, softness: float | None = None) -> Field:
        """How much of each voxel lies inside a surface, from its signed distance (negative inside)."""
        cover: Field = np.clip(0.5 - distance / (softness or self.softness), 0, 1).astype(np.float32)
        return cover

    def paint(self, value: Any, cover: Any) -> None:
        """Replace what is there by `value`, as far as `cover` (0 to 1) says."""
        self.array += cover * (value - self.array)

    def on_table(self, points: Any) -> Points:
        """Points (x, y, z) of the body as (z, y, x) on the table, in millimetres."""
        x, y, z = np.moveaxis(np.asarray(points, dtype=float), -1, 0)
        cosine, sine = math.cos(self.turn), math.sin(self.turn)
        return np.stack([z, sine * x + cosine * y + self.shift[1], cosine * x - sine * y + self.shift[0]], axis=-1)

    def in_body(self, indices: Any) -> Points:
        """Voxel indices (z, y, x) as points (x, y, z) of the body."""
        z, row, column = np.moveaxis(np.asarray(indices), -1, 0)
        return np.stack([self.x[row, column], self.y[row, column], self.z[z]], axis=-1).astype(float)

    def block(self, low: Points, high: Points) -> tuple[slice, slice, slice] | None:
        """The voxels between two corners given on the table; None where they lie off the canvas."""
        starts = (self.z[0], self.rows[0], self.columns[0])
        found = []
        for axis in range(3):
            first = max(int(np.floor((low[axis] - starts[axis]) / self.spacing[axis])), 0)
            last = min(int(np.ceil((high[axis] - starts[axis]) / self.spacing[axis])) + 1, self.array.shape[axis])
            if first >= last:
                return None
            found.append(slice(first, last))
        return found[0], found[1], found[2]

    def tube(self, points: Any, radii: Any, value: float, *, flatten: float = 1.0) -> None:
        """Paint a tube along a line of points (x, y, z).

        Args:
            points: the corners of its middle line.
            radii: its radius at each corner, in millimetres, or one for all.
            value: Hounsfield units.
            flatten: below 1, the tube is taller (along z) than wide.
        """
        line = self.on_table(points)
        widths = np.broadcast_to(np.asarray(radii, dtype=float), (len(line),))
        for start, end, first, last in zip(line[:-1], line[1:], widths[:-1], widths[1:], strict=True):
            self._capsule(start, end, (float(first), float(last)), value, flatten)

    def _capsule(self, start: Points, end: Points, radii: tuple[float, float], value: float, flatten: float) -> None:
        reach = (max(radii) + self.softness) / np.array([flatten, 1, 1])
        where = self.block(np.minimum(start, end) - reach, np.maximum(start, end) + reach)
        if where is None:
            return
        scale = (flatten, 1.0, 1.0)
        axes = (self.z[where[0], None, None], self.rows[None, where[1], None], self.columns[None, None, where[2]])
        offsets = [(axes[axis] - start[axis]) * scale[axis] for axis in range(3)]
        way = (end - start) * scale
        along = sum(offsets[axis] * way[axis] for axis in range(3)) / max(float(way @ way), 1e-6)
        along = np.clip(along, 0, 1)
        squares = sum((offsets[axis] - along * way[axis]) ** 2 for axis in range(3))
        radius = radii[0] + along * (radii[1] - radii[0])
        # a tube thinner than a voxel never fills one: its edge is drawn at full width and its weight is taken down
        weight = np.minimum(1, (2 * radius / self.softness) ** 2)
        cover = weight * np.clip((np.maximum(radius, self.softness / 2) - np.sqrt(squares)) / self.softness + 0.5, 0, 1)
        part = self.array[where]
        part += cover * (value - part)

    def threads(self, starts: Points, ends: Points, radii: NDArray[np.float64], *, flatten: float = 1.0) -> Field:
        """How much of each voxel many thin tubes fill, all at once: their bodies are strewn with evenly spread points.

        Args:
            starts, ends: the ends of every piece (n, 3), as points of the body.
            radii: at both ends of every piece (n, 2), in millimetres.
            flatten: below 1, tubes are taller (along z) than wide.
        """
        first, last = self.on_table(starts), self.on_table(ends)
        margin = float(radii.max()) / flatten + self.spacing[0]
        low, high = np.minimum(first, last)[:, 0] - margin, np.maximum(first, last)[:, 0] + margin
        met = (high > self.z[0]) & (low < self.z[-1])
        first, last, radii = first[met], last[met], radii[met]
        way = last - first
        volume = np.pi * np.linalg.norm(way, axis=1) * (radii**2).mean(axis=1) / flatten
        counts = np.maximum(np.ceil(volume * 14 / np.prod(self.spacing)), 6).astype(int)
        piece = np.repeat(np.arange(len(way)), counts)
        turn = np.arange(len(piece))
        along = (turn * 0.7548776662 % 1.0)[:, None]
        radius = radii[piece, 0] + along[:, 0] * (radii[piece, 1] - radii[piece, 0])
        away = radius * np.sqrt(turn * 0.5698402910 % 1.0)
        one, two = _across(way)
        angle = turn * 2.3999632297
        offset = away[:, None] * (np.cos(angle)[:, None] * one[piece] + np.sin(angle)[:, None] * two[piece])
        points = first[piece] + along * way[piece] + offset / (flatten, 1, 1)
        return self._strew(points, (volume / counts)[piece] / float(np.prod(self.spacing)))

    def _strew(self, points: Points, weights: NDArray[np.float64]) -> Field:
        """Share the weight of each point (z, y, x on the table) among the eight voxels around it."""
        starts = np.array([self.z[0], self.rows[0], self.columns[0]])
        place = (points - starts) / self.spacing
        depth, rows, columns = self.array.shape
        kept = np.all((place >= 0) & (place < np.array(self.array.shape) - 1), axis=1)
        place, weights = place[kept], weights[kept]
        base = place.astype(np.int64)
        rest = place - base
        flat = (base[:, 0] * rows + base[:, 1]) * columns + base[:, 2]
        total = np.zeros(self.array.size)
        for z in (0, 1):
            for y in (0, 1):
                for x in (0, 1):
                    corner = np.abs(1 - z - rest[:, 0]) * np.abs(1 - y - rest[:, 1]) * np.abs(1 - x - rest[:, 2])
                    step = (z * rows + y) * columns + x
                    np.add.at(total, flat + step, corner * weights)
        return np.clip(total.reshape(depth, rows, columns), 0, 1).astype(np.float32)

    def egg(self, centre: Sequence[float], radii: Sequence[float], *, turn: float = 0.0) -> Field:
        """Signed distance, nearly, to an ellipsoid that is turned about the axis of the body (negative inside)."""
        across, along = self.x - centre[0], self.y - centre[1]
        cosine, sine = math.cos(turn), math.sin(turn)
        first = ((cosine * across + sine * along) / radii[0]) ** 2
        second = ((cosine * along - sine * across) / radii[1]) ** 2
        third = ((self.heights - centre[2]) / radii[2]) ** 2
        return (np.sqrt(first + second + third) - 1) * np.float32(min(radii))


def _across(way: Points) -> tuple[Points, Points]:
    """Two directions at right angles to each way and to one another."""
    direction = way / np.maximum(np.linalg.norm(way, axis=1, keepdims=True), 1e-9)
    helper = np.where(np.abs(direction[:, :1]) < 0.9, (1.0, 0.0, 0.0), (0.0, 1.0, 0.0))
    one = np.cross(direction, helper)
    one /= np.maximum(np.linalg.norm(one, axis=1, keepdims=True), 1e-9)
    return one, np.cross(direction, one)


def smooth_noise(rng: np.random.Generator, canvas: Canvas, size: float) -> Field:
    """A random field of unit variance whose grains are about `size` millimetres wide."""
    extents = [extent * spacing for extent, spacing in zip(canvas.array.shape, canvas.spacing, strict=True)]
    grains = [int(np.ceil(extent / size)) + 4 for extent in extents]
    values = rng.standard_normal(grains, dtype=np.float32)
    for axis in (2, 1, 0):
        values = _spread(values, axis, canvas.array.shape[axis])
    return values


def _spread(values: Field, axis: int, extent: int) -> Field:
    """Stretch random numbers along an axis: each voxel mixes its four neighbours and keeps their variance.

    Written out, not as a matrix product, so that the result does not depend on the machine's linear algebra.
    """
    place = np.linspace(1.0, values.shape[axis] - 2.001, extent, dtype=np.float32)
    first = place.astype(np.int64) - 1
    gaps = place[:, None] - first[:, None] - np.arange(4, dtype=np.float32)
    weights = np.exp(-((gaps / 0.62) ** 2))
    weights /= np.sqrt((weights**2).sum(axis=1, keepdims=True))
    shape = [extent if one == axis else 1 for one in range(3)]
    parts = (weights[:, step].reshape(shape) * np.take(values, first + step, axis=axis) for step in range(4))
    return np.asarray(sum(parts), dtype=np.float32)
