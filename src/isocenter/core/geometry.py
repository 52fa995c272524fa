"""Where an image lies in the patient: one affine, in millimetres, LPS (x to the Left, y to Posterior, z to Superior).

The affine maps an index (x, y, z) = (column, row, slice) to a point. Arrays are stored the other way round
(..., Z, Y, X), as in memory; `Geometry` is the only place that knows both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

Affine = NDArray[np.float64]

# NIfTI, nibabel and most of neuroimaging count x to the Right and y to Anterior.
_RAS_TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
_LETTERS = (("R", "L"), ("A", "P"), ("I", "S"))


@dataclass(frozen=True, slots=True)
class Geometry:
    """Position, direction and spacing of a grid of voxels, and which of them are really known.

    Attributes:
        affine: 4 x 4, index (x, y, z) to LPS millimetres.
        spacing_known: False where a file does not say how large a pixel is (a photograph, most PNGs); the affine
            then holds 1 mm as a unit of drawing, never as a measurement.
        placed: True where position and direction in the patient are known.
    """

    affine: Affine
    spacing_known: bool = True
    placed: bool = True

    def __post_init__(self) -> None:
        affine = np.array(self.affine, dtype=np.float64)
        if affine.shape != (4, 4) or not np.isfinite(affine).all():
            raise ValueError(f"affine must be a finite 4 x 4 matrix, got shape {affine.shape}")
        if not np.allclose(affine[3], (0, 0, 0, 1)):
            raise ValueError(f"the last row of an affine must be (0, 0, 0, 1), got {affine[3]}")
        if abs(np.linalg.det(affine[:3, :3])) < 1e-12:
            raise ValueError("affine must be invertible: two axes of the image fall together")
        affine.setflags(write=False)
        object.__setattr__(self, "affine", affine)

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Geometry)
            and (self.spacing_known, self.placed) == (other.spacing_known, other.placed)
            and np.array_equal(self.affine, other.affine)
        )

    def __hash__(self) -> int:
        return hash((self.affine.tobytes(), self.spacing_known, self.placed))

    @classmethod
    @cache
    def unknown(cls) -> Geometry:
        """The geometry of a picture that says nothing of its size or place."""
        return cls(np.eye(4), spacing_known=False, placed=False)

    @classmethod
    def sized(cls, spacing: Sequence[float]) -> Geometry:
        """A known pixel size (x, y[, z] in mm) at an unknown place."""
        return cls(np.diag([*spacing, *([1.0] * (4 - len(spacing)))]), placed=False)

    @classmethod
    def from_parts(cls, *, origin: Sequence[float], spacing: Sequence[float], direction: Any) -> Geometry:
        """From the centre of the first voxel, spacing (x, y, z) and a 3 x 3 matrix whose columns are the axes."""
        affine = np.eye(4)
        affine[:3, :3] = np.asarray(direction, dtype=float).reshape(3, 3) * np.asarray(spacing, dtype=float)
        affine[:3, 3] = origin
        return cls(affine)

    @classmethod
    def from_ras(cls, affine: Any, *, spacing_known: bool = True, placed: bool = True) -> Geometry:
        """From an affine in the RAS convention (NIfTI)."""
        return cls(_RAS_TO_LPS @ np.asarray(affine, dtype=np.float64), spacing_known, placed)

    def to_ras(self) -> Affine:
        """The same affine in the RAS convention (NIfTI)."""
        return np.asarray(_RAS_TO_LPS @ self.affine, dtype=np.float64)

    @property
    def origin(self) -> tuple[float, float, float]:
        """The centre of voxel (0, 0, 0) in LPS millimetres."""
        x, y, z = (float(value) for value in self.affine[:3, 3])
        return x, y, z

    @property
    def spacing(self) -> tuple[float, float, float]:
        """Distance between voxel centres along x (columns), y (rows) and z (slices), in millimetres."""
        x, y, z = (float(value) for value in np.linalg.norm(self.affine[:3, :3], axis=0))
        return x, y, z

    @property
    def direction(self) -> Affine:
        """3 x 3, the unit vector of each index axis as a column."""
        return np.asarray(self.affine[:3, :3] / np.asarray(self.spacing), dtype=np.float64)

    @property
    def orientation(self) -> str:
        """Three letters: towards which side x, y and z grow, such as LPS or RAS; nearest axis where oblique."""
        letters = []
        for column, axis in enumerate(_axis_order(self.direction)):
            letters.append(_LETTERS[axis][int(self.direction[axis, column] > 0)])
        return "".join(letters)

    @property
    def is_orthogonal(self) -> bool:
        """Whether the three axes stand at right angles; a tilted gantry makes them lean."""
        direction = self.direction
        return bool(np.allclose(direction.T @ direction, np.eye(3), atol=1e-3))

    def points(self, indices: Any) -> NDArray[np.float64]:
        """LPS millimetres of indices (..., 3) in the order x, y, z."""
        return np.asarray(np.asarray(indices) @ self.affine[:3, :3].T + self.affine[:3, 3], dtype=np.float64)

    def indices(self, points: Any) -> NDArray[np.float64]:
        """Indices (x, y, z), not rounded, of points (..., 3) in LPS millimetres."""
        inverse = np.linalg.inv(self.affine)
        return np.asarray(np.asarray(points) @ inverse[:3, :3].T + inverse[:3, 3], dtype=np.float64)

    def matches(self, other: Geometry, *, tolerance: float = 1e-3) -> bool:
        """Whether both grids lie at the same place to within `tolerance` millimetres."""
        return bool(np.allclose(self.affine, other.affine, rtol=0, atol=tolerance))

    def shifted(self, start: Sequence[int]) -> Geometry:
        """The geometry after cropping so that index `start` (x, y, z) becomes the first voxel."""
        affine = self.affine.copy()
        affine[:3, 3] = self.points(np.asarray(start, dtype=float))
        return replace(self, affine=affine)

    def regridded(self, size: Sequence[int], steps: Sequence[int]) -> Geometry:
        """The geometry after the extent of `size` (x, y, z) voxels is divided into `steps` of them instead.

        The outer edges of the image stay where they are; centres and distances of its voxels move.
        """
        factors = np.asarray(size, dtype=float) / np.asarray(steps, dtype=float)
        affine = self.affine.copy()
        affine[:3, :3] = affine[:3, :3] * factors
        affine[:3, 3] = self.points((factors - 1) / 2)
        return replace(self, affine=affine)

    def rearranged(self, order: Sequence[int], flips: Sequence[bool], size: Sequence[int]) -> Geometry:
        """The geometry after index axes are taken in `order` and then flipped; `size` is the old (x, y, z)."""
        columns = [self.affine[:3, axis] for axis in order]
        origin = self.affine[:3, 3].copy()
        for position, axis in enumerate(order):
            if flips[position]:
                origin = origin + columns[position] * (size[axis] - 1)
                columns[position] = -columns[position]
        affine = np.eye(4)
        affine[:3, :3] = np.stack(columns, axis=1)
        affine[:3, 3] = origin
        return replace(self, affine=affine)

    def steps_to(self, orientation: str) -> tuple[tuple[int, ...], tuple[bool, ...]]:
        """Which axes to take in which order, and which to flip, so that x, y, z grow towards `orientation`."""
        wanted = [_letter_axis(letter) for letter in orientation.upper()]
        if sorted(axis for axis, _ in wanted) != [0, 1, 2]:
            raise ValueError(f"orientation must name each body axis once, such as LPS, got {orientation}")
        current = _axis_order(self.direction)
        order = tuple(current.index(axis) for axis, _ in wanted)
        flips = tuple(
            bool(self.direction[axis, order[position]] > 0) != positive
            for position, (axis, positive) in enumerate(wanted)
        )
        return order, flips


def _axis_order(direction: Affine) -> list[int]:
    """The body axis (0 left, 1 posterior, 2 superior) that each index axis runs along, each named once."""
    strength = np.abs(direction).copy()
    axes = [-1, -1, -1]
    for _ in range(3):
        body, index = np.unravel_index(int(np.argmax(strength)), strength.shape)
        axes[int(index)] = int(body)
        strength[body, :] = -1
        strength[:, index] = -1
    return axes


def _letter_axis(letter: str) -> tuple[int, bool]:
    for axis, pair in enumerate(_LETTERS):
        if letter in pair:
            return axis, pair.index(letter) == 1
    raise ValueError(f"orientation letters are R L A P I S, got {letter!r}")
