"""A case on its way: channels laid together, steps in their order, what is learned, what is stored, what is refused."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from isocenter.core.errors import UnknownName, UsageError
from isocenter.core.geometry import Geometry
from isocenter.core.image import Image, Intensity
from isocenter.core.recipe import InputRecipe, StepRecipe
from isocenter.pathway.preparation import Preparation, assembled, fit_steps

RANDOM = np.random.default_rng(9)
PLACE = Geometry.from_parts(origin=(0, 0, 0), spacing=(1, 1, 3), direction=np.eye(3))


def image(*shape: int, dtype: Any = np.uint8, **other: Any) -> Image:
    """A picture (channel, row, column) or a volume (channel, slice, row, column) of chance."""
    array = RANDOM.integers(1, 250, shape).astype(dtype)
    return Image(**{"array": array, "axes": "CYX" if len(shape) == 3 else "CZYX", "geometry": PLACE, **other})


def colour(*shape: int) -> Image:
    return image(3, *shape, intensity=Intensity.RGB, geometry=Geometry.unknown())


def wanted(*channels: str, shape: tuple[int, ...] = (8, 8), stored: str = "uint8") -> InputRecipe:
    zeros = tuple(0.0 for _ in channels)
    return InputRecipe.model_validate(
        {"channels": channels, "shape": shape, "stored": stored, "mean": zeros, "deviation": zeros}
    )


def steps(*names: str, **settings: Any) -> list[StepRecipe]:
    return [StepRecipe(step=name, settings=settings.get(name, {})) for name in names]


RESIZE = {"resize": {"shape": [8, 8]}}


def test_photographs_of_any_kind_become_one_kind() -> None:
    """Grey, colour and see-through pictures of one class folder are prepared by one recipe."""
    pictures = {
        "grey": image(1, 9, 7),
        "colour": colour(9, 7),
        "see-through": replace(image(4, 9, 7), intensity=Intensity.RGB, channels=("red", "green", "blue", "alpha")),
        "grey and see-through": replace(image(2, 9, 7), intensity=Intensity.NAMED, channels=("intensity", "alpha")),
    }
    for step, channels in (("grey", ("intensity",)), ("colour", ("red", "green", "blue"))):
        preparation = Preparation(steps("orient", step, "resize", **RESIZE), wanted(*channels))
        for picture in pictures.values():
            made = preparation.apply({"image": picture})
            assert made.array.shape == (len(channels), 8, 8)
            assert made.image.channels == channels
            assert (made.array.dtype, made.missing) == (np.uint8, ())


def test_two_photographs_of_a_case_are_each_made_grey() -> None:
    made = Preparation(steps("grey"), wanted("left", "right")).apply({"left": colour(8, 8), "right": image(1, 8, 8)})
    assert made.array.shape == (2, 8, 8)


def test_a_channel_that_is_missing_is_told_and_0_whatever_the_steps_do() -> None:
    windowed = steps("window", "resize", window={"windows": [[-100, 100]]}, **RESIZE)
    preparation = Preparation(windowed, wanted("t1", "t2", "flair"))
    made = preparation.apply({"t1": image(1, 9, 7, dtype=np.int16), "flair": image(1, 9, 7, dtype=np.float32)})
    assert made.missing == ("t2",)
    assert not made.array[1].any()
    assert made.array[0].all()
    assert made.image.array.tolist() == made.array.tolist()


def test_a_case_without_any_of_the_channels_is_refused() -> None:
    with pytest.raises(UsageError, match=r"None of the channels t1, t2 is there: the case has adc, dwi"):
        Preparation([], wanted("t1", "t2")).apply({"adc": image(1, 8, 8), "dwi": image(1, 8, 8)})
    with pytest.raises(UsageError, match="the case has no image"):
        assembled({}, ["t1"])


def test_a_single_channel_fits_under_any_name() -> None:
    made, missing = assembled({"scan": image(1, 8, 8)}, ["chest"])
    assert (made.channels, missing) == (("chest",), ())


def test_channels_of_images_are_named_with_a_dot_where_there_are_several() -> None:
    case = {"photo": colour(8, 8), "scan": image(1, 8, 8)}
    made, missing = assembled(case, ["scan", "photo.green"])
    np.testing.assert_array_equal(made.array, np.stack([case["scan"].array[0], case["photo"].array[1]]))
    assert (made.intensity, missing) == (Intensity.NAMED, ())


def test_an_image_that_is_what_is_wanted_is_not_copied() -> None:
    photo = colour(8, 8)
    assert assembled({"photo": photo}, ["red", "green", "blue"])[0] is photo
    swapped, _ = assembled({"photo": photo}, ["blue", "green", "red"])
    np.testing.assert_array_equal(swapped.array, photo.array[::-1])


def test_channels_of_other_extents_are_refused() -> None:
    with pytest.raises(UsageError, match=r"one grid: t1 has the extent \(8, 8\), t2 \(8, 9\).*Register and resample"):
        assembled({"t1": image(1, 8, 8), "t2": image(1, 8, 9)}, ["t1", "t2"])
    with pytest.raises(UsageError, match="one grid"):
        assembled({"t1": image(1, 8, 8), "t2": image(1, 2, 8, 8)}, ["t1", "t2"])


def test_channels_that_lie_elsewhere_are_refused() -> None:
    first = image(1, 4, 8, 8)
    moved = replace(first, geometry=PLACE.shifted((2, 0, 0)))
    with pytest.raises(UsageError, match="t1 and t2 lie up to 2.0 mm apart"):
        assembled({"t1": first, "t2": moved}, ["t1", "t2"])
    nearly = replace(first, geometry=Geometry(PLACE.affine + np.diag([0, 0, 0.01, 0])))
    unplaced = replace(first, geometry=Geometry.unknown())
    assembled({"t1": first, "t2": nearly, "t3": unplaced}, ["t1", "t2", "t3"])


def test_channels_that_are_stored_the_other_way_round_meet_when_turned() -> None:
    first = image(1, 4, 8, 8)
    case = {"t1": first, "t2": first.oriented("RAS")}
    with pytest.raises(UsageError, match="one grid"):
        Preparation([], wanted("t1", "t2", shape=(4, 8, 8))).apply(case)
    made = Preparation(steps("orient"), wanted("t1", "t2", shape=(4, 8, 8))).apply(case)
    np.testing.assert_array_equal(made.array[0], made.array[1])


def test_what_is_not_a_number_is_the_lowest_of_its_channel() -> None:
    array = np.array([[[np.nan, 2.0, 5.0]], [[-np.inf, 30.0, np.inf]]], np.float32)
    given = Image(array=array, axes="CYX", geometry=PLACE, intensity=Intensity.NAMED, channels=("a", "b"))
    made = Preparation([], wanted("a", "b", shape=(1, 3), stored="float32")).apply({"scan": given})
    assert made.array.tolist() == [[[2, 2, 5]], [[30, 30, 30]]]
    assert np.isnan(array[0, 0, 0])


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float64])
def test_float32_is_stored_as_it_is(dtype: type) -> None:
    given = image(1, 8, 8, dtype=dtype)
    made = Preparation([], wanted("intensity", stored="float32")).apply({"scan": given})
    assert made.array.dtype == np.float32
    assert made.array.flags.c_contiguous
    np.testing.assert_array_equal(made.array, given.array)


def test_eight_bits_are_rounded_not_cut() -> None:
    values = np.array([[[0.4, 0.6, 254.7, -0.3]]], np.float32)
    given = Image(array=values, axes="CYX", geometry=PLACE)
    made = Preparation([], wanted("intensity", shape=(1, 4))).apply({"scan": given})
    assert made.array.tolist() == [[[0, 1, 255, 0]]]


@pytest.mark.parametrize("low", [-1000.0, 3000.0])
def test_values_that_eight_bits_cannot_hold_are_refused(low: float) -> None:
    given = Image(array=np.full((1, 8, 8), low, np.float32), axes="CYX", geometry=PLACE)
    with pytest.raises(UsageError, match=r"between 0 and 255 to be stored as uint8.*`window`"):
        Preparation([], wanted("intensity")).apply({"scan": given})


def test_a_wrong_final_shape_is_refused() -> None:
    for given in (image(1, 9, 8), image(1, 1, 8, 8)):
        with pytest.raises(UsageError, match=r"must have the shape \(1, 8, 8\).*`resize`"):
            Preparation([], wanted("intensity")).apply({"scan": given})


def test_each_step_learns_from_what_the_steps_before_it_made() -> None:
    cases = [{"scan": image(1, 20 + number, 30, dtype=np.int16)} for number in range(4)]
    named = steps("orient", "window", "resize", **RESIZE)
    fitted, images = fit_steps(named, cases, ["intensity"])
    assert [one.step for one in fitted] == ["orient", "window", "resize"]
    assert fitted[0].settings["dimensions"] == 2
    ((low, high),) = fitted[1].settings["windows"]
    assert 0 <= low < 10 < 240 < high <= 250
    assert {one.array.shape for one in images} == {(1, 8, 8)}
    again, _ = fit_steps(fitted, cases[:1], ["intensity"])
    assert again == fitted
    preparation = Preparation(
        [StepRecipe.model_validate_json(one.model_dump_json()) for one in fitted], wanted("intensity")
    )
    np.testing.assert_array_equal(preparation.apply(cases[0]).array, images[0].array)


def test_a_training_case_that_is_refused_does_not_stop_the_fit() -> None:
    moving = Image(array=np.zeros((1, 5, 8, 8), np.uint8), axes="CTYX", geometry=PLACE)
    cases = [{"scan": moving}, {"scan": image(1, 8, 8)}, {"scan": image(1, 8, 8)}]
    fitted, images = fit_steps(steps("orient", "resize", **RESIZE), cases, ["intensity"])
    assert len(images) == 2
    with pytest.raises(UsageError, match="5 frames"):
        fit_steps(fitted, cases[:1], ["intensity"])
    assert fit_steps(fitted, [], ["intensity"]) == (fitted, [])


def test_the_key_names_everything_that_changes_an_array() -> None:
    def key(settings: dict[str, Any], **other: Any) -> str:
        return Preparation(steps("resize", resize=settings), wanted("intensity", **other)).key

    keys = [
        key({"shape": [8, 8]}),
        key({"shape": [8, 9]}),
        key({"shape": [8, 8], "method": "fit"}),
        key({"shape": [8, 8]}, stored="float32"),
        key({"shape": [8, 8]}, shape=(8, 9)),
    ]
    assert len(set(keys)) == len(keys)
    assert key({"shape": [8, 8], "method": "stretch"}) == keys[0]
    assert json.loads(keys[0])


@pytest.mark.parametrize(
    ("step", "settings", "message"),
    [
        ("resize", {"shape": [0, 8]}, r"`shape.0` of the preparation step `resize`.*greater than or equal to 1"),
        ("resize", {"shap": [8, 8]}, r"`resize` has no setting `shap`.*Did you mean `shape`"),
        ("window", {"percentiles": [9, 1]}, r"preparation step `window`.*rising"),
    ],
)
def test_settings_that_do_not_fit_are_told_by_name(step: str, settings: dict[str, Any], message: str) -> None:
    given = {"shape": [8, 8], **settings} if "shap" in settings else settings
    with pytest.raises(UsageError, match=message):
        Preparation([StepRecipe(step=step, settings=given)], wanted("intensity"))


def test_an_unknown_step_is_answered_with_the_nearest() -> None:
    with pytest.raises(UnknownName, match="Did you mean `resize`"):
        Preparation(steps("resise"), wanted("intensity"))


def test_the_input_is_never_written_to() -> None:
    given: dict[str, Image] = {"t1": image(1, 9, 7), "t3": image(1, 9, 7, dtype=np.float32)}
    copies: dict[str, NDArray[Any]] = {name: one.array.copy() for name, one in given.items()}
    for one in given.values():
        one.array.setflags(write=False)
    all_steps = steps("grey", "orient", "foreground", "window", "resize", window={"each_image": True}, **RESIZE)
    Preparation(all_steps, wanted("t1", "t2", "t3")).apply(given)
    for name, one in given.items():
        np.testing.assert_array_equal(one.array, copies[name])


PROGRAM = """
import sys
import numpy as np
from isocenter.core.geometry import Geometry
from isocenter.core.image import Image, Intensity
from isocenter.core.recipe import InputRecipe, StepRecipe
from isocenter.pathway.preparation import Preparation
wanted = InputRecipe(channels=("intensity",), shape=(8, 8), stored="uint8", mean=(0,), deviation=(1,))
steps = [StepRecipe(step=name) for name in ("orient", "grey", "foreground")]
steps.append(StepRecipe(step="window", settings={"each_image": True}))
steps.append(StepRecipe(step="resize", settings={"shape": [8, 8]}))
photo = Image(array=np.ones((3, 30, 40), np.uint8), axes="CYX", geometry=Geometry.unknown(), intensity=Intensity.RGB)
Preparation(steps, wanted).apply({"photo": photo})
print([name for name in ("scipy", "skimage", "sklearn", "torch", "matplotlib") if name in sys.modules])
"""


def test_preparing_loads_nothing_slow() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.strip() == "[]"


def test_the_only_channel_that_a_case_has_goes_by_its_image_name() -> None:
    image = Image(array=np.full((1, 4, 4), 7, np.uint8), axes="CYX", geometry=Geometry.unknown())
    laid, missing = assembled({"t1": image}, ("flair", "t1"))
    assert missing == ("flair",)
    assert laid.array[1].max() == 7
    assert laid.array[0].max() == 0
