"""The range of values that is shown first."""

from __future__ import annotations

import numpy as np
import pytest
from drawing_samples import image

from isocenter.core.errors import UsageError
from isocenter.core.image import Intensity
from isocenter.drawing.look import colour
from isocenter.drawing.window import PRESETS, Window, coloured, picture, window_for


def _ct(inside: float) -> np.ndarray:
    volume = np.full((1, 4, 40, 40), -1000.0)
    volume[:, :, 8:32, 8:32] = 40
    volume[:, :, 12:24, 12:28] = inside
    return volume


def test_ct_with_lungs_gets_the_lung_window_and_other_ct_the_soft_one() -> None:
    assert window_for(image(_ct(-850), intensity=Intensity.HU)) == PRESETS["lung"]
    assert window_for(image(_ct(60), intensity=Intensity.HU)) == PRESETS["soft"]


def test_a_preset_can_be_asked_for_by_name() -> None:
    ct = image(_ct(-850), intensity=Intensity.HU)
    assert window_for(ct, preset="bone") == Window(-500, 1300)
    with pytest.raises(UsageError, match="Known windows: lung"):
        window_for(ct, preset="lungs")
    with pytest.raises(UsageError, match="Hounsfield"):
        window_for(image(_ct(0)), preset="bone")


def test_pet_is_shown_up_to_ten() -> None:
    assert window_for(image(np.ones((1, 4, 4)), intensity=Intensity.SUV)) == Window(0, 10)
    activity = window_for(image(np.linspace(0, 5000, 100).reshape(1, 10, 10), intensity=Intensity.ACTIVITY))
    assert activity.low == 0
    assert 4900 < activity.high <= 5000


def test_the_background_does_not_wash_out_the_picture() -> None:
    pixels = np.zeros((1, 100, 100))
    pixels[0, 40:60, 40:60] = np.linspace(500, 900, 400).reshape(20, 20)
    window = window_for(image(pixels))
    assert 495 < window.low < 510
    assert 890 < window.high <= 900


def test_one_hot_pixel_does_not_darken_the_rest() -> None:
    pixels = np.random.default_rng(0).uniform(0, 100, (1, 100, 100))
    pixels[0, 5, 5] = 1e6
    assert window_for(image(pixels)).high < 101


@pytest.mark.parametrize("pixels", [np.zeros((1, 5, 5)), np.full((1, 5, 5), np.nan), np.full((1, 5, 5), 7)])
def test_an_empty_image_still_has_a_window(pixels: np.ndarray) -> None:
    window = window_for(image(pixels))
    assert window.high > window.low
    assert window.grey(pixels[0]).shape == (5, 5)


def test_a_window_of_two_values_shows_both() -> None:
    pixels = np.zeros((1, 20, 20))
    pixels[0, 4:14] = 1
    assert set(picture(image(pixels), pixels).ravel()) == {0, 255}


def test_a_large_image_is_judged_by_a_sample() -> None:
    pixels = np.tile(np.linspace(0, 1000, 1200), (1, 1200, 1))
    window = window_for(image(pixels))
    assert abs(window.low - 5) < 5
    assert abs(window.high - 995) < 5


def test_grey_is_clipped_and_rounded() -> None:
    values = np.array([[-5.0, 0.0, 50.0, 100.0, 900.0, np.nan]])
    assert Window(0, 100).grey(values).tolist() == [[0, 0, 128, 255, 255, 0]]


def test_colour_passes_through() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (3, 5, 6), dtype=np.uint8)
    shown = picture(image(pixels, intensity=Intensity.RGB), pixels)
    assert np.array_equal(shown, np.moveaxis(pixels, 0, -1))


@pytest.mark.parametrize(
    ("pixels", "expected"),
    [
        (np.full((3, 2, 2), 0.5), 128),
        (np.full((3, 2, 2), 200.0), 200),
        (np.full((3, 2, 2), 65535, dtype=np.uint16), 255),
        (np.stack([*np.full((3, 2, 2), 100), np.zeros((2, 2))]).astype(np.uint8), 255),
        (np.stack([*np.full((3, 2, 2), 100), np.full((2, 2), 255)]).astype(np.uint8), 100),
    ],
    ids=["0 to 1", "float to 255", "16 bits", "see-through", "opaque"],
)
def test_colour_of_other_kinds_becomes_eight_bits(pixels: np.ndarray, expected: int) -> None:
    shown = picture(image(pixels, intensity=Intensity.RGB), pixels)
    assert shown.shape == (2, 2, 3)
    assert set(shown.ravel()) == {expected}


def test_label_maps_are_coloured_on_black() -> None:
    labels = np.array([[[0, 1], [2, 9]]])
    shown = picture(image(labels, intensity=Intensity.LABEL), labels)
    assert shown[0, 0].tolist() == [0, 0, 0]
    assert tuple(shown[0, 1]) == colour(0)
    assert tuple(shown[1, 0]) == colour(1)
    assert tuple(shown[1, 1]) == colour(0)
    assert np.array_equal(coloured(labels[0]), shown)
