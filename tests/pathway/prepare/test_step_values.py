"""Windows and z-scores: the ends, what is not a number, even images, and what is learned from training images alone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray
from step_samples import PICTURES, SAMPLES, VOLUMES, applied, example, floats, picture, step, volume

from isocenter.core.errors import UsageError
from isocenter.core.image import Intensity

VALUES = arrays.arrays(
    np.float32,
    st.tuples(st.integers(1, 8), st.integers(1, 8)),
    elements=st.floats(-(2.0**99), 2.0**99, width=32) | st.just(np.nan),
)


def test_a_ct_window_is_spread_over_eight_bits() -> None:
    given_ = picture(np.array([[-1000, -160, 40, 240, 3000]], np.int16), intensity=Intensity.HU)
    made = applied("window", given_, windows=((-160, 240),))
    assert made.array.tolist() == [[[0, 0, 128, 255, 255]]]
    assert (made.array.dtype, made.intensity) == (np.uint8, Intensity.RAW)
    unit = applied("window", given_, windows=((-160, 240),), scale="unit")
    assert unit.array.dtype == np.float32
    np.testing.assert_allclose(unit.array, [[[0, 0, 0.5, 1, 1]]])


def test_a_window_of_all_bytes_changes_no_byte() -> None:
    every = picture(np.arange(256, dtype=np.uint8).reshape(16, 16))
    np.testing.assert_array_equal(applied("window", every, windows=((0, 255),)).array, every.array)


def test_what_is_not_a_number_lies_at_the_lower_end() -> None:
    given_ = picture(np.array([[np.nan, -np.inf, np.inf, 5.0]], np.float32))
    assert applied("window", given_, windows=((0, 10),)).array.tolist() == [[[0, 0, 255, 128]]]


@pytest.mark.parametrize("each_image", [True, False])
@pytest.mark.parametrize("name", ["even", "even and floating", "no number at all", "even volume"])
def test_an_even_image_stays_even(name: str, each_image: bool) -> None:
    assert not applied("window", SAMPLES[name], each_image=each_image).array.any()


@given(VALUES, st.sampled_from(["byte", "unit"]), st.booleans())
def test_a_window_keeps_the_order_of_values(values: NDArray[np.float32], scale: str, each_image: bool) -> None:
    made = applied("window", picture(values), scale=scale, each_image=each_image).array[0]
    assert made.min() >= 0
    assert made.max() <= (255 if scale == "byte" else 1)
    known = np.isfinite(values)
    order = np.argsort(values[known], kind="stable")
    assert (np.diff(made[known][order].astype(np.float64)) >= 0).all()


def test_a_window_is_learned_per_channel_from_training_images() -> None:
    one = step("window")
    images = [picture(np.stack([np.arange(10000.0), np.arange(10000.0) * -2]).reshape(2, 100, 100)) for _ in range(3)]
    blank = picture(np.stack([np.arange(10000.0), np.zeros(10000)]).reshape(2, 100, 100))
    settings = one.fit([*images, blank], one.settings(percentiles=(10, 90)))
    np.testing.assert_allclose(settings.windows, [(1000, 9000), (-18000, -2000)], rtol=0.01)
    with pytest.raises(UsageError, match=r"one window for all channels or 1, got 2"):
        one.apply(PICTURES["grey"], settings)


def test_a_window_that_was_not_learned_is_not_guessed() -> None:
    with pytest.raises(UsageError, match=r"got 0.*learned from training images"):
        step("window").apply(PICTURES["grey"], step("window").settings())


def test_each_image_at_its_own_percentiles() -> None:
    scan = floats(50, 60)
    made = [applied("window", picture(scan * factor), each_image=True).array for factor in (1, 1000)]
    np.testing.assert_allclose(made[0].astype(int), made[1], atol=1)


@pytest.mark.parametrize(
    ("given_", "rule"),
    [
        ({"percentiles": (90, 10)}, "rising"),
        ({"percentiles": (0, 101)}, "rising"),
        ({"windows": ((5, 5),)}, "begin below its end"),
        ({"windows": ((0, float("nan")),)}, "finite"),
        ({"windows": ((0, 1),), "each_image": True}, "not both"),
    ],
)
def test_a_window_that_cannot_be_is_refused(given_: dict[str, object], rule: str) -> None:
    with pytest.raises(ValueError, match=rule):
        example("window", PICTURES["grey"], **given_)


def test_colours_stay_colours() -> None:
    assert applied("window", PICTURES["colour"], windows=((0, 255),)).intensity == Intensity.RGB


@pytest.mark.parametrize("name", ["grey", "floating", "volume", "two sequences", "sixteen bits"])
def test_a_z_score_over_the_image_has_mean_0_and_deviation_1(name: str) -> None:
    made = applied("normalise", SAMPLES[name], over="image").array.astype(np.float64)
    space = tuple(range(1, made.ndim))
    np.testing.assert_allclose(made.mean(axis=space), 0, atol=1e-4)
    np.testing.assert_allclose(made.std(axis=space), 1, atol=1e-4)


def test_air_around_a_head_does_not_count() -> None:
    head = floats(10, 30, 40)
    air = np.zeros((14, 60, 80), np.float32)
    air[2:12, 20:50, 10:50] = head
    made = applied("normalise", volume(air)).array[0, 2:12, 20:50, 10:50]
    np.testing.assert_allclose(made, applied("normalise", volume(head), over="image").array[0], atol=0.02)


@pytest.mark.parametrize("name", ["even", "even and floating", "no number at all", "even volume", "one pixel"])
@pytest.mark.parametrize("over", ["foreground", "image"])
def test_an_even_image_becomes_0(name: str, over: str) -> None:
    np.testing.assert_allclose(applied("normalise", SAMPLES[name], over=over).array, 0, atol=1e-6)


@given(VALUES, st.sampled_from(["foreground", "image"]))
def test_a_z_score_is_a_number(values: NDArray[np.float32], over: str) -> None:
    assert np.isfinite(applied("normalise", picture(np.clip(values, -1e15, 1e15)), over=over).array).all()


def test_small_quantities_are_told_apart() -> None:
    diffusion = (floats(30, 30) * 1e-9).astype(np.float32)
    assert applied("normalise", picture(diffusion), over="image").array.std() == pytest.approx(1, abs=1e-3)
    assert applied("window", picture(diffusion), each_image=True).array.max() == 255
    assert applied("window", VOLUMES["not numbers in space"], each_image=True).array.max() == 255


def test_one_channel_keeps_its_unit_beside_one_without() -> None:
    """A CT beside an MR of one grid: Hounsfield units are cut at one window, the other at percentiles of its own."""
    cases = [
        picture(np.stack([[[-1000, 0, 1000]], [[0, scale, 2 * scale]]]).astype(np.float32), channels=("ct", "mr"))
        for scale in (10, 1000)
    ]
    fitted = step("window").fit(cases, step("window").settings(each_image=(False, True), percentiles=(0, 100)))
    dark, bright = (step("window").apply(case, fitted).array for case in cases)
    np.testing.assert_array_equal(dark, bright)
    np.testing.assert_array_equal(dark, [[[0, 128, 255]], [[0, 128, 255]]])
    other = picture(np.stack([[[-1000, -1000, 0]], [[0, 1, 2]]]).astype(np.float32), channels=("ct", "mr"))
    np.testing.assert_array_equal(step("window").apply(other, fitted).array, [[[0, 0, 128]], [[0, 128, 255]]])
    with pytest.raises(UsageError, match="must be said for all or for 1 channels"):
        step("window").apply(picture(np.zeros((2, 2), np.float32)), fitted)
