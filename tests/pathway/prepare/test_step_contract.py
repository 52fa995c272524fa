"""What every preparation step must keep, asked of everything that stands in the folder."""

from __future__ import annotations

import json

import numpy as np
import pytest
from step_samples import SAMPLES, applied, example, step

from isocenter.core import registry
from isocenter.core.errors import UsageError
from isocenter.core.image import Image
from isocenter.pathway import prepare
from isocenter.pathway.prepare._shared import Step, StepSettings

NAMES = registry.names(prepare)
IDEMPOTENT = {"grey", "colour", "orient", "resample", "resize", "pad_or_crop"}
RECKONING = {"window", "normalise", "resize", "resample"}
"""Steps after which every value is a number."""
CHANGES_CHANNELS = {"grey", "colour"}


@pytest.fixture(params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=SAMPLES)
def image(request: pytest.FixtureRequest) -> Image:
    return SAMPLES[request.param]


def refused(name: str, image: Image) -> bool:
    """What a step cannot mean: sequences in colour, and millimetres where nobody knows any."""
    return (name == "colour" and len(image.channels) == 2) or (name == "resample" and image.spacing is None)


def prepared(name: str, image: Image) -> Image:
    """What a step makes of an image; the image itself where it must be refused, and is."""
    if not refused(name, image):
        return applied(name, image)
    with pytest.raises(UsageError) as caught:
        applied(name, image)
    assert caught.value.remedy
    return image


def test_the_shelf_is_what_a_plan_may_ask_for() -> None:
    assert {"colour", "foreground", "grey", "normalise", "orient", "pad_or_crop", "resample", "resize", "window"} <= {
        *NAMES
    }


def test_has_settings_that_explain_themselves_and_a_blurb(name: str) -> None:
    one = step(name)
    assert isinstance(one, Step)
    assert issubclass(one.settings, StepSettings)
    assert all(field.description for field in one.settings.model_fields.values())
    assert all(field.examples for field in one.settings.model_fields.values() if field.is_required())
    assert registry.blurb(prepare, name).endswith(".")


def test_an_unknown_setting_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="Extra inputs"):
        example(name, SAMPLES["grey"], nonsense=1)


def test_never_changes_what_it_was_given(name: str, image: Image) -> None:
    before = image.array.copy()
    image.array.setflags(write=False)
    prepared(name, image)
    np.testing.assert_array_equal(image.array, before)


def test_an_image_stays_whole_in_itself(name: str, image: Image) -> None:
    made = prepared(name, image)
    assert min(made.array.shape) >= 1
    assert made.modality == image.modality
    assert made.origin == image.origin
    if name not in CHANGES_CHANNELS:
        assert made.channels == image.channels
        assert made.array.shape[0] == image.array.shape[0]
    assert made.geometry.placed == image.geometry.placed
    assert made.geometry.spacing_known == image.geometry.spacing_known


@pytest.mark.parametrize("name", sorted(RECKONING))
def test_what_reckons_with_values_leaves_numbers_alone(name: str, image: Image) -> None:
    made = prepared(name, image)
    if made.array is not image.array:
        assert np.isfinite(made.array).all()


def test_the_same_twice(name: str, image: Image) -> None:
    one, other = prepared(name, image), prepared(name, image)
    np.testing.assert_array_equal(one.array, other.array)
    assert one.array.dtype == other.array.dtype
    assert one.geometry == other.geometry


@pytest.mark.parametrize("name", sorted(IDEMPOTENT))
def test_doing_it_again_changes_nothing(name: str, image: Image) -> None:
    once = prepared(name, image)
    settings = step(name).fit([image], example(name, image))
    again = step(name).apply(once, settings) if once is not image else prepared(name, once)
    np.testing.assert_array_equal(again.array, once.array)
    assert again.geometry.matches(once.geometry, tolerance=1e-9)


def test_fitted_settings_outlive_a_file(name: str) -> None:
    image = SAMPLES["floating"]
    settings = step(name).fit([image, SAMPLES["grey"]], example(name, image))
    again = step(name).settings.model_validate(json.loads(json.dumps(settings.model_dump(mode="json"))))
    assert again == settings
    np.testing.assert_array_equal(step(name).apply(image, again).array, step(name).apply(image, settings).array)


def test_a_fit_is_the_same_on_the_same_images_and_kept_when_fitted_again(name: str) -> None:
    images = [SAMPLES["floating"], SAMPLES["grey"], SAMPLES["even"]]
    given = example(name, images[0])
    fitted = step(name).fit(images, given)
    assert fitted == step(name).fit(images, given)
    assert fitted == step(name).fit(images[:1], fitted)
    assert step(name).fit([], fitted) == fitted


@pytest.mark.parametrize("sample", ["grey", "colour", "grey volume", "one pixel", "strip"])
def test_eight_bits_stay_eight_bits(name: str, sample: str) -> None:
    assert applied(name, SAMPLES[sample]).array.dtype == (np.float32 if name == "normalise" else np.uint8)
