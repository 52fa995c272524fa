"""A grid of voxels keeps its place in the patient, however its axes are taken and flipped."""

from __future__ import annotations

from itertools import permutations, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from isocenter.core.geometry import Geometry

ORIENTATIONS = [
    "".join(letters) for order in permutations((("R", "L"), ("A", "P"), ("I", "S"))) for letters in product(*order)
]
"""The 48 ways to lay three axes along the body."""

MILLIMETRES = st.floats(-500, 500)
STEPS = st.floats(0.1, 10)
ANGLES = st.floats(-3.2, 3.2)


def rotation(x: float, y: float, z: float) -> NDArray[np.float64]:
    """A turn about each axis in radians."""
    (cx, cy, cz), (sx, sy, sz) = np.cos((x, y, z)), np.sin((x, y, z))
    about_x = np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_z = np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]])
    return np.asarray(about_z @ about_y @ about_x)


@st.composite
def geometries(draw: st.DrawFn) -> Geometry:
    """Oblique and anisotropic grids anywhere."""
    direction = rotation(*(draw(ANGLES) for _ in range(3)))
    flips = np.diag([draw(st.sampled_from((-1.0, 1.0))) for _ in range(3)])
    return Geometry.from_parts(
        origin=[draw(MILLIMETRES) for _ in range(3)],
        spacing=[draw(STEPS) for _ in range(3)],
        direction=direction @ flips,
    )


INDICES = st.lists(st.tuples(*[st.integers(0, 300)] * 3), min_size=1, max_size=5)


def test_there_are_48_orientations() -> None:
    assert len(set(ORIENTATIONS)) == 48


@given(geometries(), INDICES)
def test_points_and_indices_are_each_others_inverse(geometry: Geometry, indices: list[tuple[int, int, int]]) -> None:
    np.testing.assert_allclose(geometry.indices(geometry.points(indices)), indices, atol=1e-6)


@given(geometries())
def test_ras_and_back_is_the_same(geometry: Geometry) -> None:
    assert Geometry.from_ras(geometry.to_ras()).matches(geometry, tolerance=1e-9)


@given(geometries())
def test_parts_make_the_same_geometry_again(geometry: Geometry) -> None:
    again = Geometry.from_parts(origin=geometry.origin, spacing=geometry.spacing, direction=geometry.direction)
    assert again.matches(geometry, tolerance=1e-9)
    assert geometry.is_orthogonal


@given(geometries(), st.sampled_from(ORIENTATIONS), st.tuples(*[st.integers(1, 9)] * 3), st.data())
def test_a_voxel_stays_where_it_is_when_axes_turn(
    geometry: Geometry, orientation: str, size: tuple[int, int, int], data: st.DataObject
) -> None:
    order, flips = geometry.steps_to(orientation)
    turned = geometry.rearranged(order, flips, size)
    index = [data.draw(st.integers(0, steps - 1)) for steps in size]
    moved = [size[axis] - 1 - index[axis] if flip else index[axis] for axis, flip in zip(order, flips, strict=True)]
    np.testing.assert_allclose(turned.points(moved), geometry.points(index), atol=1e-6)
    assert turned.orientation == orientation


@given(geometries(), st.tuples(*[st.integers(0, 20)] * 3))
def test_a_crop_leaves_every_voxel_in_place(geometry: Geometry, start: tuple[int, int, int]) -> None:
    cropped = geometry.shifted(start)
    np.testing.assert_allclose(cropped.points((1, 2, 3)), geometry.points(np.add(start, (1, 2, 3))), atol=1e-6)
    assert cropped.spacing == geometry.spacing


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_the_letters_say_towards_which_side_the_axes_grow(orientation: str) -> None:
    sides = {"L": (0, 1), "R": (0, -1), "P": (1, 1), "A": (1, -1), "S": (2, 1), "I": (2, -1)}
    direction = np.zeros((3, 3))
    for column, letter in enumerate(orientation):
        body, sign = sides[letter]
        direction[body, column] = sign
    geometry = Geometry.from_parts(origin=(1, 2, 3), spacing=(0.5, 0.7, 3), direction=direction)
    assert geometry.orientation == orientation
    assert geometry.steps_to(orientation) == ((0, 1, 2), (False, False, False))
    assert Geometry.from_ras(geometry.to_ras()).orientation == orientation


def test_an_oblique_grid_is_named_for_the_nearest_axes_each_once() -> None:
    # A turn of 45 degrees lies half-way between two axes: the letters must still name three different ones.
    geometry = Geometry.from_parts(origin=(0, 0, 0), spacing=(1, 1, 1), direction=rotation(0, 0, np.pi / 4))
    assert sorted("RLAPIS".index(letter) // 2 for letter in geometry.orientation) == [0, 1, 2]


def test_lps_is_the_inner_convention() -> None:
    # RAS counts x to the Right and y to Anterior: a voxel 10 mm to the left of the origin has x = -10 there.
    ras = np.eye(4)
    ras[:3, 3] = (-10, -20, 30)
    geometry = Geometry.from_ras(ras)
    assert geometry.origin == (10, 20, 30)
    assert geometry.orientation == "RAS"


def test_a_leaning_grid_is_not_orthogonal() -> None:
    affine = np.eye(4)
    affine[1, 2] = np.tan(np.radians(12))
    assert not Geometry(affine).is_orthogonal


def test_what_is_not_known_is_not_claimed() -> None:
    photograph = Geometry.unknown()
    assert (photograph.spacing_known, photograph.placed) == (False, False)
    radiograph = Geometry.sized((0.14, 0.14))
    assert (radiograph.spacing_known, radiograph.placed) == (True, False)
    assert radiograph.spacing == (0.14, 0.14, 1.0)
    assert Geometry.sized((1, 2, 3)).spacing == (1, 2, 3)
    assert Geometry.from_ras(np.eye(4), spacing_known=False, placed=False) != Geometry.from_ras(np.eye(4))


def test_matching_is_in_millimetres() -> None:
    one = Geometry.from_parts(origin=(1000, 0, 0), spacing=(1, 1, 1), direction=np.eye(3))
    other = one.shifted((0.002, 0, 0))
    assert one.matches(other, tolerance=0.01)
    assert not one.matches(other)


def test_equal_geometries_are_one_key_and_others_are_not() -> None:
    one, same = Geometry(np.eye(4)), Geometry(np.eye(4, dtype=np.float32))
    assert one == same
    assert len({one, same, Geometry.unknown()}) == 2
    assert one != Geometry(2 * np.eye(4) - np.diag([0, 0, 0, 1]))
    assert one != "a geometry"


def test_nobody_can_change_it_afterwards() -> None:
    mine = np.eye(4)
    geometry = Geometry(mine)
    mine[0, 0] = 5
    assert geometry.spacing == (1, 1, 1)
    with pytest.raises(ValueError, match="read-only"):
        geometry.affine[0, 0] = 5


@pytest.mark.parametrize(
    ("affine", "words"),
    [
        (np.eye(3), "4 x 4"),
        (np.full((4, 4), np.nan), "finite"),
        (np.ones((4, 4)), "last row"),
        (np.diag([1.0, 1.0, 0.0, 1.0]), "invertible"),
    ],
)
def test_what_is_no_geometry_is_refused(affine: NDArray[np.float64], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Geometry(affine)


@pytest.mark.parametrize(("orientation", "words"), [("LPX", "letters"), ("LRS", "once"), ("LP", "once")])
def test_what_is_no_orientation_is_refused(orientation: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Geometry(np.eye(4)).steps_to(orientation)
