"""Features of pictures: gradients, edges, corners and patterns, against the library or what a drawing must give."""

from __future__ import annotations

import numpy as np
import pytest
from feature_samples import ball, family, noise
from skimage import feature, transform

SMOOTH = transform.resize(noise((6, 6))[0].astype(np.float64), (40, 50), order=3)


def square(brightness: float = 1.0) -> np.ndarray:
    """A bright square of 20 pixels in the dark."""
    picture = np.zeros((1, 40, 40), np.float32)
    picture[0, 10:30, 10:30] = brightness
    return picture


def test_hog_is_that_of_the_library_on_the_grid() -> None:
    one = family("hog")
    picture = noise((32, 32))
    found = one.measure(picture, one.settings(size=32, cell=8, block=2, angles=6))
    stretched = (picture[0] - float(picture.min())) / (float(picture.max()) - float(picture.min()))
    expected = feature.hog(stretched, orientations=6, pixels_per_cell=(8, 8), cells_per_block=(2, 2))
    assert [*found.values()] == pytest.approx(expected, abs=1e-6)
    assert next(iter(found)) == "block_1_1_cell_1_1_angle_1"
    assert [*found][-1] == "block_3_3_cell_2_2_angle_6"


def test_hog_of_a_picture_and_of_one_twice_as_large_are_alike() -> None:
    one = family("hog")
    small = np.array([*one.measure(SMOOTH[None], one.settings()).values()])
    large = np.array([*one.measure(np.kron(SMOOTH, np.ones((2, 2)))[None], one.settings()).values()])
    other = np.array([*one.measure(SMOOTH[None, ::-1], one.settings()).values()])
    assert np.abs(small - large).mean() < 0.1 * np.abs(small - other).mean()


def test_hog_looks_at_the_smallest_part_that_holds_the_mask() -> None:
    one = family("hog")
    picture, mask = noise((30, 20)), np.zeros((30, 20), bool)
    mask[4, 5] = mask[13, 16] = True
    assert one.measure(picture, one.settings(), mask=mask) == one.measure(picture[:, 4:14, 5:17], one.settings())


def test_hog_needs_a_grid_that_holds_a_block() -> None:
    with pytest.raises(ValueError, match="at least cell x block = 32, got 16"):
        family("hog").settings(size=16)


@pytest.mark.parametrize(("down", "along", "angle"), [(0, 3, 1), (3, 0, 5), (2, 2, 3), (-2, 2, 7)])
def test_a_slope_is_as_steep_and_as_turned_as_it_is_drawn(down: float, along: float, angle: int) -> None:
    """Of 8 directions of 22.5 degrees, counted from a change along columns."""
    rows, columns = np.indices((60, 60))
    turn = np.deg2rad(5)  # off the border of two directions
    slope = (down * np.cos(turn) + along * np.sin(turn)) * rows + (along * np.cos(turn) - down * np.sin(turn)) * columns
    one = family("edges")
    mask = np.zeros((60, 60), bool)
    mask[10:-10, 10:-10] = True  # the picture goes on level beyond its border
    found = one.measure(slope[None], one.settings(), mask=mask)
    assert found["steepness"] == pytest.approx(np.hypot(down, along), rel=1e-3)  # a Gaussian is cut off
    assert found[f"angle_{angle}"] == pytest.approx(1)
    assert sum(found[f"angle_{number}"] for number in range(1, 9)) == pytest.approx(1)


def test_edges_are_those_of_canny() -> None:
    one = family("edges")
    found = one.measure(SMOOTH[None], one.settings(blur=2.0, weak=0.05, strong=0.1))
    stretched = (SMOOTH - SMOOTH.min()) / np.ptp(SMOOTH)
    edges = feature.canny(stretched, sigma=2.0, low_threshold=0.05, high_threshold=0.1)
    assert found["share"] == edges.mean() > 0.04
    assert one.measure(square(200), one.settings())["share"] > 0.04
    assert one.measure(square(200), one.settings(), mask=ball((40, 40), 5))["share"] == 0.0


def test_thresholds_of_edges_rise() -> None:
    with pytest.raises(ValueError, match="weak must not be above strong"):
        family("edges").settings(weak=0.3)


def test_a_square_has_four_corners_of_one_strength() -> None:
    one = family("corners")
    found = one.measure(square(7), one.settings())
    assert found["per_thousand_pixels"] == 4 * 1000 / 1600
    assert found["mean_strength"] == pytest.approx(found["largest_strength"])
    assert found["deviation_of_strength"] == pytest.approx(0, abs=1e-12)
    response = feature.corner_harris(square()[0], sigma=1.0, k=0.05)
    assert found["largest_strength"] == pytest.approx(response.max())
    half = np.zeros((40, 40), bool)
    half[:20] = True
    assert one.measure(square(7), one.settings(), mask=half)["per_thousand_pixels"] == 2 * 1000 / 800


def test_the_border_of_a_bright_picture_is_no_corner() -> None:
    picture = np.ones((1, 30, 30), np.float32)
    picture[0, :, :4] = 0.0
    one = family("corners")
    assert set(one.measure(picture, one.settings()).values()) == {0.0}


def test_patterns_are_those_of_the_library() -> None:
    one = family("lbp")
    picture = noise((20, 30))
    found = one.measure(picture, one.settings(radii=(1, 2.5), neighbours=6))
    for radius in (1, 2.5):
        patterns = feature.local_binary_pattern(picture[0], 6, radius, method="uniform")
        shares = np.bincount(patterns.ravel().astype(int), minlength=8) / patterns.size
        assert [found[f"radius_{radius}_pattern_{number}"] for number in range(8)] == pytest.approx(shares)
    assert len(found) == 16


def test_patterns_count_brighter_neighbours_in_a_row() -> None:
    picture = np.array([[[9, 9, 9], [1, 5, 1], [1, 1, 1]]], np.uint8)
    mask = np.zeros((3, 3), bool)
    mask[1, 1] = True
    one = family("lbp")
    # of 4 neighbours one is brighter, or all of them, or two that are not side by side
    settings = one.settings(radii=(1,), neighbours=4)
    assert one.measure(picture, settings, mask=mask)["radius_1_pattern_1"] == 1
    assert one.measure(10 - picture, settings, mask=mask)["radius_1_pattern_3"] == 1
    crossed = np.array([[[0, 9, 0], [1, 5, 1], [0, 9, 0]]], np.uint8)
    assert one.measure(crossed, settings, mask=mask)["radius_1_pattern_5"] == 1


def test_patterns_do_not_change_with_brightness_and_contrast() -> None:
    one = family("lbp")
    assert one.measure(SMOOTH[None], one.settings()) == one.measure(SMOOTH[None] * 4 - 8, one.settings())


@pytest.mark.parametrize("name", ["hog", "edges", "corners", "lbp"])
def test_of_a_volume_three_planes_are_measured(name: str) -> None:
    one = family(name)
    volume = noise((7, 10, 12), 2)
    planes = {"slice": volume[:, 3], "row": volume[:, :, 5], "column": volume[:, :, :, 6]}
    expected = {
        f"{lead}_{key}": value
        for lead, plane in planes.items()
        for key, value in one.measure(plane, one.settings()).items()
    }
    assert one.measure(volume, one.settings()) == expected


@pytest.mark.parametrize("name", ["hog", "edges", "corners", "lbp"])
def test_of_a_mask_in_a_volume_the_planes_where_it_is_largest(name: str) -> None:
    one = family(name)
    volume, mask = noise((7, 10, 12)), np.zeros((7, 10, 12), bool)
    mask[1, 2:6, 8:11] = mask[2, 2, 8] = True
    mask[1, 3, 4] = True
    found = one.measure(volume, one.settings(), mask=mask)
    expected = one.measure(volume[:, 1], one.settings(), mask=mask[1])
    assert {key: found[f"slice_{key}"] for key in expected} == expected
    expected = one.measure(volume[:, :, 3], one.settings(), mask=mask[:, 3])
    assert {key: found[f"row_{key}"] for key in expected} == expected
