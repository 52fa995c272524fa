"""Colour to grey and back: equal colours are kept to the bit, sequences are no colours, see-through lies on black."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image as Pillow
from step_samples import PICTURES, SAMPLES, applied, grey, picture

from isocenter.core.errors import UsageError
from isocenter.core.image import Image, Intensity


def colour(array: object, **other: object) -> Image:
    return picture(array, **{"intensity": Intensity.RGB, **other})


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int32, np.float32, np.float64])
def test_equal_colours_are_their_grey_to_the_bit(dtype: type) -> None:
    level = grey(1, 20, 30).astype(dtype) * 255
    made = applied("grey", colour(np.repeat(level, 3, axis=0)))
    np.testing.assert_array_equal(made.array, level)
    assert made.array.dtype == dtype
    assert (made.channels, made.intensity) == (("intensity",), Intensity.RAW)


def test_grey_is_the_brightness_that_pillow_tells() -> None:
    image = PICTURES["colour"]
    there = np.asarray(Pillow.fromarray(np.moveaxis(image.array, 0, -1).copy()).convert("L"))
    assert abs(applied("grey", image).array[0].astype(int) - there).max() <= 1


@pytest.mark.parametrize("name", ["grey", "two channels", "volume", "two sequences"])
def test_what_is_not_in_colour_stays(name: str) -> None:
    assert applied("grey", SAMPLES[name]) is SAMPLES[name]


def test_grey_becomes_three_equal_colours_and_back() -> None:
    image = PICTURES["grey"]
    made = applied("colour", image)
    assert (made.channels, made.intensity) == (("red", "green", "blue"), Intensity.RGB)
    assert all((channel == image.array[0]).all() for channel in made.array)
    np.testing.assert_array_equal(applied("grey", made).array, image.array)


def test_sequences_cannot_be_shown_in_colour() -> None:
    with pytest.raises(UsageError, match=r"grey or in colour.*t1, t2.*Leave the step"):
        applied("colour", SAMPLES["two sequences"])


@pytest.mark.parametrize("step", ["grey", "colour"])
@pytest.mark.parametrize("alpha", [0, 77, 255])
def test_a_transparency_that_is_even_tells_nothing(step: str, alpha: int) -> None:
    plain = PICTURES["colour"]
    array = np.concatenate([plain.array, np.full((1, 20, 30), alpha, np.uint8)])
    np.testing.assert_array_equal(applied(step, colour(array)).array, applied(step, plain).array)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_what_is_see_through_is_laid_on_black(dtype: type) -> None:
    full = np.iinfo(dtype).max if np.issubdtype(dtype, np.integer) else 1
    array = np.full((4, 1, 3), full, dtype)
    array[3, 0] = np.array([0, full / 2, full]).astype(dtype)
    made = applied("colour", colour(array))
    assert made.channels == ("red", "green", "blue")
    np.testing.assert_allclose(made.array[0, 0] / full, [0, 0.5, 1], atol=0.01)


def test_grey_with_transparency_is_grey() -> None:
    array = np.stack([grey(4, 5), grey(4, 5)])
    given = picture(array, intensity=Intensity.NAMED, channels=("intensity", "alpha"))
    made = applied("grey", given)
    assert (made.channels, made.intensity) == (("intensity",), Intensity.RAW)
    np.testing.assert_array_equal(made.array[0], np.rint(array[0] * (array[1] / np.float32(255))))
    assert applied("colour", given).channels == ("red", "green", "blue")
