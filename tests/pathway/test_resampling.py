"""Another number of pixels shows the same picture: means are kept, fine patterns fade, labels stay labels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from isocenter.pathway.resampling import nearest, resampled

RANDOM = np.random.default_rng(3)


@pytest.mark.parametrize("extent", [(7, 9), (40, 60), (1, 1), (20, 60)])
@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float64])
def test_an_even_plane_stays_even(extent: tuple[int, int], dtype: type) -> None:
    made = resampled(np.full((1, 20, 30), 77, dtype), extent)
    assert made.dtype == (np.uint8 if dtype == np.uint8 else np.float32)
    np.testing.assert_array_equal(made, np.full((1, *extent), 77))


def test_the_size_it_has_is_the_array_itself() -> None:
    array = RANDOM.normal(size=(2, 4, 5, 6))
    assert resampled(array, (4, 5, 6)) is array
    assert nearest(array, (5, 6)) is array


def test_a_pattern_of_single_pixels_fades_to_its_mean() -> None:
    board = np.indices((64, 64)).sum(axis=0) % 2 * 255
    made = resampled(board.astype(np.uint8), (16, 16))
    assert abs(made.astype(int) - 127.5).max() <= 1
    volume = np.indices((64, 8, 8)).sum(axis=0) % 2 * 1000
    assert abs(resampled(volume.astype(np.int16), (16, 8, 8))[1:-1] - 500).max() < 1


def test_half_the_size_is_weighted_by_a_triangle() -> None:
    made = resampled(np.arange(8, dtype=np.float32).reshape(1, 8), (1, 4))
    # in the middle pixels 2 and 3 make 2.5; at the edges what would lie outside does not count
    np.testing.assert_allclose(made[0, 1:3], (2.5, 4.5), atol=1e-6)


def test_a_volume_is_the_same_whichever_direction_comes_first() -> None:
    volume = RANDOM.normal(size=(12, 30, 40)).astype(np.float32)
    whole = resampled(volume, (5, 20, 50))
    by_hand = np.stack([resampled(plane, (20, 50)) for plane in volume])
    depth = resampled(np.ascontiguousarray(by_hand.reshape(12, -1)), (5, 1000)).reshape(5, 20, 50)
    np.testing.assert_allclose(whole, depth, atol=1e-5)


def test_slabs_leave_no_seam(monkeypatch: pytest.MonkeyPatch) -> None:
    volume = RANDOM.integers(0, 255, (9, 31, 17)).astype(np.uint8)
    whole = resampled(volume, (4, 31, 17))
    monkeypatch.setattr("isocenter.pathway.resampling._SLAB", 9 * 17 * 4)
    np.testing.assert_array_equal(resampled(volume, (4, 31, 17)), whole)


def test_big_endian_and_transposed_values_are_read_aright() -> None:
    array = RANDOM.integers(-500, 500, (20, 30)).astype(np.int16)
    made = resampled(array, (10, 12))
    np.testing.assert_array_equal(resampled(array.astype(">i2"), (10, 12)), made)
    np.testing.assert_array_equal(resampled(np.asfortranarray(array), (10, 12)), made)
    np.testing.assert_allclose(resampled(array[::-1, ::-1], (10, 12)), made[::-1, ::-1], atol=1e-3)


@given(st.integers(1, 50), st.integers(1, 50))
def test_the_nearest_value_is_one_that_was_there_and_turns_with_the_image(old: int, new: int) -> None:
    labels = np.arange(old)[np.newaxis] * 3
    made = nearest(labels, (1, new))
    assert made.dtype == labels.dtype
    assert set(made.ravel()) <= set(labels.ravel())
    centres = (np.arange(new) + 0.5) * old / new - 0.5
    assert abs(made.ravel() / 3 - centres).max() <= 0.5 + 1e-9
