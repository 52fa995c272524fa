"""Thresholds are chosen, kept or missed aloud, never dropped in silence."""

from __future__ import annotations

from typing import Any, get_args

import numpy as np
import pytest

from isocenter.core.case import Case
from isocenter.core.errors import UsageError
from isocenter.core.reading import Measure
from isocenter.core.recipe import DecisionRecipe, Recipe
from isocenter.core.words import LANGUAGES, say
from isocenter.data.catalogue.splits import blocks_of
from isocenter.pathway.decide import unweighted
from isocenter.pathway.tasks._shared import Decision
from isocenter.stages._shared.deciding import Judged, answers, decided, require_decidable, unmet, validated
from isocenter.stages._shared.eight_bits import as_good
from isocenter.stages._shared.material import task_named
from model_samples import tiny_recipe

PLAIN = Decision(thresholds={})


def asked(task: str = "classify", classes: tuple[str, ...] = ("benign", "malignant"), **decision: Any) -> Recipe:
    return tiny_recipe(task=task, classes=classes).changed("decision", **decision)


def judged(places: list[int], width: int = 2) -> Judged:
    """What was said of cases of these classes: the right thing, mostly."""
    targets = np.eye(width, dtype=np.float32)[places] if places else np.zeros((0, width), np.float32)
    noise = np.random.default_rng(0).normal(0, 1, targets.shape)
    logits = 2 * targets + noise if places else np.zeros(0)
    return Judged(logits=logits, targets=targets, patients=np.arange(len(places)))


@pytest.mark.parametrize("decision", [{"sensitivity": 0.95}, {"threshold": "youden"}, {"threshold": 0.3}])
@pytest.mark.parametrize(
    ("task", "classes"), [("classify", ("a", "b", "c")), ("ordinal", ("none", "mild", "severe")), ("regress", ())]
)
def test_a_threshold_that_there_cannot_be_is_refused_before_training(
    task: str, classes: tuple[str, ...], decision: dict[str, Any]
) -> None:
    with pytest.raises(UsageError, match="there is none to choose") as caught:
        require_decidable(task_named(task), asked(task, classes, **decision))
    assert "Leave out" in str(caught.value)


def test_a_threshold_that_there_can_be_is_not() -> None:
    """None of these is refused."""
    require_decidable(task_named("classify"), asked(sensitivity=0.95))
    require_decidable(task_named("multilabel"), asked("multilabel", ("a", "b", "c"), threshold="youden"))
    require_decidable(task_named("ordinal"), asked("ordinal", ("none", "mild", "severe")))


@pytest.mark.parametrize("lang", LANGUAGES)
def test_every_way_to_a_threshold_has_a_sentence(lang: str) -> None:
    (named, _) = get_args(DecisionRecipe.model_fields["threshold"].annotation)
    ways = {*get_args(named), "fixed", "likeliest", "even"} - {"argmax"}
    assert all(say(f"evaluation.chosen_{way}", lang) for way in ways)


def test_a_fixed_threshold_needs_no_validation_cases() -> None:
    assert decided(task_named("classify"), asked(threshold=0.3), judged([]), PLAIN).thresholds == {"malignant": 0.3}


def test_the_positive_class_is_called_from_its_share_on() -> None:
    task, recipe, given = task_named("classify"), asked(threshold="prevalence"), judged([0] * 30 + [1] * 10)
    decision = decided(task, recipe, given, PLAIN)
    assert decision.thresholds == {"malignant": 0.25}
    scores = task.decode(given.logits, decision)
    found = answers(task, recipe, given, decision)
    assert (found.called == (scores[:, 1] >= 0.25)).all()
    assert (found.called != scores.argmax(axis=1)).any()
    assert decided(task, recipe, judged([0] * 9), PLAIN).thresholds == {}
    everybody = np.eye(2, dtype=np.float32)[[0] * 8 + [1] * 2]
    for some in ([], [0] * 9, [0] * 30 + [1] * 10):
        assert decided(task, recipe, judged(some), PLAIN, everybody=everybody).thresholds == {"malignant": 0.2}


@pytest.mark.parametrize("places", [[], [0] * 9, [1] * 9])
def test_a_threshold_that_could_not_be_chosen_is_told(places: list[int]) -> None:
    task, recipe = task_named("classify"), asked(sensitivity=0.95)
    decision = decided(task, recipe, judged(places), PLAIN)
    assert decision.thresholds == {}
    (told,) = unmet(task, recipe, judged(places), decision)
    assert "95 % of its cases" in told
    assert f"{places.count(1)} validation cases with it and {places.count(0)} without" in told
    assert "validation.design=folds" in told


def test_nothing_is_told_where_it_was_chosen_or_not_asked_for() -> None:
    task, given = task_named("classify"), judged([0, 1] * 20)
    chosen = decided(task, asked(sensitivity=0.9), given, PLAIN)
    assert set(chosen.thresholds) == {"malignant"}
    assert unmet(task, asked(sensitivity=0.9), given, chosen) == []
    assert unmet(task, asked(), judged([]), PLAIN) == []


def test_what_weights_added_is_taken_off_before_the_temperature_is_sought() -> None:
    task, given = task_named("classify"), judged([0] * 90 + [1] * 10)
    shifted = Judged(logits=given.logits + np.log([0.5, 4.0]), targets=given.targets, patients=given.patients)
    plain = decided(task, asked(), given, PLAIN)
    again = decided(task, asked(), shifted, unweighted(PLAIN, (0.5, 4.0)))
    assert again.temperature == pytest.approx(plain.temperature, rel=1e-4)
    assert task.decode(shifted.logits, again) == pytest.approx(task.decode(given.logits, plain), rel=1e-3)
    assert validated(task, asked(), judged([]), plain) == []


def test_near_duplicates_tie_patients_together() -> None:
    cases = [
        Case(key=str(number), patient=patient, group=group, images={})
        for number, (patient, group) in enumerate([("a", None), ("b", "x"), ("c", "x"), ("b", None), ("d", None)])
    ]
    first, second, third, fourth, fifth = blocks_of(cases)
    assert second == third == fourth
    assert len({first, second, fifth}) == 3
    assert len(blocks_of([])) == 0


def test_eight_bits_are_as_good_inside_the_interval_or_where_there_is_none_no_worse() -> None:
    known = Measure(name="auroc", value=0.9, low=0.8, high=0.95, n=40)
    assert as_good(known, 0.81)
    assert not as_good(known, 0.79)
    perfect = Measure(name="auroc", value=1.0, n=40)
    assert as_good(perfect, 1.0)
    assert not as_good(perfect, 0.99)
    assert not as_good(perfect, None)
    assert as_good(Measure(name="mae", value=2.0, n=40), 1.9)
