"""A plan reckons with the pace that the training will have."""

from __future__ import annotations

import sys

import pytest

from isocenter.learning.training.forecast import Forecast
from isocenter.stages._shared.pacing import pace
from model_samples import tiny_recipe


def test_the_pace_counts_every_batch_of_a_step(monkeypatch: pytest.MonkeyPatch) -> None:
    module = sys.modules["isocenter.stages._shared.pacing"]
    monkeypatch.setattr(module, "probe", lambda school: Forecast(step=0.4, judge=0.0, memory=0))
    recipe = tiny_recipe().changed("training", accumulate=2)
    assert pace(recipe) == pytest.approx(0.8)
