"""What every family of features must keep, asked of everything that stands in the folder."""

from __future__ import annotations

import json
import re
from typing import Any

import numpy as np
import pytest
from feature_samples import ALL, EXTENTS, Array, ball, family, noise, samples

from isocenter.core import registry
from isocenter.core.errors import UsageError
from isocenter.pathway import features
from isocenter.pathway.features._shared import Features, FeatureSettings

NAMES = registry.names(features)
WORDS = re.compile(r"[a-z0-9]+(_[a-z0-9]+)*(\.[0-9]+)?")
PICTURES = {"hog", "edges", "corners", "lbp"}
"""Families that look at the surroundings of a pixel and at the range of values, inside a mask or not."""
each_family = pytest.mark.parametrize("name", NAMES)
everywhere = pytest.mark.parametrize(("name", "dimensions"), ALL)


def measured(name: str, array: Array, **given: Any) -> dict[str, float]:
    """What a family says of an image with its own settings."""
    one = family(name)
    return one.measure(array, one.settings(), **given)


def one_pixel(extent: tuple[int, ...]) -> Array:
    """A mask of the middle alone."""
    mask = np.zeros(extent, bool)
    mask[tuple(length // 2 for length in extent)] = True
    return mask


def test_the_shelf_is_what_was_promised() -> None:
    assert {*NAMES} >= {
        *("statistics", "histogram", "colour", "hog", "edges", "corners", "lbp", "glcm"),
        *("first_order", "shape", "texture"),
    }


@each_family
def test_explains_itself(name: str) -> None:
    one = family(name)
    assert isinstance(one, Features)
    assert issubclass(one.settings, FeatureSettings)
    assert all(field.description for field in one.settings.model_fields.values())
    assert not any(field.is_required() for field in one.settings.model_fields.values())
    assert registry.blurb(features, name).endswith(".")
    assert one.dimensions in {(2,), (2, 3), (3,)}


@each_family
def test_an_unknown_setting_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="Extra inputs"):
        family(name).settings.model_validate({"nonsense": 1})


@everywhere
def test_every_number_of_every_image_is_finite(name: str, dimensions: int) -> None:
    for sample, array in samples(dimensions).items():
        found = measured(name, array)
        assert found, sample
        assert all(type(value) is float for value in found.values()), sample
        assert np.isfinite([*found.values()]).all(), (sample, found)


@everywhere
def test_names_are_words_that_no_value_changes(name: str, dimensions: int) -> None:
    for channels in (1, 2, 3):
        extent = EXTENTS[dimensions]["odd"]
        names = [*measured(name, noise(extent, channels))]
        assert all(WORDS.fullmatch(one) for one in names), names
        for other in (
            np.zeros((channels, *extent), np.uint8),
            noise(extent, channels, seed=8).astype(np.float32) / 255,
        ):
            assert [*measured(name, other)] == names
        assert [*measured(name, noise(EXTENTS[dimensions]["pixel"], channels))] == names
        assert [*measured(name, noise(extent, channels), mask=ball(extent, 2.0))] == names


@everywhere
def test_the_same_twice_and_the_image_is_left_alone(name: str, dimensions: int) -> None:
    array = noise(EXTENTS[dimensions]["odd"], 3)
    before = array.copy()
    array.setflags(write=False)
    assert measured(name, array) == measured(name, array)
    np.testing.assert_array_equal(array, before)


@everywhere
def test_floating_point_says_what_8_bits_say(name: str, dimensions: int) -> None:
    for sample, array in samples(dimensions).items():
        if array.dtype == np.uint8:
            assert measured(name, array) == measured(name, array.astype(np.float32)), sample


@everywhere
def test_a_whole_mask_is_no_mask(name: str, dimensions: int) -> None:
    for sample in ("odd", "odd in colour", "pixel"):
        array = samples(dimensions)[sample]
        assert measured(name, array, mask=np.ones(array.shape[1:], bool)) == measured(name, array)


@pytest.mark.parametrize(("name", "dimensions"), [one for one in ALL if one[0] not in PICTURES])
def test_what_lies_outside_a_mask_does_not_count(name: str, dimensions: int) -> None:
    extent = EXTENTS[dimensions]["odd"]
    array, mask = noise(extent, 2), ball(extent, 2.5)
    other = np.where(mask, array, noise(extent, 2, seed=9))
    assert not np.array_equal(array, other)
    assert measured(name, array, mask=mask) == measured(name, other, mask=mask)


@everywhere
def test_an_empty_mask_makes_every_number_nothing(name: str, dimensions: int) -> None:
    array = noise(EXTENTS[dimensions]["odd"], 2)
    found = measured(name, array, mask=np.zeros(array.shape[1:], bool))
    assert found == dict.fromkeys(measured(name, array), 0.0)


@everywhere
def test_a_single_pixel_in_a_mask_is_borne(name: str, dimensions: int) -> None:
    for sample, array in samples(dimensions).items():
        found = measured(name, array, mask=one_pixel(array.shape[1:]), spacing=(0.5,) * dimensions)
        assert np.isfinite([*found.values()]).all(), sample


@each_family
def test_refuses_what_cannot_be_measured(name: str) -> None:
    one = family(name)
    image = noise((6, 7))
    with pytest.raises(UsageError, match="must have the axes"):
        one.measure(image[0], one.settings())
    with pytest.raises(UsageError, match="finite") as caught:
        one.measure(np.full((1, 4, 4), np.nan), one.settings())
    assert caught.value.remedy
    with pytest.raises(UsageError, match="finite"):
        one.measure(np.zeros((1, 0, 4)), one.settings())
    with pytest.raises(UsageError, match="A mask must be true or false"):
        one.measure(image, one.settings(), mask=np.ones((6, 6), bool))
    with pytest.raises(UsageError, match="A mask must be true or false"):
        one.measure(image, one.settings(), mask=np.ones((6, 7), np.uint8))
    with pytest.raises(UsageError, match="spacing"):
        one.measure(image, one.settings(), spacing=(1.0, 1.0, 1.0))
    with pytest.raises(UsageError, match="spacing"):
        one.measure(image, one.settings(), spacing=(1.0, 0.0))


@each_family
def test_a_fit_outlives_a_file_and_is_kept_when_fitted_again(name: str) -> None:
    one = family(name)
    images = [noise((8, 9), 2).astype(np.float32) / 100, noise((5, 5), 2, seed=8).astype(np.float32)]
    fitted = one.fit(images, one.settings())
    again = one.settings.model_validate(json.loads(json.dumps(fitted.model_dump(mode="json"))))
    assert again == fitted == one.fit(images, one.settings()) == one.fit(images[:1], fitted)
    assert one.fit([], one.settings()) == one.settings()
    assert one.measure(images[0], again) == one.measure(images[0], fitted)
