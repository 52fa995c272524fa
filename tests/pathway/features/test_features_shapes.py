"""Shapes: bodies whose size is known, surfaces of scikit-image, and distances measured pair by pair."""

from __future__ import annotations

from itertools import combinations, product

import numpy as np
import pytest
from feature_samples import Array, ball, family
from scipy.spatial.distance import pdist
from skimage import measure

from isocenter.pathway.features.shape.surface import outline, surface

SPACING = np.array([2.5, 0.8, 0.7])
RAGGED = np.random.default_rng(2).random((7, 9, 8)) < 0.4


def shape(mask: Array, spacing: Array | None = None) -> dict[str, float]:
    one = family("shape")
    return one.measure(np.zeros((1, *mask.shape)), one.settings(), mask=mask, spacing=spacing)


def meshed(mask: Array, spacing: Array) -> tuple[float, float]:
    """Volume and surface by the library, for a mask that leaves nothing open."""
    points, triangles, _, _ = measure.marching_cubes(
        np.pad(mask, 1).astype(np.float32), 0.5, spacing=tuple(spacing), method="lorensen"
    )
    corners = points[triangles].astype(np.float64)
    return abs(np.linalg.det(corners).sum()) / 6, measure.mesh_surface_area(points, triangles)


def test_a_smooth_body_has_the_surface_that_the_library_finds() -> None:
    mask = ball((25, 31, 33), 11.3)
    found = surface(mask, SPACING)
    volume, area = meshed(mask, SPACING)
    assert found.content == pytest.approx(volume, rel=1e-6)
    assert found.boundary == pytest.approx(area, rel=1e-6)
    assert found.content == pytest.approx(4 / 3 * np.pi * 11.3**3 * SPACING.prod(), rel=0.02)


def test_pixels_that_touch_along_an_edge_or_at_a_corner_are_parted_in_every_direction() -> None:
    alone = np.zeros((2, 2, 2), bool)
    alone[0, 0, 0] = True
    one = surface(alone, SPACING)
    assert one.content == pytest.approx(SPACING.prod() / 6)
    for first, second in combinations(product((0, 1), repeat=3), 2):
        if np.abs(np.subtract(first, second)).sum() > 1:
            both = np.zeros((2, 2, 2), bool)
            both[first] = both[second] = True
            assert surface(both, SPACING) == pytest.approx((2 * one.content, 2 * one.boundary))


def test_a_volume_lies_between_none_and_all_of_its_pixels() -> None:
    found = shape(RAGGED, SPACING)
    assert 0 < found["mesh_volume"] < found["voxel_volume"]
    assert found["voxel_volume"] == pytest.approx(RAGGED.sum() * SPACING.prod())


def test_what_is_inside_of_a_hole_is_what_is_missing() -> None:
    whole, hole = np.ones((7, 7, 7), bool), np.zeros((7, 7, 7), bool)
    hole[2:5, 3:5, 3] = True
    full, missing, rest = (surface(one, SPACING) for one in (whole, hole, whole & ~hole))
    assert rest.content == pytest.approx(full.content - missing.content)
    assert rest.boundary == pytest.approx(full.boundary + missing.boundary)


@pytest.mark.parametrize("mask", [RAGGED[3], ball((21, 22), 9)], ids=["ragged", "disc"])
def test_a_flat_region_is_bounded_by_the_lines_that_the_library_draws(mask: Array) -> None:
    spacing = np.array([0.9, 0.4])
    found = shape(mask, spacing)
    lines = [line * spacing for line in measure.find_contours(np.pad(mask, 1).astype(float), 0.5)]
    length = sum(np.linalg.norm(np.diff(line, axis=0), axis=1).sum() for line in lines)
    area = abs(sum(np.linalg.det(np.stack((line[:-1], line[1:]), axis=1)).sum() / 2 for line in lines))
    assert found["perimeter"] == pytest.approx(length)
    assert found["mesh_surface"] == pytest.approx(area)
    assert found["pixel_surface"] == pytest.approx(mask.sum() * 0.36)
    assert found["perimeter_surface_ratio"] == pytest.approx(length / area)
    assert found["sphericity"] == pytest.approx(2 * np.sqrt(np.pi * area) / length)
    assert found["maximum_diameter"] == pytest.approx(pdist(np.concatenate(lines)).max())


@pytest.mark.parametrize("mask", [RAGGED, ball((7, 9, 8), 3.1)], ids=["ragged", "ball"])
def test_diameters_are_the_largest_distances_on_the_surface(mask: Array) -> None:
    found = shape(mask, SPACING)
    points, _, _, _ = measure.marching_cubes(np.pad(mask, 1).astype(np.float32), 0.5, method="lorensen")
    points = np.unique(points.astype(np.float64), axis=0)
    assert found["maximum_3d_diameter"] == pytest.approx(pdist(points * SPACING).max())
    for axis, name in enumerate(("slice", "column", "row")):
        planes = [points[points[:, axis] == place] * SPACING for place in np.unique(points[:, axis])]
        widest = max(pdist(plane).max() for plane in planes if len(plane) > 1)
        assert found[f"maximum_2d_diameter_{name}"] == pytest.approx(widest)


def test_the_outline_lies_halfway_between_pixels_that_differ() -> None:
    points, _, _, _ = measure.marching_cubes(np.pad(RAGGED, 1).astype(np.float32), 0.5, method="lorensen")
    assert {tuple(point) for point in outline(RAGGED)} == {tuple(point) for point in points.astype(float)}


def test_axes_follow_the_longest_direction_however_it_lies() -> None:
    rows, columns = np.indices((80, 80)) - 39.5
    turned = (rows + columns) / np.sqrt(2), (rows - columns) / np.sqrt(2)
    found = shape((turned[0] / 30) ** 2 + (turned[1] / 12) ** 2 <= 1, np.array([0.5, 0.5]))
    assert found["major_axis_length"] == pytest.approx(30, rel=0.01)
    assert found["minor_axis_length"] == pytest.approx(12, rel=0.01)
    assert found["elongation"] == pytest.approx(12 / 30, rel=0.02)


def test_a_box_has_its_axes_and_its_ratios() -> None:
    box = np.ones((4, 6, 10), bool)
    found = shape(box, np.ones(3))
    # evenly spread steps from 0 to n - 1 have the variance (n^2 - 1) / 12
    least, minor, major = (4 * np.sqrt((length**2 - 1) / 12) for length in (4, 6, 10))
    assert found["least_axis_length"] == pytest.approx(least)
    assert found["minor_axis_length"] == pytest.approx(minor)
    assert found["major_axis_length"] == pytest.approx(major)
    assert found["elongation"] == pytest.approx(minor / major)
    assert found["flatness"] == pytest.approx(least / major)
    assert found["surface_volume_ratio"] == pytest.approx(found["surface_area"] / found["mesh_volume"])
    roundness = (36 * np.pi * found["mesh_volume"] ** 2) ** (1 / 3) / found["surface_area"]
    assert found["sphericity"] == pytest.approx(roundness)


def test_a_single_pixel_has_no_axis_and_is_not_elongated() -> None:
    found = shape(np.ones((1, 1, 1), bool), SPACING)
    assert [found[f"{name}_axis_length"] for name in ("major", "minor", "least")] == [0, 0, 0]
    assert (found["elongation"], found["flatness"]) == (1, 1)
    assert found["maximum_3d_diameter"] == pytest.approx(2.5)


def test_a_row_of_pixels_is_as_flat_as_can_be() -> None:
    found = shape(np.ones((1, 1, 9), bool))
    assert (found["elongation"], found["flatness"]) == (0, 0)


def test_the_image_itself_and_its_place_in_it_do_not_count() -> None:
    one = family("shape")
    mask = np.zeros((12, 13, 14), bool)
    mask[3:10, 2:11, 4:12] = RAGGED
    image = np.random.default_rng(1).random((2, *mask.shape))
    assert one.measure(image, one.settings(), mask=mask, spacing=SPACING) == shape(RAGGED, SPACING)
