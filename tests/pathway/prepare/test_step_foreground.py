"""What lies around the object goes, the object stays whole, and in doubt everything stays."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from step_samples import RANDOM, SAMPLES, applied, floats, grey, picture, volume

from isocenter.core.image import Intensity


def bordered(level: float = 0, noise: float = 0) -> np.ndarray:
    """Something of 40 rows and 60 columns at row 20 and column 10, on 100 x 100 of ground."""
    array = (RANDOM.random((100, 100)) * noise + level).astype(np.float32)
    array[20:60, 10:70] = 100 + floats(40, 60) * 0.3
    return array


@pytest.mark.parametrize("level", [0, 250])
@pytest.mark.parametrize("noise", [0, 2])
def test_a_dark_or_bright_border_goes(level: float, noise: float) -> None:
    given_ = bordered(level, noise)
    made = applied("foreground", picture(given_), margin=0.0)
    np.testing.assert_array_equal(made.array[0], given_[20:60, 10:70])
    assert np.shares_memory(made.array, given_)


def test_a_margin_is_kept_as_far_as_the_image_goes() -> None:
    given_ = bordered()
    made = applied("foreground", picture(given_), margin=0.2)
    np.testing.assert_array_equal(made.array[0], given_[12:68, 0:82])


@given(st.tuples(st.integers(0, 99), st.integers(0, 99)), st.integers(10, 255))
def test_no_lone_pixel_is_cut(place: tuple[int, int], value: int) -> None:
    array = np.zeros((100, 100), np.uint8)
    array[40:50, 40:50] = 255
    array[place] = value
    made = applied("foreground", picture(array))
    assert np.count_nonzero(made.array) == np.count_nonzero(array)


def test_a_faint_object_alone_is_found() -> None:
    array = np.zeros((100, 100), np.uint16)
    array[70:72, 30:33] = 1
    assert applied("foreground", picture(array), margin=0.0).array.shape == (1, 2, 3)


@pytest.mark.parametrize("name", sorted(set(SAMPLES) - {"even", "not numbers"}))
def test_noise_from_edge_to_edge_stays_whole(name: str) -> None:
    if min(SAMPLES[name].array.shape[1:]) > 5:
        assert applied("foreground", SAMPLES[name]).array.shape == SAMPLES[name].array.shape


@pytest.mark.parametrize("name", ["even", "even and floating", "no number at all", "one pixel", "even volume"])
def test_an_image_without_object_stays_whole(name: str) -> None:
    assert applied("foreground", SAMPLES[name]) is SAMPLES[name]


def test_an_object_that_fills_the_picture_stays_whole() -> None:
    """A chest from edge to edge: its border is grey, and the darker lungs are no background."""
    chest = np.full((100, 100), 120, np.uint8)
    chest[10:90, 5:40] = 20
    chest[40:60, 45:55] = 250
    image = picture(chest)
    assert applied("foreground", image) is image


def test_what_any_channel_shows_is_kept() -> None:
    array = np.zeros((3, 50, 50), np.uint8)
    array[0, 10:20, 10:20], array[1, 30:35, 40:45] = 200, 100
    made = applied("foreground", picture(array, intensity=Intensity.RGB), margin=0.0)
    np.testing.assert_array_equal(made.array, array[:, 10:35, 10:45])


def test_air_around_a_head_goes_on_all_sides() -> None:
    scan = (RANDOM.random((20, 60, 50)) * 4).astype(np.float32)
    scan[3:, 10:50, 5:40] += 300 + floats(17, 40, 35)
    made = applied("foreground", volume(scan), margin=0.0)
    np.testing.assert_array_equal(made.array[0], scan[3:, 10:50, 5:40])


def test_eight_bits_are_compared_as_numbers() -> None:
    array = np.full((30, 30), 250, np.uint8)
    array[10:20, 10:20] = grey(10, 10) // 2
    assert applied("foreground", picture(array), margin=0.0).array.shape == (1, 10, 10)
