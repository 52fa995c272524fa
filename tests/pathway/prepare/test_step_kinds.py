"""Orientation, kinds of image, and millimetres: what is not as the model knows it is refused, with what to do."""

from __future__ import annotations

import numpy as np
import pytest
from step_samples import PICTURES, PLACE, VOLUMES, applied, example, floats, picture, step, volume

from isocenter.core.errors import UsageError
from isocenter.core.geometry import Geometry
from isocenter.core.image import Image


def test_a_volume_of_one_slice_is_an_image_and_is_not_turned() -> None:
    coronal = Geometry.from_parts(origin=(1, 2, 3), spacing=(1, 2, 3), direction=[[1, 0, 0], [0, 0, 1], [0, -1, 0]])
    array = floats(1, 1, 4, 5)
    made = applied("orient", volume(array, geometry=coronal))
    assert made.axes == "CYX"
    np.testing.assert_array_equal(made.array, array[:, 0])
    assert made.geometry == coronal


def test_a_single_frame_loses_its_time() -> None:
    still = Image(array=floats(1, 1, 4, 5), axes="CTYX", geometry=PLACE, times=(0.0,))
    made = applied("orient", still)
    assert (made.axes, made.times, made.array.shape) == ("CYX", None, (1, 4, 5))


@pytest.mark.parametrize(("axes", "shape"), [("CTYX", (1, 7, 4, 5)), ("CTZYX", (1, 7, 3, 4, 5))])
def test_frames_are_refused_with_what_to_do(axes: str, shape: tuple[int, ...]) -> None:
    with pytest.raises(UsageError, match=r"one moment, got 7 frames.*as an image of its own"):
        applied("orient", Image(array=floats(*shape), axes=axes, geometry=PLACE))


def test_an_image_is_no_volume() -> None:
    for image in (PICTURES["grey"], volume(floats(1, 4, 5))):
        with pytest.raises(UsageError, match=r"A volume is needed.*whole series"):
            applied("orient", image, dimensions=3)


def test_a_volume_is_no_image() -> None:
    with pytest.raises(UsageError, match=r"single image is needed, got a volume of 6 slices.*one slice"):
        applied("orient", VOLUMES["volume"], dimensions=2)


def test_what_most_training_images_are_is_learned() -> None:
    one = step("orient")
    settings = one.fit([VOLUMES["volume"], PICTURES["grey"], VOLUMES["two slices"]], one.settings())
    assert settings.dimensions == 3
    assert one.fit([volume(floats(1, 4, 5)), PICTURES["grey"]], one.settings()).dimensions == 2


def test_a_volume_that_nobody_placed_is_not_turned() -> None:
    image = volume(floats(3, 4, 5), geometry=Geometry.sized((-1.0, 1.0, 1.0)))
    assert applied("orient", image) is image


def test_an_orientation_must_name_each_axis() -> None:
    with pytest.raises(ValueError, match="each body axis once"):
        example("orient", PICTURES["grey"], orientation="LRS")
    assert example("orient", PICTURES["grey"], orientation="ras").model_dump()["orientation"] == "RAS"


def test_a_spacing_is_learned_as_the_middle_one() -> None:
    one = step("resample")
    images = [volume(floats(3, 4, 5), geometry=Geometry.sized((x, 1.0, 2 * x))) for x in (0.5, 0.9, 3.0)]
    unknown = volume(floats(3, 4, 5), geometry=Geometry.unknown())
    assert one.fit([*images, unknown], one.settings()).spacing == (0.9, 1.0, 1.8)
    assert one.fit([unknown], one.settings()).spacing is None


def test_a_spacing_that_is_not_known_is_refused() -> None:
    with pytest.raises(UsageError, match=r"must say how large its pixels are.*`resize`"):
        applied("resample", PICTURES["unplaced"], spacing=(1.0, 1.0))


def test_distances_must_be_as_many_as_directions() -> None:
    with pytest.raises(UsageError, match="needs 3 distances"):
        applied("resample", VOLUMES["volume"], spacing=(1.0, 1.0))
    with pytest.raises(UsageError, match=r"needs 2 distances.*got none"):
        step("resample").apply(PICTURES["grey"], step("resample").settings())


def test_a_slip_in_the_unit_is_told_before_memory_runs_out() -> None:
    with pytest.raises(UsageError, match=r"would have [\d,]+ pixels.*wider spacing"):
        applied("resample", VOLUMES["volume"], spacing=(0.001, 0.001, 0.001))


def test_thin_slices_are_averaged_into_thick_ones() -> None:
    slices = np.repeat([0.0, 1000.0] * 10, 20).reshape(20, 4, 5).astype(np.float32)
    made = applied("resample", volume(slices, geometry=Geometry.sized((1, 1, 1))), spacing=(1, 1, 4))
    assert made.array.shape == (1, 5, 4, 5)
    assert made.spacing == (1, 1, 4)
    np.testing.assert_allclose(made.array[:, 1:-1], 500, atol=1)


@pytest.mark.parametrize("name", ["resize", "pad_or_crop"])
def test_numbers_for_a_volume_are_not_for_an_image(name: str) -> None:
    with pytest.raises(UsageError, match=r"set for a volume, got a single image.*`orient`"):
        applied(name, PICTURES["grey"], shape=(4, 5, 6))
    with pytest.raises(UsageError, match="set for a single image, got a volume"):
        applied(name, VOLUMES["volume"], shape=(4, 5))
    with pytest.raises(ValueError, match="greater than or equal to 1"):
        example(name, PICTURES["grey"], shape=(0, 5))


def test_pictures_can_be_resampled_too() -> None:
    made = applied("resample", picture(floats(20, 30), geometry=Geometry.sized((0.1, 0.2))), spacing=(0.2, 0.2))
    assert made.array.shape == (1, 20, 15)
    assert made.geometry.spacing[:2] == pytest.approx((0.2, 0.2))
