"""Cases as a model learns from them: refused as they would be at work, and marked by their content."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from evaluate_samples import SIDE, squares
from isocenter.core.cohort import Cohort
from isocenter.core.errors import UsageError
from isocenter.core.progress import Silent
from isocenter.core.recipe import Recipe
from isocenter.data.catalogue.store import open_cohort
from isocenter.stages._shared.marks import known, marks, written
from isocenter.stages._shared.material import Lot, evenly, gathered
from isocenter.stages._shared.packaging import _reference
from model_samples import tiny_recipe


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    return open_cohort(squares(tmp_path_factory.mktemp("lot") / "squares"))


def brightness_recipe(**given: Any) -> Recipe:
    return tiny_recipe(**{"classes": ("clear", "bright"), "shape": (SIDE, SIDE), **given})


def test_cases_are_refused_in_training_as_they_are_at_work(cohort: Cohort) -> None:
    """What was gathered for a model that bears a missing channel is not taken for one that does not."""
    channels = ("intensity", "flair")
    bearing = gathered(cohort, brightness_recipe(channels=channels, missing=True), ("train", "val"), Silent())
    assert len(bearing.cases) == 24
    with pytest.raises(UsageError, match=r"24 x The channel flair is missing"):
        gathered(cohort, brightness_recipe(channels=channels), ("train", "val"), Silent())
    with pytest.raises(UsageError, match="this model was made for volumes"):
        gathered(cohort, brightness_recipe(shape=(8, 8, 8)), ("train", "val"), Silent())


def test_marks_stand_for_content(cohort: Cohort) -> None:
    lot = gathered(cohort, brightness_recipe(), ("train", "val"), Silent())
    assert len(set(lot.marks.tolist())) == len(lot.cases) == 24
    kept = written(lot.marks)
    assert len(kept) == 8 * 24
    assert known(lot.marks, kept).all()
    assert not known(marks(cohort, cohort.split("test"), Silent()), kept).any()
    assert not known(np.zeros(2, np.uint64), kept).any()
    assert not known(lot.marks, b"").any()


def test_a_class_that_nobody_looked_for_has_no_prevalence() -> None:
    targets = np.array([[1, np.nan, 0], [0, np.nan, np.nan]], np.float32)
    lot = Lot(cases=[], pixels=np.zeros((2, 1, 4, 4)), targets=targets, left_out={}, marks=np.zeros(2, np.uint64))
    recipe = tiny_recipe(task="multilabel", classes=("a", "b", "c"))
    assert _reference(lot, recipe, []).prevalence == {"a": 0.5, "c": 0.0}


def test_rows_are_spread_evenly() -> None:
    assert evenly(3, 10).tolist() == [0, 1, 2]
    assert evenly(101, 3).tolist() == [0, 50, 100]
    assert evenly(0, 3).tolist() == []
