"""The entrance to a model: the same refusals in training and at work, and a key that names them."""

from __future__ import annotations

import numpy as np
import pytest

from isocenter.core.errors import UsageError
from isocenter.core.geometry import Geometry
from isocenter.core.image import Image
from isocenter.pathway.entrance import Entrance
from model_samples import tiny_recipe


def picture(name: str, modality: str | None = None) -> Image:
    pixels = np.arange(256, dtype=np.uint8).reshape(1, 16, 16)
    return Image(array=pixels, axes="CYX", channels=(name,), geometry=Geometry.unknown(), modality=modality)


def test_a_missing_channel_is_refused_unless_the_model_learned_to_do_without() -> None:
    case = {"T1": picture("T1")}
    with pytest.raises(UsageError, match="The channel T2 is missing"):
        Entrance(tiny_recipe(channels=("T1", "T2"))).prepare(case)
    prepared = Entrance(tiny_recipe(channels=("T1", "T2"), missing=True)).prepare(case)
    assert prepared.missing == ("T2",)


def test_another_modality_is_refused() -> None:
    strict = Entrance(tiny_recipe(modalities=("MG",)))
    with pytest.raises(UsageError, match="of the modality CT"):
        strict.prepare({"intensity": picture("intensity", "CT")})
    assert strict.prepare({"intensity": picture("intensity", "MG")}).array.shape == (1, 16, 16)


def test_rows_prepared_for_one_model_are_not_taken_for_another_that_would_refuse_them() -> None:
    recipes = [tiny_recipe(), tiny_recipe(modalities=("MG",)), tiny_recipe(missing=True)]
    assert len({Entrance(recipe).key for recipe in recipes}) == 3
    assert Entrance(tiny_recipe()).key == Entrance(tiny_recipe()).key
