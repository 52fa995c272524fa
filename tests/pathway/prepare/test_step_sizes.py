"""One number of pixels for all: stretched, fitted, cut; the size that is right already is left to the bit."""

from __future__ import annotations

import numpy as np
import pytest
from step_samples import PICTURES, SAMPLES, VOLUMES, applied, floats, grey, picture, volume

from isocenter.core.image import Intensity
from isocenter.pathway.prepare._shared import space


@pytest.mark.parametrize("method", ["stretch", "fit", "crop"])
@pytest.mark.parametrize("name", SAMPLES)
def test_every_image_gets_the_size(name: str, method: str) -> None:
    image = SAMPLES[name]
    shape = (5, 24, 16)[-len(space(image)) :]
    made = applied("resize", image, shape=shape, method=method)
    assert space(made) == shape
    assert made.array.dtype == (np.uint8 if image.array.dtype == np.uint8 else np.float32)


@pytest.mark.parametrize("name", ["resize", "pad_or_crop"])
@pytest.mark.parametrize("sample", ["grey", "sixteen bits", "volume", "not numbers"])
def test_the_right_size_is_left_to_the_bit(name: str, sample: str) -> None:
    assert applied(name, SAMPLES[sample], shape=space(SAMPLES[sample])) is SAMPLES[sample]


def test_fit_keeps_the_proportions_and_fills_with_the_border() -> None:
    image = picture(np.full((20, 40), 9, np.uint8))
    image.array[0, 5:15, 5:35] = 200
    made = applied("resize", image, shape=(40, 40), method="fit")
    assert made.array.dtype == np.uint8
    np.testing.assert_array_equal(made.array[0, 10:30], image.array[0])
    assert set(made.array[0, :10].ravel()) | set(made.array[0, 30:].ravel()) == {9}


def test_crop_keeps_the_proportions_and_loses_what_stands_out() -> None:
    image = picture(np.repeat(np.arange(40, dtype=np.float32)[np.newaxis], 20, axis=0))
    made = applied("resize", image, shape=(20, 20), method="crop")
    np.testing.assert_array_equal(made.array[0, 0], np.arange(10, 30))


def test_each_channel_is_padded_with_its_own_border() -> None:
    array = np.stack([np.full((4, 4), 10.0), np.full((4, 4), 20.0)])
    made = applied("pad_or_crop", picture(array), shape=(6, 6))
    assert made.array[:, 0, 0].tolist() == [10, 20]


@pytest.mark.parametrize(("fill", "shown"), [(-1000, 0), (77.4, 77), (300, 255)])
def test_a_fill_is_held_within_what_the_pixels_can_hold(fill: float, shown: int) -> None:
    assert applied("pad_or_crop", PICTURES["grey"], shape=(40, 40), fill=fill).array[0, 0, 0] == shown


def test_a_fill_is_taken_as_given_where_it_fits() -> None:
    assert applied("pad_or_crop", VOLUMES["volume"], shape=(8, 22, 32), fill=-1000).array[0, 0, 0, 0] == -1000
    assert applied("pad_or_crop", PICTURES["floating"], shape=(40, 40), fill=0.5).array[0, 0, 0] == 0.5


def test_one_side_may_be_cut_while_another_is_padded() -> None:
    array = grey(20, 30)
    made = applied("pad_or_crop", picture(array), shape=(30, 10), fill=0)
    np.testing.assert_array_equal(made.array[0, 5:25], array[:, 10:20])
    assert not made.array[0, :5].any()
    assert not made.array[0, 25:].any()


def test_labels_stay_labels() -> None:
    array = np.kron(np.array([[0, 7], [3, 90]], np.uint8), np.ones((5, 5), np.uint8))
    for labels in (picture(array, intensity=Intensity.LABEL), volume(array[np.newaxis], intensity=Intensity.LABEL)):
        made = applied("resize", labels, shape=(3, 23, 23)[-len(space(labels)) :])
        assert set(np.unique(made.array)) == {0, 3, 7, 90}


def test_what_is_not_a_number_does_not_spread() -> None:
    array = floats(20, 20)
    array[10, 10] = np.nan
    made = applied("resize", picture(array), shape=(10, 10))
    array[10, 10] = np.nanmin(array)
    np.testing.assert_array_equal(made.array, applied("resize", picture(array), shape=(10, 10)).array)
