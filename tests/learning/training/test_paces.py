"""Layers that begin with given weights learn at their own pace, or stay as they are to the last bit."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from isocenter.core.progress import Silent
from isocenter.core.recipe import TrainingRecipe
from isocenter.learning.build import build_model, input_form
from isocenter.learning.training.members import School, train_members
from isocenter.learning.training.paces import groups_of, paced

sys.path.insert(0, str(Path(__file__).parent))
from training_samples import school


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def begun(given: School) -> dict[str, torch.Tensor]:
    torch.manual_seed(9)
    network = build_model(given.recipe.model, input_form(given.recipe), 2)
    return {name: value for name, value in network.state_dict().items() if not name.startswith("normalise")}


def trained(**training: float) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    """What a training began with, and what became of it."""
    given = school(steps=4, average=0.0, looks=1, **training)
    before = begun(given)
    after = train_members(replace(given, weights=before), Silent()).network.state_dict()
    return before, after


def moved(before: dict[str, torch.Tensor], after: dict[str, torch.Tensor]) -> dict[str, float]:
    return {name: float((after[name] - value).double().abs().max()) for name, value in before.items()}


def test_layers_that_are_kept_stay_as_they_were_with_their_statistics_and_the_head_learns() -> None:
    before, after = trained(weights_rate=0.0)
    far = moved(before, after)
    assert {name for name, distance in far.items() if distance > 0} == {"fc.weight", "fc.bias"}


def test_slower_layers_move_less_and_all_learn_where_no_pace_is_set() -> None:
    fast, slow = moved(*trained()), moved(*trained(weights_rate=0.1))
    weights = [name for name in fast if name.endswith("weight") and not name.startswith("fc")]
    assert all(0 < slow[name] < fast[name] for name in weights)


def test_given_weights_change_nothing_else_about_chance() -> None:
    """The same seed, order and variations: only the beginning differs."""
    first, again = trained()[1], trained()[1]
    assert all(torch.equal(first[name], again[name]) for name in first)


def test_the_last_layers_begin_first_and_learn_fastest() -> None:
    given = school()
    network = build_model(given.recipe.model, input_form(given.recipe), 2)
    names = [name for name, _ in network.named_parameters()]
    training = TrainingRecipe(steps=100, weights_rate=0.5, layer_decay=0.5, unfreeze=0.8)
    groups = groups_of(network, frozenset(names), training)
    by_layer: dict[int, tuple[float, int]] = {}
    for group in groups:
        for one in group["params"]:
            by_layer[id(one)] = (group["share"], group["from"])
    told = [by_layer[id(one)] for _, one in network.named_parameters()]
    shares, starts = [share for share, _ in told], [start for _, start in told]
    assert shares == sorted(shares)
    assert starts == sorted(starts, reverse=True)
    assert shares[-1] == 0.5
    assert starts[0] == 80
    last = groups[0]
    assert paced(last, 1.0, last["from"] - 1) == 0.0
    assert paced(last, 1.0, last["from"]) == last["share"]


def test_without_given_weights_the_optimiser_is_as_it_always_was() -> None:
    given = school()
    network = build_model(given.recipe.model, input_form(given.recipe), 2)
    first, second = groups_of(network, frozenset(), given.recipe.training)
    assert (first["weight_decay"], second["weight_decay"]) == (given.recipe.training.weight_decay, 0.0)
    assert all(one.ndim > 1 for one in first["params"])
    assert len(first["params"]) + len(second["params"]) == len(list(network.parameters()))
    assert {group["share"] for group in (first, second)} == {1.0}
