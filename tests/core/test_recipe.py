"""A recipe: read as it is written, and refused in one short sentence when it cannot be meant."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from isocenter.core.errors import UsageError
from isocenter.core.recipe import plain_from, read_recipe, recipe_from
from model_samples import tiny_recipe


def test_what_was_written_is_read(tmp_path: Path) -> None:
    recipe = tiny_recipe(channels=("T1", "FLAIR"))
    (tmp_path / "recipe.yaml").write_text(recipe.to_yaml(), encoding="utf-8")
    assert read_recipe(tmp_path / "recipe.yaml") == recipe
    assert "&" not in recipe.to_yaml()


@pytest.mark.parametrize("text", ["a: &x [1]\nb: *x\n", "a: &a\n  b: *a\n", "[" * 5000, "day: 2026-02-31\n"])
def test_texts_that_are_more_than_plain_values_are_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "recipe.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match="is not a recipe"):
        read_recipe(tmp_path / "recipe.yaml")
    with pytest.raises(yaml.YAMLError):
        plain_from(text)


def test_what_is_refused_is_shown_in_short() -> None:
    plain = {**tiny_recipe().model_dump(mode="json"), "task": ["x" * 1000] * 1000}
    with pytest.raises(UsageError, match="`task` in here") as caught:
        recipe_from(plain, source="here")
    assert len(str(caught.value)) < 400


def test_every_member_needs_a_fold() -> None:
    plain = tiny_recipe().model_dump(mode="json")
    plain["model"]["members"] = 8
    plain["validation"] = {"design": "folds", "folds": 5}
    with pytest.raises(UsageError, match=r"here contradicts itself.*8 members for 5 folds.*set validation\.folds to 8"):
        recipe_from(plain, source="here")
    plain["validation"]["folds"] = 8
    assert recipe_from(plain, source="here").model.members == 8
