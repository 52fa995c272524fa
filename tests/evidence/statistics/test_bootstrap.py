"""Tests of intervals: they hold the truth as often as they say, and patients are drawn whole."""

from __future__ import annotations

import numpy as np
import pytest

from isocenter.core.errors import UnknownName, UsageError
from isocenter.core.reading import Measure
from isocenter.evidence.metrics._shared import Answers
from isocenter.evidence.statistics import bootstrap
from isocenter.evidence.statistics.bootstrap import measure


def judged(right: np.ndarray) -> Answers:
    """Answers of two classes of which some are right."""
    truth = np.arange(len(right)) % 2
    called = np.where(right, truth, 1 - truth)
    return Answers(form="classes", truth=truth, scores=0.2 + 0.6 * np.eye(2)[called], called=called)


def width(one: Measure) -> float:
    """How wide an interval is."""
    assert one.low is not None
    assert one.high is not None
    return one.high - one.low


@pytest.mark.parametrize("name", ["accuracy", "balanced_accuracy"])
def test_nine_of_ten_intervals_hold_the_truth(name: str) -> None:
    rng = np.random.default_rng(0)
    held = 0
    for number in range(100):
        (one,) = measure(judged(rng.random(80) < 0.8), [name], repeats=200, seed=number, level=0.9)
        assert one.low is not None
        assert one.high is not None
        held += one.low <= 0.8 <= one.high
    assert 82 <= held <= 97


def test_a_number_comes_with_its_n_and_how_its_interval_was_made() -> None:
    given = judged(np.arange(40) % 4 > 0)
    one, share = measure(given, ["balanced_accuracy", "accuracy"], groups=np.arange(40) // 2, repeats=50)
    assert one.value == share.value == 0.75
    assert one.n == share.n == 40
    assert share.method == "Wilson interval over 20 patients"
    assert one.level == 0.95
    assert one.method == "percentile bootstrap over 20 patients, 50 repeats"
    assert one.rule is None
    assert one.unit is None


@pytest.mark.parametrize("name", ["accuracy", "mcc"])
def test_images_of_one_patient_do_not_make_a_number_surer(name: str) -> None:
    right = np.random.default_rng(1).random(50) < 0.7
    given = judged(right)
    (single,) = measure(given, [name], repeats=300)
    copies = given.at(np.repeat(np.arange(50), 10))
    (fooled,) = measure(copies, [name], repeats=300)
    (honest,) = measure(copies, [name], groups=np.repeat([f"patient {one}" for one in range(50)], 10), repeats=300)
    assert width(fooled) < 0.5 * width(single)
    assert width(honest) == pytest.approx(width(single), rel=0.25)


def test_the_rows_of_a_patient_may_lie_anywhere() -> None:
    rng = np.random.default_rng(2)
    groups = np.repeat(np.arange(20), rng.integers(1, 6, 20))
    right = rng.random(len(groups)) < 0.6
    turned = rng.permutation(len(groups))
    given = judged(right)
    for name in ("accuracy", "mcc"):
        (straight,) = measure(given, [name], groups=groups, repeats=100)
        (mixed,) = measure(given.at(turned), [name], groups=groups[turned], repeats=100)
        assert mixed.model_dump() == pytest.approx(straight.model_dump())


def test_the_same_seed_gives_the_same_intervals_in_whatever_company() -> None:
    given = judged(np.random.default_rng(3).random(60) < 0.7)
    together = measure(given, ["auroc", "accuracy", "f1"], repeats=60, seed=5)
    assert measure(given, ["f1"], repeats=60, seed=5)[0] == together[2]
    assert measure(given, ["f1"], repeats=60, seed=6)[0] != together[2]
    assert [one.name for one in together] == ["auroc", "accuracy", "f1"]


def test_repeats_without_an_answer_are_told() -> None:
    truth = np.array([1, 1, 0, 0, 0, 0, 0, 0])
    said = np.array([0.9, 0.4, 0.6, 0.3, 0.2, 0.1, 0.5, 0.2])
    scores = np.stack([1 - said, said], axis=1)
    (one,) = measure(Answers(form="classes", truth=truth, scores=scores, called=truth), ["auroc"], repeats=200)
    assert one.low is not None
    assert one.rule is not None
    assert one.rule.startswith("Not defined in ")
    assert one.rule.endswith(" of 200 repeats, which were left out.")


def test_all_found_is_not_surely_all() -> None:
    truth = np.repeat([1, 0], [25, 35])
    scores = np.eye(2)[truth]
    given = Answers(form="classes", truth=truth, scores=scores, called=truth)
    found, cleared, area = measure(given, ["sensitivity", "specificity", "auroc"], repeats=200)
    assert (found.value, found.n, cleared.n, area.n) == (1.0, 25, 35, 60)
    assert found.low == pytest.approx(0.867, abs=0.001)  # Wilson: 25 / (25 + 1.96 ** 2)
    assert found.high == 1.0
    assert (area.value, area.low, area.high) == (1.0, None, None)
    assert area.rule is not None
    assert area.rule.startswith("No interval")
    (together,) = measure(given, ["sensitivity"], groups=np.arange(60) // 5)
    assert together.low == pytest.approx(5 / (5 + 1.96**2), abs=0.001)


def test_the_gap_of_calibration_has_no_interval_and_says_why() -> None:
    (one,) = measure(judged(np.random.default_rng(4).random(60) < 0.7), ["ece"], repeats=50)
    assert one.value is not None
    assert one.low is None
    assert one.rule is not None
    assert one.rule.startswith("No interval")


def test_many_cases_are_drawn_less_often(monkeypatch: pytest.MonkeyPatch) -> None:
    assert [bootstrap.repeats_for(cells) for cells in (0, 1000, 120_000, 14 * 80_000)] == [1000, 1000, 500, 100]
    assert bootstrap.repeats_for(10**9, 30) == 30
    monkeypatch.setattr(bootstrap, "MOST_CELLS", 80 * 120)
    (one,) = measure(judged(np.random.default_rng(3).random(40) < 0.7), ["mcc"])
    assert one.method is not None
    assert one.method.endswith("120 repeats")


def test_one_patient_tells_nothing_of_others() -> None:
    (one,) = measure(judged(np.ones(6, bool)), ["accuracy"], groups=np.array(["a"] * 6))
    assert one.model_dump() == {"name": "accuracy", "value": 1.0, "n": 6}


def test_a_rare_finding_has_a_value_and_no_interval() -> None:
    truth = np.array([[1.0, np.nan]] + [[0.0, np.nan]] * 2)
    answers = Answers(form="several", truth=truth, scores=np.full((3, 2), 0.5), called=np.ones((3, 2)))
    given = measure(answers, ["sensitivity", "auroc"], groups=np.array([0, 1, 1]), repeats=300)
    assert given[0].value == 1.0
    assert given[1].low is None
    assert given[1].rule is not None
    assert given[1].rule.endswith("too many for an interval.")


def test_a_number_that_is_not_defined_says_its_rule() -> None:
    (one,) = measure(judged(np.ones(4, bool)).at(np.array([0, 2])), ["auroc"], repeats=20)
    assert one.value is None
    assert one.low is None
    assert one.rule is not None
    assert one.rule.startswith("Not defined unless")


def test_without_cases_or_repeats_there_are_no_intervals() -> None:
    given = judged(np.arange(30) % 3 > 0)
    assert measure(given, ["accuracy"], repeats=0)[0].low is None
    (empty,) = measure(given.at(np.array([], dtype=int)), ["accuracy"])
    assert (empty.value, empty.n) == (None, 0)


def test_an_error_has_the_unit_of_its_label() -> None:
    truth = np.arange(20.0)
    answers = Answers(form="number", truth=truth, scores=truth + 1, called=truth + 1)
    error, order = measure(answers, ["mae", "spearman"], repeats=20, unit="ml")
    assert (error.value, error.unit, order.unit) == (1.0, "ml", None)


def test_a_metric_that_does_not_fit_is_refused() -> None:
    with pytest.raises(UsageError, match="cannot be measured here"):
        measure(judged(np.ones(4, bool)), ["mae"])
    with pytest.raises(UnknownName, match="Did you mean `auroc`"):
        measure(judged(np.ones(4, bool)), ["auroch"])
