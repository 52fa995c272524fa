"""Tests of thresholds: the best one is found, and a wanted sensitivity is kept to the case."""

from __future__ import annotations

import numpy as np
import pytest

from isocenter.core.errors import UsageError
from isocenter.evidence.statistics.thresholds import OperatingPoint, for_sensitivity, youden


def drawn(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Scores with many ties."""
    rng = np.random.default_rng(seed)
    truth = rng.random(60) < 0.4
    return np.round(np.clip(rng.normal(0.4 + 0.2 * truth, 0.2), 0, 1), 1), truth


def worth(scores: np.ndarray, truth: np.ndarray, threshold: float) -> float:
    """Sensitivity and specificity together."""
    called = scores >= threshold
    return float(called[truth].mean() + (~called)[~truth].mean())


@pytest.mark.parametrize("seed", range(5))
def test_no_other_threshold_is_better(seed: int) -> None:
    scores, truth = drawn(seed)
    point = youden(scores, truth)
    assert point.specificity is not None
    assert point.sensitivity + point.specificity == pytest.approx(worth(scores, truth, point.threshold))
    assert max(worth(scores, truth, one) for one in np.unique(scores)) <= worth(scores, truth, point.threshold) + 1e-12


def test_between_clearly_parted_classes_it_lies_halfway() -> None:
    point = youden(np.array([0.1, 0.2, 0.8, 0.9]), np.array([0, 0, 1, 1]))
    assert point == OperatingPoint(threshold=0.5, sensitivity=1.0, specificity=1.0, positives=2, negatives=2)


def test_between_neighbouring_numbers_it_is_the_upper_one() -> None:
    below = float(np.nextafter(0.5, 0.0))
    point = youden(np.array([below, 0.5]), np.array([False, True]))
    assert (point.threshold, point.specificity) == (0.5, 1.0)


def test_scores_that_say_nothing_call_everything() -> None:
    point = youden(np.full(6, 0.3), np.arange(6) % 2)
    assert (point.threshold, point.sensitivity, point.specificity) == (0.3, 1.0, 0.0)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("wanted", [0.5, 0.8, 0.9, 1.0])
def test_the_wanted_share_is_found_and_no_higher_threshold_does(seed: int, wanted: float) -> None:
    scores, truth = drawn(seed)
    point = for_sensitivity(scores, truth, wanted)
    assert point.sensitivity == (scores[truth] >= point.threshold).mean() >= wanted
    assert point.specificity == (scores[~truth] < point.threshold).mean()
    assert (point.positives, point.negatives) == (truth.sum(), (~truth).sum())
    higher = scores[scores > point.threshold]
    assert not len(higher) or (scores[truth] >= higher.min()).mean() < wanted


def test_seven_of_ten_are_seven() -> None:
    scores = np.arange(10) / 10
    assert for_sensitivity(scores, np.ones(10), 0.7).threshold == 0.3
    assert for_sensitivity(scores, np.ones(10), 0.71).threshold == 0.2
    assert for_sensitivity(scores, np.ones(10), 0.7).specificity is None


def test_without_cases_to_choose_on_there_is_none() -> None:
    with pytest.raises(UsageError, match="no positive case among 3 validation cases"):
        for_sensitivity(np.zeros(3), np.zeros(3), 0.9)
    with pytest.raises(UsageError, match="no negative case"):
        youden(np.zeros(3), np.ones(3))
    with pytest.raises(UsageError, match="at most 1"):
        for_sensitivity(np.zeros(2), np.arange(2), 90)
