"""Tables and curves say what scikit-learn says, and what is undefined is none."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import auc, confusion_matrix

from isocenter.evidence import outcome
from isocenter.evidence.metrics._shared import Answers, confusion


def two_classes(count: int = 60, seed: int = 0) -> Answers:
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 2, count)
    said = np.clip(rng.normal(0.4 + 0.2 * truth, 0.2), 0.01, 0.99)
    scores = np.stack([1 - said, said], axis=1)
    return Answers(form="classes", truth=truth, scores=scores, called=(said >= 0.5).astype(int), classes=("no", "yes"))


def several() -> Answers:
    truth = np.array([[1, 0, np.nan], [0, 1, 1], [1, 1, 0]], dtype=float)
    scores = np.array([[0.9, 0.4, 0.8], [0.7, 0.6, 0.95], [0.2, 0.51, 0.1]])
    return Answers(
        form="several", truth=truth, scores=scores, called=(scores >= 0.5).astype(int), classes=("a", "b", "c")
    )


def test_confusion_is_true_by_called() -> None:
    answers = two_classes()
    assert (confusion(answers) == confusion_matrix(answers.truth, answers.called)).all()


def test_the_roc_curve_encloses_the_area_and_passes_through_the_point() -> None:
    answers = two_classes(3000)
    single, rows = outcome.one_against_rest(answers, 1)
    curve = outcome.roc(single)
    assert curve is not None
    assert len(curve.x) <= 400
    assert len(rows) == 3000
    ranks = np.mean(single.scores[single.truth == 1, 1][:, None] > single.scores[single.truth == 0, 1][None])
    assert auc(curve.x, curve.y) == pytest.approx(ranks, abs=5e-3)
    assert curve.point is not None
    assert np.hypot(curve.x - curve.point[0], curve.y - curve.point[1]).min() < 0.02
    assert (np.diff(curve.x) >= 0).all()


def test_precision_and_recall_end_where_all_is_called() -> None:
    single, _ = outcome.one_against_rest(two_classes(), 1)
    curve = outcome.precision_recall(single)
    assert curve is not None
    assert curve.x[-1] == 1
    assert curve.y[-1] == pytest.approx(single.truth.mean())


def test_a_class_without_cases_has_no_curve() -> None:
    answers = two_classes()
    lonely = answers.at(np.flatnonzero(answers.truth == 0))
    single, _ = outcome.one_against_rest(lonely, 1)
    assert outcome.roc(single) is None
    assert outcome.precision_recall(single) is None


def test_bins_hold_every_case_and_their_means() -> None:
    single, _ = outcome.one_against_rest(two_classes(), 1)
    binned = outcome.reliability(single)
    assert binned.counts.sum() == 60
    filled = binned.counts > 0
    assert np.isnan(binned.said[~filled]).all()
    assert np.average(binned.true[filled], weights=binned.counts[filled]) == pytest.approx(single.truth.mean())
    assert (
        (binned.said[filled] >= binned.edges[:-1][filled]) & (binned.said[filled] <= binned.edges[1:][filled])
    ).all()


def test_what_is_asked_about() -> None:
    assert outcome.asked_about(two_classes()) == (1,)
    assert outcome.asked_about(several()) == (0, 1, 2)
    assert outcome.asked_about(numbers()) == ()


def test_unknown_findings_are_judged_by_nobody() -> None:
    single, rows = outcome.one_against_rest(several(), 2)
    assert rows.tolist() == [1, 2]
    assert single.truth.tolist() == [1, 0]
    assert outcome.mistaken(several()).tolist() == [False, True, True]


def test_the_surest_mistakes_come_first() -> None:
    answers = two_classes()
    rows = outcome.worst(answers, 5)
    sure = outcome.sureness(answers)[rows]
    assert outcome.mistaken(answers)[rows].all()
    assert (np.diff(sure) <= 0).all()
    assert outcome.worst(several(), 9) == [2, 1]  # 0.8 for missing `a`, 0.7 for seeing it
    assert outcome.worst(numbers(), 1) == [2]


def test_the_least_sure_are_nearest_to_the_threshold() -> None:
    answers = two_classes()
    said = answers.scores[:, 1]
    assert outcome.least_sure(answers, 1) == [int(np.abs(said - 0.5).argmin())]
    assert outcome.least_sure(answers, 1, (0.5, 0.7)) == [int(np.abs(said - 0.7).argmin())]
    assert outcome.least_sure(several(), 1) == [2]
    assert outcome.least_sure(numbers(), 3) == []
    three = Answers(
        form="classes",
        truth=np.array([0, 1]),
        scores=np.array([[0.5, 0.45, 0.05], [0.1, 0.8, 0.1]]),
        called=np.array([0, 1]),
        classes=("a", "b", "c"),
    )
    assert outcome.least_sure(three, 1) == [0]
    assert outcome.asked_about(three) == (0, 1, 2)


def numbers() -> Answers:
    truth, said = np.array([1.0, 2.0, 3.0]), np.array([1.1, 2.1, 5.0])
    return Answers(form="number", truth=truth, scores=said, called=said)


def test_limits_of_agreement() -> None:
    low, middle, high = outcome.limits_of_agreement(numbers())
    errors = np.array([0.1, 0.1, 2.0])
    assert middle == pytest.approx(errors.mean())
    assert high - middle == pytest.approx(1.96 * errors.std(ddof=1)) == pytest.approx(middle - low)
