"""Forecasts: seconds, bytes, and what is done where either does not suffice."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from isocenter.core.errors import IsocenterError
from isocenter.core.fingerprint import Machine
from isocenter.learning.training.forecast import Forecast, fitting, probe, steps_within

sys.path.insert(0, str(Path(__file__).parent))
from training_samples import school

MB = 1_000_000


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def machine(free: int = 1000 * MB, *, bf16: bool = False) -> Machine:
    return Machine(cores=2, free_memory=free, bf16=bf16)


def test_a_probe_measures_time_and_memory() -> None:
    small, large = probe(school(batch=2)), probe(school(batch=16))
    assert small.step > 0
    assert small.judge > 0
    assert 0 < small.memory < large.memory


def test_a_probe_of_a_classical_model_needs_no_steps() -> None:
    given = school()
    classical = given.recipe.model_copy(
        update={"model": given.recipe.model.model_copy(update={"name": "logistic", "settings": {}})}
    )
    assert probe(replace(given, recipe=classical)).step == 0


@pytest.mark.parametrize(("budget", "least", "most"), [(1.0, 1, 9), (100.0, 700, 850), (0.001, 1, 1)])
def test_a_budget_becomes_steps(budget: float, least: int, most: int) -> None:
    forecast = Forecast(step=0.1, judge=0.0, memory=0)
    assert least <= steps_within(budget, school(), forecast) <= most


def test_batches_that_do_not_fit_are_divided() -> None:
    given = school(batch=8)
    fitted = fitting(given, Forecast(step=0.1, judge=0.0, memory=100 * MB), machine(60 * MB))
    assert (fitted.recipe.training.batch, fitted.recipe.training.accumulate) == (2, 4)
    assert fitting(given, Forecast(step=0.1, judge=0.0, memory=100 * MB), machine()) is given


def test_what_cannot_fit_is_refused_with_its_numbers() -> None:
    with pytest.raises(IsocenterError, match=r"needs about 10.* GB.*are free.*smaller"):
        fitting(school(), Forecast(step=0.1, judge=0.0, memory=10_000 * MB), machine(60 * MB))
