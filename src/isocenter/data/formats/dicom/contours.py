"""Filling outlines: which voxels lie inside the contours that a person drew slice by slice."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from isocenter.core.errors import GeometryRefused
from isocenter.core.geometry import Geometry
from isocenter.core.words import counted

_DIGITS = 5
"""Decimals of a voxel that count: below them lies the noise of the arithmetic, which must not move an edge."""

_HALF = 0.5 + 1e-3
"""Slice spacings."""

_BESIDE = 0.01
"""Millimetres."""


@dataclass(frozen=True, slots=True)
class Contour:
    """One closed outline: its points (N, 3) in LPS millimetres and the images that it was drawn on."""

    points: NDArray[np.float64]
    instances: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Filled:
    """The voxels (Z, Y, X) inside a region's contours, and what a person should know of them."""

    mask: NDArray[np.bool_]
    notes: tuple[str, ...]


def fill(
    name: str,
    contours: tuple[Contour, ...],
    *,
    geometry: Geometry,
    shape: tuple[int, int, int],
    slices: Mapping[str, int],
    path: object,
) -> Filled:
    """Fill the contours of one region, even-odd: an outline inside another is a hole.

    A voxel belongs to the region where its centre lies inside. A centre on an outline belongs to the side on which x
    and y grow, so that two regions that share an edge share no voxel.

    Args:
        name: the region, for messages.
        contours: its closed outlines.
        geometry: the grid to fill.
        shape: its size along z, y, x.
        slices: image instance to its slice, where contours name the image that they were drawn on.
        path: the file, for messages.
    """
    mask = np.zeros(shape, dtype=np.bool_)
    crossing: set[int] = set()
    placed = {
        (step, corners.tobytes()): (step, corners)  # the same outline twice would cut itself out
        for step, corners in (_placed(name, one, geometry, shape[0], slices, path) for one in contours)
    }
    # Large before small, so that an outline lies wholly inside or wholly outside those before it, unless they cross.
    for step, corners in sorted(placed.values(), key=lambda item: -_area(item[1])):
        (rows, columns), inside = polygon(corners[:, :2], shape[1:])
        window = mask[step, rows, columns]
        if inside.any() and 0 < int((window & inside).sum()) < int(inside.sum()):
            crossing.add(step)
        window ^= inside
    beside = max((float(np.abs(corners[:, 2] - step).max()) for step, corners in placed.values()), default=0.0)
    steps = {step for step, _ in placed.values()}
    return Filled(mask, tuple(_notes(name, mask, steps, crossing, beside * geometry.spacing[2])))


def _notes(name: str, mask: NDArray[np.bool_], steps: set[int], crossing: set[int], beside: float) -> Iterator[str]:
    if crossing:
        yield f"outlines of `{name}` cross on {counted(len(crossing), 'slice')}; what two of them enclose is outside"
    if beside > _BESIDE:
        yield f"outlines of `{name}` lie up to {beside:.2g} mm beside their slices"
    missing = max(steps) - min(steps) + 1 - len(steps) if steps else 0
    if missing:
        yield f"`{name}` has no outline on {counted(missing, 'slice')} between its first and its last"
    if not mask.any():
        yield f"`{name}` is so small that the centre of no voxel lies inside"


def _placed(
    name: str, contour: Contour, geometry: Geometry, steps: int, slices: Mapping[str, int], path: object
) -> tuple[int, NDArray[np.float64]]:
    """The slice of a contour and its corners in voxels; refused where it does not lie on one slice."""
    corners = np.round(geometry.indices(contour.points), _DIGITS)
    depths = corners[:, 2]
    named = next((slices[instance] for instance in contour.instances if instance in slices), None)
    step = named if named is not None else int(np.rint(depths.mean()))
    if not 0 <= step < steps:
        raise GeometryRefused(
            f"{path}",
            why=f"an outline of `{name}` lies outside the image (slice {step + 1} of {steps})",
            remedy="Take in the whole series that it was drawn on",
        )
    away = float(np.abs(depths - step).max())
    if away > _HALF:
        raise GeometryRefused(
            f"{path}",
            why=f"an outline of `{name}` leaves slice {step + 1} by {away:.2f} slice spacings",
            remedy="Only outlines drawn on the slices of the image can be filled",
        )
    return step, corners


def _area(corners: NDArray[np.float64]) -> float:
    x, y = corners[:, 0], corners[:, 1]
    return abs(float(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1)))) / 2


def polygon(corners: NDArray[np.float64], shape: tuple[int, int]) -> tuple[tuple[slice, slice], NDArray[np.bool_]]:
    """The pixels whose centres lie inside a polygon (even-odd), and the window of the image that they are in.

    Args:
        corners: (N, 2) in pixels, x then y; the last is joined to the first.
        shape: rows and columns of the image; what lies outside is cut off.
    """
    top, bottom = _span(corners[:, 1], shape[0])
    left, right = _span(corners[:, 0], shape[1])
    height, width = bottom - top, right - left
    window = (slice(top, bottom), slice(left, right))
    toggles = np.zeros((height, width + 1), dtype=np.int32)
    ends = np.roll(corners, -1, axis=0)
    # Every edge runs from its upper to its lower end, so that the two sides of a keyhole's slit are the same numbers.
    down = corners[:, 1] <= ends[:, 1]
    upper, lower = np.where(down[:, None], corners, ends), np.where(down[:, None], ends, corners)
    first = np.clip(np.ceil(upper[:, 1]), top, bottom).astype(np.int64)
    last = np.clip(np.ceil(lower[:, 1]), top, bottom).astype(np.int64)
    edge = np.repeat(np.arange(len(corners)), last - first)
    row = np.arange(len(edge)) - np.repeat(np.cumsum(last - first) - (last - first), last - first) + first[edge]
    slope = (lower[edge, 0] - upper[edge, 0]) / (lower[edge, 1] - upper[edge, 1])
    crossing = np.round(upper[edge, 0] + (row - upper[edge, 1]) * slope, _DIGITS)
    column = np.clip(np.ceil(crossing), left, right).astype(np.int64)
    np.add.at(toggles, (row - top, column - left), 1)
    return window, np.cumsum(toggles, axis=1)[:, :width] % 2 == 1


def _span(values: NDArray[np.float64], size: int) -> tuple[int, int]:
    low = int(np.clip(np.floor(values.min()), 0, size))
    return low, int(np.clip(np.ceil(values.max()) + 1, low, size))
