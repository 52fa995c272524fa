"""Tests of the interval of a share: it is Wilson's, and patients count, not their images."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest

from isocenter.evidence.metrics._shared import Tally
from isocenter.evidence.statistics.shares import wilson


@pytest.mark.parametrize(("part", "whole"), [(0, 12), (1, 12), (7, 12), (12, 12), (95, 100)])
def test_of_patients_with_one_image_each_it_is_wilsons(part: int, whole: int) -> None:
    counted = np.arange(whole + 5) < part
    found = wilson(Tally(counted, np.arange(whole + 5) < whole), np.arange(whole + 5), 0.95)
    expected = binomtest(part, whole).proportion_ci(0.95, "wilson")
    assert found is not None
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))
    assert found.patients == whole


def test_copies_add_nothing() -> None:
    right = np.random.default_rng(0).random(60) < 0.8
    alone = wilson(Tally(right, np.ones(60)), np.arange(60), 0.95)
    copied = wilson(Tally(np.repeat(right, 8), np.ones(480)), np.repeat(np.arange(60), 8), 0.95)
    assert alone is not None
    assert copied is not None
    assert copied.high - copied.low == pytest.approx(alone.high - alone.low, rel=0.1)


@pytest.mark.parametrize("sure", [0.0, 2.0])
def test_it_holds_the_truth_as_often_as_it_says(sure: float) -> None:
    rng, held = np.random.default_rng(1), 0
    for _ in range(200):
        patients = np.repeat(np.arange(30), rng.integers(1, 6, 30))
        chance = 1 / (1 + np.exp(-1.5 - sure * rng.normal(size=30)))
        right = rng.random(len(patients)) < chance[patients]
        found = wilson(Tally(right, np.ones(len(patients))), patients, 0.9)
        assert found is not None
        truth = np.mean(1 / (1 + np.exp(-1.5 - sure * np.random.default_rng(2).normal(size=100_000))))
        held += found.low <= truth <= found.high
    assert 170 <= held <= 195


def test_one_patient_tells_nothing_of_others() -> None:
    assert wilson(Tally(np.ones(9), np.ones(9)), np.zeros(9), 0.95) is None
    assert wilson(Tally(np.zeros(9), np.zeros(9)), np.arange(9), 0.95) is None
