"""The surface of a mask by marching cubes, and its outline by marching squares.

A mask has two values, so the surface passes through the middle of every edge of the grid whose ends differ, and a cell
between 8 pixels looks in one of 256 ways. So a mask is measured by counting its cells of each way. Where pixels touch
along an edge or at a corner only, a cell leaves open which of them belong together. Lorensen and Cline part those of
which there are fewer, inside or outside; this is done here in every direction alike. Pyradiomics does so in some
directions only, which leaves gaps: the surface of its example with the most ragged mask differs by 0.05 %, the volume
by 0.04 %, and of a mask of scattered pixels it may find a volume below 0, where this finds that of each.
"""

from __future__ import annotations

from functools import cache
from itertools import product
from typing import NamedTuple

import numpy as np

from isocenter.pathway.features._shared import Array, Floats, Mask


class Surface(NamedTuple):
    """What a region contains and what bounds it: volume and area, or area and perimeter."""

    content: float
    boundary: float


def surface(mask: Mask, spacing: Floats) -> Surface:
    """Measure a region.

    Args:
        mask: ([slices,] rows, columns).
        spacing: lengths along these.
    """
    patches = _patches(mask.ndim)
    counts = np.bincount(_ways(mask).ravel(), minlength=len(patches.content))
    boundary = float(counts[patches.way] @ _extents(patches.pieces * spacing))
    return Surface(float(counts @ patches.content) * float(spacing.prod()), boundary)


def outline(mask: Mask) -> Floats:
    """Every point of the surface on the grid, in steps of the grid: halfway between two pixels that differ."""
    padded = np.pad(mask, 1)
    found = []
    for axis in range(mask.ndim):
        points = np.argwhere(np.diff(padded, axis=axis)).astype(np.float64)
        points[:, axis] += 0.5
        found.append(points)
    return np.concatenate(found)


def _ways(mask: Mask) -> Array:
    """For each cell between neighbouring pixels, which of them lie inside: a binary digit for each corner."""
    padded = np.pad(mask, 1).astype(np.uint8)
    ways = np.zeros([length - 1 for length in padded.shape], np.uint8)
    for digit, corner in enumerate(_corners(mask.ndim)):
        part = tuple(slice(one, one + length) for one, length in zip(corner, ways.shape, strict=True))
        ways |= padded[part] << digit
    return ways


def _corners(dimensions: int) -> list[tuple[int, ...]]:
    return list(product((0, 1), repeat=dimensions))


class _Patches(NamedTuple):
    """What each way of a cell holds.

    Attributes:
        content: (ways,) share of the cell that lies inside.
        pieces: (pieces, corners, axes) the triangles, or stretches of line, of all ways, in cells of length 1.
        way: (pieces,) the way to which each belongs.
    """

    content: Floats
    pieces: Floats
    way: Array


@cache
def _patches(dimensions: int) -> _Patches:
    corners = 2**dimensions
    ways = 2**corners
    content, pieces, owners = np.zeros(ways), [], []
    for way in range(ways):
        few = way.bit_count() <= corners // 2
        fewer = way if few else ways - 1 - way
        own = _pieces(fewer, dimensions)
        share = _share(fewer, own)
        content[way] = share if few else 1.0 - share
        pieces.append(own)
        owners.append(np.full(len(own), way))
    return _Patches(content, np.concatenate(pieces), np.concatenate(owners))


def _pieces(way: int, dimensions: int) -> Floats:
    """The surface inside a cell of which at most half the corners lie inside, these parted: (pieces, corners, axes)."""
    from skimage.measure import find_contours, marching_cubes

    if way == 0:
        return np.empty((0, dimensions, dimensions))
    cell = np.array([way >> digit & 1 for digit in range(2**dimensions)], np.float32).reshape((2,) * dimensions)
    if dimensions == 2:
        lines = find_contours(cell, 0.5, fully_connected="low")
        return np.concatenate([np.stack((line[:-1], line[1:]), axis=1) for line in lines])
    points, triangles, _, _ = marching_cubes(cell, 0.5, method="lorensen")
    found: Floats = points[triangles].astype(np.float64)
    return found


def _share(way: int, pieces: Floats) -> float:
    """The share of a cell that lies inside, by the divergence theorem: what its surface and its far sides enclose."""
    dimensions = pieces.shape[-1]
    enclosed = -float(np.linalg.det(pieces).sum()) / (dimensions - 1)
    corners = np.array([way >> digit & 1 for digit in range(2**dimensions)]).reshape((2,) * dimensions)
    for axis in range(dimensions):
        enclosed += _side(corners.take(1, axis=axis).ravel())
    return float(enclosed / dimensions)


def _side(corners: Array) -> float:
    """The share of a side of a cell that lies inside: of a line between two pixels, or of a square between four."""
    if len(corners) == 2:
        return float(corners.mean())
    return float(_patches(2).content[int(corners @ (1 << np.arange(4)))])


def _extents(pieces: Floats) -> Floats:
    """The length of each stretch of line, the area of each triangle."""
    sides = pieces[:, 1:] - pieces[:, :1]
    if pieces.shape[-1] == 2:
        lengths: Floats = np.linalg.norm(sides[:, 0], axis=1)
        return lengths
    areas: Floats = np.linalg.norm(np.cross(sides[:, 0], sides[:, 1]), axis=1) / 2.0
    return areas
