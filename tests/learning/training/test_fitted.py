"""A classical estimator heeds how rare classes are to count, as networks do."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np
import pytest
from training_samples import recipe, school

from isocenter.core.progress import Silent
from isocenter.core.recipe import ModelRecipe
from isocenter.learning.training.batches import Material
from isocenter.learning.training.members import Part, train_members


def said(balance: Literal["none", "weights"]) -> np.ndarray:
    """The mean logits of a regression on noise in which one class is rare."""
    rng = np.random.default_rng(0)
    pixels = rng.integers(90, 110, (60, 1, 12, 12)).astype(np.uint8)
    material = Material(pixels=pixels, targets=np.eye(2, dtype=np.float32)[(np.arange(60) % 6 == 0).astype(int)])
    rows = np.arange(60)
    given = recipe(balance=balance).model_copy(
        update={"model": ModelRecipe(name="logistic", settings={"penalty": 10.0})}
    )
    lesson = replace(school(material=material), recipe=given, parts=[Part(learned=rows, judged=rows)])
    return train_members(lesson, Silent()).logits.mean(axis=0)


def test_rare_classes_count_more_where_that_is_asked_for() -> None:
    plain, weighted = said("none"), said("weights")
    assert plain[1] - plain[0] == pytest.approx(-np.log(5), abs=0.3)
    assert weighted[1] - weighted[0] == pytest.approx(0.0, abs=0.3)
