"""Tiles hang as a radiologist would hang them, and sheets keep their shape."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
from drawing_samples import corner_volume, image
from PIL import Image as Picture

from isocenter.core.geometry import Geometry
from isocenter.core.image import Image, Intensity
from isocenter.drawing.look import colour
from isocenter.drawing.montage import Tile, contact_sheet, outlined, png, tag_colours, tile
from isocenter.drawing.window import Window

WINDOW = Window(0, 175)


@pytest.mark.parametrize("stored", ["LPS", "RAS", "SRA", "PIL", "ASL"])
def test_an_axial_slice_hangs_the_same_however_it_was_stored(stored: str) -> None:
    shown = tile(corner_volume().oriented(stored), size=40, window=WINDOW).pixels.astype(int)
    assert shown.shape == (32, 40)
    assert shown[2:-2, 30:].mean() > shown[2:-2, :10].mean() + 100  # the patient's left is on the right
    assert shown[24:, 5:15].mean() > shown[:8, 5:15].mean() + 50  # the back is below
    assert shown[4, 5] in range(30, 45)  # the upper of the two middle slices


def _thick(axis: int) -> Image:
    spacing = [1.0, 1.0, 1.0]
    spacing[axis] = 4.0
    volume = corner_volume()
    geometry = Geometry.from_parts(origin=(0, 0, 0), spacing=spacing, direction=np.eye(3))
    return Image(array=volume.array, axes="CZYX", geometry=geometry)


def test_a_coronal_series_is_shown_coronally_head_up() -> None:
    shown = tile(_thick(1), size=50, window=WINDOW).pixels.astype(int)
    assert shown.shape == (30, 50)
    assert shown[:10, 5].mean() > shown[-10:, 5].mean() + 20
    assert shown[:, 40:].mean() > shown[:, :10].mean() + 100


def test_a_sagittal_series_is_shown_from_the_side_facing_left() -> None:
    shown = tile(_thick(0), size=40, window=WINDOW).pixels.astype(int)
    assert shown.shape == (30, 40)
    assert shown[:10, 5].mean() > shown[-10:, 5].mean() + 20
    assert shown[:, 30:].mean() > shown[:, :10].mean() + 50


def test_pixels_that_are_not_square_are_drawn_in_true_proportion() -> None:
    flat = image(np.arange(200).reshape(1, 10, 20), spacing=(1.0, 3.0, 1.0))
    assert tile(flat, size=60).pixels.shape == (60, 40)


def test_a_film_is_shown_from_its_middle() -> None:
    frames = np.zeros((1, 5, 3, 8, 8))
    frames[:, 2, 1] = 1
    shown = tile(image(frames), size=8, window=Window(0, 1))
    assert shown.pixels.min() == 255


def test_the_slice_with_most_of_the_mask_is_shown_with_its_outline() -> None:
    volume = image(np.zeros((1, 9, 32, 32)))
    marks = np.zeros((1, 9, 32, 32), dtype=np.uint8)
    marks[0, 7, 8:24, 8:24] = 2
    marks[0, 4, 0:3, 0:3] = 1
    mask = image(marks, intensity=Intensity.LABEL)
    shown = tile(volume, mask=mask, size=32, window=Window(0, 1)).pixels
    assert tuple(shown[8, 16]) == colour(1)
    assert shown[16, 16].tolist() == [0, 0, 0]
    assert shown[1, 1].tolist() == [0, 0, 0]
    alone = tile(mask, size=32).pixels
    assert tuple(alone[16, 16]) == colour(1)


def test_a_flat_image_carries_its_mask_too() -> None:
    marks = np.zeros((1, 16, 16), dtype=np.uint8)
    marks[0, 4:12, 4:12] = 1
    shown = tile(image(np.ones((1, 16, 16))), mask=image(marks, intensity=Intensity.LABEL), size=64).pixels
    assert shown.shape == (64, 64, 3)
    assert tuple(shown[32, 16]) == colour(0)
    assert tuple(shown[32, 32]) != colour(0)


def test_an_empty_mask_shows_the_middle() -> None:
    volume = np.zeros((1, 5, 8, 8))
    volume[0, 2] = 1
    nothing = image(np.zeros((1, 5, 8, 8), dtype=np.uint8), intensity=Intensity.LABEL)
    assert tile(image(volume), mask=nothing, size=8, window=Window(0, 1)).pixels.min() == 255


def test_an_outline_keeps_the_picture_beneath() -> None:
    colourful = np.full((8, 8, 3), 90, dtype=np.uint8)
    labels = np.zeros((8, 8))
    labels[2:6, 2:6] = 1
    drawn = outlined(colourful, labels)
    assert drawn[0, 0].tolist() == [90, 90, 90]
    assert drawn[4, 4].tolist() == [90, 90, 90]
    assert np.count_nonzero((drawn == colour(0)).all(axis=-1)) == 12
    assert colourful.max() == 90


def test_a_sheet_has_a_cell_for_every_tile() -> None:
    grey, wide = np.full((40, 40), 200, dtype=np.uint8), np.full((10, 40, 3), 200, dtype=np.uint8)
    tiles = [Tile(grey, "one", "nodule"), Tile(wide, "中文说明" * 20, "clear"), Tile(grey, "three")]
    sheet = contact_sheet(tiles, size=64, columns=2)
    assert sheet.size == (2 * 70 + 6, 2 * (64 + 32 + 6) + 6)
    pixels = np.asarray(sheet)
    assert (pixels[6:70, 6:70] == 200).all()
    assert tuple(pixels[38, 108]) == (200, 200, 200)
    assert tuple(pixels[10, 108]) == (16, 20, 24)  # above a wide picture lies the ground
    assert tag_colours(["nodule", "clear", "", "nodule"]) == {"clear": colour(0), "nodule": colour(1)}
    assert (pixels.reshape(-1, 3) == colour(1)).all(axis=1).any()


def test_an_empty_sheet_is_still_a_sheet() -> None:
    assert contact_sheet([], size=64).size[0] > 64


def test_a_picture_is_saved_the_same_every_time() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (20, 30), dtype=np.uint8)
    assert png(pixels) == png(Picture.fromarray(pixels))
    assert np.array_equal(np.asarray(Picture.open(BytesIO(png(pixels)))), pixels)
