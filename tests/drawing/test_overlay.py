"""A map is laid over an image so that both are seen, in colours for every kind of eye, beside the plain image."""

from __future__ import annotations

import numpy as np
import pytest
from drawing_samples import corner_volume, image

from isocenter.core.geometry import Geometry
from isocenter.core.image import Image, Intensity
from isocenter.drawing.montage import png
from isocenter.drawing.overlay import (
    Legend,
    _colours,
    _views_of_volume,
    explained_image,
    explained_sheet,
    overlay,
    relative,
)

LEGEND = Legend(
    title="What speaks for malignant (probability 0.87)",
    plain="Image",
    explained="What speaks for malignant",
    none="nothing",
    strongest="strongest",
    line="White line: half of the strongest",
    planes=("Axial", "Coronal", "Sagittal"),
    notes=("A map is no proof. " * 12, "一张图不是证据。" * 12),
    sides=("R", "L", "A", "P", "H", "F"),
)


def luminance(colours: np.ndarray) -> np.ndarray:
    """How bright colours look, 0 to 1 (sRGB, relative)."""
    share = colours / 255
    linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    return linear @ np.array([0.2126, 0.7152, 0.0722])


def test_nothing_is_laid_where_there_is_nothing_and_the_image_is_seen_through_the_strongest() -> None:
    grey = np.tile(np.uint8([0, 128, 255]), (3, 1))
    strength = np.repeat(np.float32([0, 0.5, 1])[:, None], 3, axis=1)
    shown = overlay(grey, strength)
    assert shown.shape == (3, 3, 3)
    np.testing.assert_array_equal(shown[0], np.repeat(grey[0][:, None], 3, axis=1))
    assert luminance(shown[2, 2]) > luminance(shown[2, 1]) > luminance(shown[2, 0])
    change = np.abs(shown.astype(int) - grey[..., None]).sum(axis=2)
    assert (change[2] > change[1]).all()
    assert (change[1] > 20).all()


def test_stronger_is_brighter_for_every_kind_of_eye() -> None:
    steps = luminance(_colours())
    assert (np.diff(steps) >= 0).all()
    assert steps[-1] > steps[0] + 0.7


def test_colour_and_odd_values_are_borne() -> None:
    colour = np.full((4, 4, 3), (200, 80, 120), np.uint8)
    strength = np.full((4, 4), 0.0)
    strength[0, 0], strength[1, 1] = np.nan, 7
    shown = overlay(colour, strength)
    assert shown[0, 0].tolist() == [200, 80, 120]
    assert shown[1, 1].tolist() == overlay(colour, np.ones((4, 4)))[1, 1].tolist()


def test_a_map_is_taken_relative_to_its_strongest_place() -> None:
    assert relative(np.float32([[-3, 0], [1, 4]])).tolist() == [[0, 0], [0.25, 1]]
    assert relative(np.zeros((2, 2), np.float32)).tolist() == [[0, 0], [0, 0]]


def test_a_flat_image_keeps_its_size() -> None:
    flat = image(np.arange(600).reshape(1, 20, 30))
    assert explained_image(flat, np.zeros((20, 30), np.float32)).shape == (20, 30, 3)
    rgb = image(np.full((3, 20, 30), 90, np.uint8), intensity=Intensity.RGB)
    assert explained_image(rgb, np.zeros((20, 30), np.float32))[0, 0].tolist() == [90, 90, 90]


def test_a_sheet_shows_the_image_twice_and_marks_one() -> None:
    flat = image(np.tile(np.linspace(0, 255, 64, dtype=np.uint8), (48, 1))[None])
    strength = np.zeros((48, 64), np.float32)
    strength[10:20, 40:50] = 1
    sheet = np.asarray(explained_sheet(flat, strength, LEGEND)).astype(int)
    coloured = np.abs(sheet[..., 0] - sheet[..., 2]) > 40
    band = coloured[70:400]  # beside the scale of the colours
    assert not band[:, : sheet.shape[1] // 2].any()
    assert band[:, sheet.shape[1] // 2 :].any()
    assert png(explained_sheet(flat, strength, LEGEND)) == png(explained_sheet(flat, strength, LEGEND))


@pytest.mark.parametrize("stored", ["LPS", "RAS", "SRA"])
def test_a_volume_is_cut_through_the_strongest_place_however_it_is_stored(stored: str) -> None:
    volume = image(corner_volume().array.repeat(3, axis=1).repeat(2, axis=2).repeat(2, axis=3))
    strength = np.zeros(volume.array.shape[1:], np.float32)
    strength[4, 9, 7] = 1
    turned = volume.oriented(stored)
    level = image(strength[None]).oriented(stored).array[0]
    views = _views_of_volume(turned, level, LEGEND)
    assert [view.level.max() for view in views] == [1, 1, 1]
    axial, coronal, sagittal = views
    assert np.unravel_index(int(axial.level.argmax()), axial.level.shape) == (9, 7)
    assert np.unravel_index(int(coronal.level.argmax()), coronal.level.shape) == (17 - 4, 7)
    assert np.unravel_index(int(sagittal.level.argmax()), sagittal.level.shape) == (17 - 4, 9)
    assert [view.sides for view in views] == [("R", "L", "A", "P"), ("R", "L", "H", "F"), ("A", "P", "H", "F")]
    if stored == "LPS":
        assert [view.name for view in views] == ["Axial 5 / 18", "Coronal 10 / 16", "Sagittal 8 / 20"]
    if stored == "RAS":
        assert [view.name for view in views] == ["Axial 5 / 18", "Coronal 7 / 16", "Sagittal 13 / 20"]
    assert explained_sheet(turned, level, LEGEND).width > 600


def test_all_planes_of_a_volume_are_drawn_to_one_scale() -> None:
    geometry = Geometry.from_parts(origin=(0, 0, 0), spacing=(1, 2, 4), direction=np.eye(3))
    volume = Image(array=np.zeros((1, 20, 20, 20)), axes="CZYX", geometry=geometry)
    views = _views_of_volume(volume, np.zeros((20, 20, 20), np.float32), LEGEND)
    assert [view.longest for view in views] == [40, 80, 80]
    assert [view.proportion for view in views] == [2, 4, 2]


@pytest.mark.parametrize(("place", "shown"), [(0, ("1", "2", "3")), (3, ("3", "4", "5")), (4, ("3", "4", "5"))])
def test_of_few_slices_the_strongest_and_its_neighbours_are_shown(place: int, shown: tuple[str, ...]) -> None:
    strength = np.zeros((5, 30, 30), np.float32)
    strength[place, 3, 3] = 1
    volume = Image(array=np.zeros((1, 5, 30, 30)), axes="CZYX", geometry=Geometry.unknown())
    views = _views_of_volume(volume, strength, LEGEND)
    assert tuple(view.name for view in views) == tuple(f"Axial {number} / 5" for number in shown)
    assert all(view.sides == () for view in views)


def test_a_single_pair_of_slices_is_shown_as_it_is() -> None:
    volume = Image(array=np.zeros((1, 2, 30, 30)), axes="CZYX", geometry=Geometry.unknown())
    assert len(_views_of_volume(volume, np.zeros((2, 30, 30), np.float32), LEGEND)) == 2
