"""Tests of what is called, and of when nothing may be said."""

from __future__ import annotations

import numpy as np
import pytest

from isocenter.core.errors import IsocenterError, UnknownName, UsageError
from isocenter.core.recipe import InputRecipe, ModelRecipe, Recipe
from isocenter.pathway import decide
from isocenter.pathway.decide import Decision

PLAIN = Decision(thresholds={})


def asked(*classes: str, positive: str | None = None) -> Recipe:
    """A recipe of some classes."""
    given = InputRecipe(channels=("image",), shape=(8, 8), mean=(0.0,), deviation=(1.0,))
    return Recipe(
        task="any", label="finding", classes=classes, positive=positive, input=given, model=ModelRecipe(name="any")
    )


def test_the_likeliest_class_is_called_where_there_is_no_threshold() -> None:
    scores = np.array([[0.2, 0.5, 0.3], [0.6, 0.2, 0.2]])
    np.testing.assert_array_equal(decide.called(scores, asked("a", "b", "c"), PLAIN, "classes"), [1, 0])


@pytest.mark.parametrize(("positive", "expected"), [(None, [1, 1, 0]), ("b", [1, 1, 0]), ("a", [1, 0, 0])])
def test_of_two_classes_the_positive_one_is_called_from_its_threshold_on(
    positive: str | None, expected: list[int]
) -> None:
    recipe = asked("a", "b", positive=positive)
    decision = Decision(thresholds={positive or "b": 0.3})
    scores = np.array([[0.1, 0.9], [0.7, 0.3], [0.71, 0.29]])
    np.testing.assert_array_equal(decide.called(scores, recipe, decision, "classes"), expected)
    assert decide.thresholds(recipe, decision, "classes") == {positive or "b": 0.3}


def test_each_of_several_findings_has_its_threshold_or_an_even_one() -> None:
    recipe, decision = asked("a", "b"), Decision(thresholds={"b": 0.1})
    scores = np.array([[0.5, 0.1], [0.49, 0.09]])
    np.testing.assert_array_equal(decide.called(scores, recipe, decision, "several"), [[1, 1], [0, 0]])
    assert decide.thresholds(recipe, decision, "several") == {"a": 0.5, "b": 0.1}


def test_a_number_is_itself() -> None:
    np.testing.assert_array_equal(decide.called(np.array([[1.5], [2.5]]), asked(), PLAIN, "number"), [1.5, 2.5])


@pytest.mark.parametrize(
    ("recipe", "form", "name"),
    [
        (asked("a", "b"), "classes", "a"),
        (asked("a", "b", "c"), "classes", "b"),
        (asked("a", "b"), "several", "c"),
        (asked(), "number", "a"),
    ],
)
def test_a_threshold_that_nothing_could_be_done_with_is_refused(recipe: Recipe, form: decide.Form, name: str) -> None:
    with pytest.raises(UsageError, match=f"no threshold for {name}"):
        decide.thresholds(recipe, Decision(thresholds={name: 0.5}), form)


def test_a_positive_class_that_does_not_exist_is_refused() -> None:
    with pytest.raises(UnknownName, match="Did you mean `malignant`"):
        decide.positive_index(asked("benign", "malignant", positive="malignan"))


def test_nothing_is_said_of_a_case_whose_outputs_are_no_numbers() -> None:
    logits = np.array([[0.0, 1.0], [np.nan, 0.0], [0.0, -np.inf]])
    first, *others = decide.reasons_to_abstain(logits)
    assert first is None
    assert all(reason and "not a number" in reason for reason in others)
    assert decide.reasons_to_abstain(logits, "zh")[1] != others[0]
    with pytest.raises(IsocenterError, match="no numbers"):
        decide.called(logits, asked("a", "b"), PLAIN, "classes")
