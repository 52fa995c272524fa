"""A map comes back to the place that its pixels came from, whatever the preparation did to the grid."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from isocenter.core.geometry import Geometry
from isocenter.core.image import Image
from isocenter.core.recipe import InputRecipe, StepRecipe
from isocenter.pathway import restore
from isocenter.pathway.preparation import Preparation
from isocenter.pathway.restore import restored

SIZED = Geometry.sized((0.4, 0.7))
TURNED = Geometry.from_parts(
    origin=(30, -20, 5), spacing=(0.8, 0.9, 2.5), direction=np.array([[0, -1, 0], [1, 0, 0], [0, 0, -1]])
)


def blob(shape: tuple[int, ...], centre: tuple[float, ...], width: float) -> np.ndarray:
    """A bright place on dark ground, 8 bits."""
    grids = np.meshgrid(*[np.arange(extent, dtype=float) for extent in shape], indexing="ij")
    distance = sum((grid - place) ** 2 for grid, place in zip(grids, centre, strict=True))
    return np.asarray(20 + 220 * np.exp(-distance / (2 * width**2)), dtype=np.float32)


def prepared(image: Image, shape: tuple[int, ...], *steps: tuple[str, dict[str, Any]]) -> Any:
    wanted = InputRecipe(channels=("intensity",), shape=shape, mean=(0.0,), deviation=(1.0,))
    return Preparation([StepRecipe(step=name, settings=given) for name, given in steps], wanted).apply({"image": image})


FLAT: dict[str, tuple[tuple[int, ...], list[tuple[str, dict[str, Any]]]]] = {
    "stretched": ((48, 48), [("resize", {"shape": [48, 48]})]),
    "whole with a border": ((48, 48), [("resize", {"shape": [48, 48], "method": "fit"})]),
    "cropped": ((40, 40), [("resize", {"shape": [40, 40], "method": "crop"})]),
    "padded": ((120, 128), [("pad_or_crop", {"shape": [120, 128]})]),
    "cut": ((60, 70), [("pad_or_crop", {"shape": [60, 70]})]),
    "enlarged": ((200, 160), [("resize", {"shape": [200, 160]})]),
    "found and stretched": ((32, 32), [("foreground", {}), ("resize", {"shape": [32, 32]})]),
}


@pytest.mark.parametrize("geometry", [Geometry.unknown(), SIZED], ids=["photograph", "radiograph"])
@pytest.mark.parametrize("way", FLAT)
def test_the_peak_of_a_flat_image_comes_back(way: str, geometry: Geometry) -> None:
    shape, steps = FLAT[way]
    array = blob((80, 100), (33, 58), 6)
    image = Image(array=array[None], axes="CYX", geometry=geometry)
    found = prepared(image, shape, *steps)
    back = restored(found.array[0], found.image.geometry, image.geometry, array.shape)
    peak = np.unravel_index(int(back.argmax()), back.shape)
    np.testing.assert_allclose(peak, (33, 58), atol=1.5)
    assert back.shape == array.shape


SOLID: dict[str, tuple[tuple[int, ...], list[tuple[str, dict[str, Any]]]]] = {
    "turned and stretched": (
        (24, 32, 32),
        [("orient", {"orientation": "LPS", "dimensions": 3}), ("resize", {"shape": [24, 32, 32]})],
    ),
    "turned the other way": (
        (30, 40, 40),
        [("orient", {"orientation": "RAS", "dimensions": 3}), ("pad_or_crop", {"shape": [30, 40, 40]})],
    ),
    "even and whole": (
        (32, 32, 32),
        [("resample", {"spacing": [1.2, 1.2, 1.2]}), ("resize", {"shape": [32, 32, 32], "method": "fit"})],
    ),
}


@pytest.mark.parametrize("way", SOLID)
def test_the_peak_of_a_volume_comes_back_to_its_place_in_the_patient(way: str) -> None:
    shape, steps = SOLID[way]
    array = blob((24, 36, 44), (15, 12, 30), 3)
    image = Image(array=array[None], axes="CZYX", geometry=TURNED)
    found = prepared(image, shape, *steps)
    back = restored(found.array[0], found.image.geometry, image.geometry, array.shape)
    peak = np.unravel_index(int(back.argmax()), back.shape)
    np.testing.assert_allclose(peak, (15, 12, 30), atol=1)
    seen = found.image.geometry.points(np.unravel_index(int(found.array[0].argmax()), shape)[::-1])
    # where the model saw it is where it is in the patient, to within a step of either grid
    assert np.linalg.norm(seen - TURNED.points((30, 12, 15))) < 3.0


def test_beyond_the_map_there_is_nothing_and_its_edge_is_whole() -> None:
    part = Geometry.unknown().shifted((2, 3, 0))
    back = restored(np.ones((4, 5), np.float32), part, Geometry.unknown(), (10, 10))
    expected = np.zeros((10, 10))
    expected[3:7, 2:7] = 1
    np.testing.assert_array_equal(back, expected)
    finer = Geometry.unknown().regridded((5, 4, 1), (10, 8, 1))
    np.testing.assert_array_equal(restored(np.ones((4, 5), np.float32), Geometry.unknown(), finer, (8, 10)), 1)


def test_a_grid_is_the_same_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(0).normal(0, 1, (5, 6, 7)).astype(np.float32)
    wanted = TURNED.regridded((7, 6, 5), (9, 8, 7))
    whole = restored(values, TURNED, wanted, (7, 8, 9))
    monkeypatch.setattr(restore, "_POINTS", 13)
    np.testing.assert_array_equal(restored(values, TURNED, wanted, (7, 8, 9)), whole)
    np.testing.assert_allclose(restored(values, TURNED, TURNED, values.shape), values, atol=1e-5)
