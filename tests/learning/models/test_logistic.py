"""Logistic and ridge regression on pixels: every kind of target, averaging, and the network it becomes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from isocenter.core.errors import UsageError
from isocenter.learning.estimator import area_matrix, averaged_extents, kind_of
from isocenter.learning.models._shared import Combine, InputForm
from isocenter.learning.models.logistic import (
    PENALTIES,
    LogisticSettings,
    build,
)

FORM = InputForm(channels=1, shape=(6, 5), mean=(10.0,), deviation=(2.0,))
RANDOM = np.random.default_rng(11)
PIXELS = RANDOM.normal(size=(60, 1, 6, 5)).astype(np.float32)
MEANT = PIXELS.reshape(60, -1) @ RANDOM.normal(size=(30, 3))
WEIGHTS = np.ones(60, np.float32)
ONE_HOT = np.eye(3, dtype=np.float32)[MEANT.argmax(1)]


def learned(targets: NDArray[Any], outputs: int, combine: Combine | None = None, **settings: Any) -> NDArray[Any]:
    estimator = build(LogisticSettings(**settings), FORM, outputs)
    estimator.fit(PIXELS, targets.astype(np.float32), WEIGHTS, seed=0, combine=combine)
    return estimator.logits(PIXELS)


@pytest.mark.parametrize("penalty", [None, 1e-4])
def test_classes_are_told_apart(penalty: float | None) -> None:
    logits = learned(ONE_HOT, 3, penalty=penalty)
    assert (logits.argmax(1) == ONE_HOT.argmax(1)).mean() > 0.95


def test_two_classes_are_told_apart() -> None:
    targets = np.eye(2)[(MEANT[:, 0] > 0).astype(int)]
    assert (learned(targets, 2).argmax(1) == targets.argmax(1)).mean() > 0.95


def test_statements_with_unknown_ones_are_learned_each_by_itself() -> None:
    targets = (MEANT > 0).astype(np.float32)
    given = targets.copy()
    given[::4, 1] = np.nan
    assert ((learned(given, 3) > 0) == targets)[:, [0, 2]].mean() > 0.95


def test_grades_become_steps() -> None:
    grades = np.digitize(MEANT[:, 0], [-2.0, 2.0])
    logits = learned(np.eye(3)[grades], 2)
    assert logits.shape == (60, 2)
    assert ((logits > 0).sum(1) == grades).mean() > 0.9


def test_numbers_are_estimated_and_unknown_ones_left_out() -> None:
    number = MEANT[:, :1] / MEANT[:, 0].std()
    given = number.copy()
    given[0] = np.nan
    for penalty in (None, 1e-5):
        logits = learned(given, 1, penalty=penalty)
        assert np.abs(logits - number)[1:].max() < 0.05


def test_a_shared_label_counts_by_its_shares() -> None:
    even = np.full((60, 2), 0.5)
    logits = learned(even, 2)
    assert np.abs(logits[:, 0] - logits[:, 1]).max() < 1e-3


def test_the_task_may_say_how_outputs_are_read() -> None:
    assert kind_of(ONE_HOT) == "softmax"
    assert kind_of(ONE_HOT[:, :1]) == "sigmoid"
    assert kind_of(np.array([[0.0], [np.nan]], np.float32)) == "sigmoid"
    assert kind_of(np.array([[-1.0], [1.0]], np.float32)) == "mean"
    alone = learned(ONE_HOT, 3, "sigmoid", penalty=1e-4)
    assert ((alone > 0) == (ONE_HOT > 0)).mean() > 0.9


def test_a_class_that_no_case_showed_is_unlikely_and_not_impossible() -> None:
    unseen = np.concatenate([ONE_HOT, np.zeros((60, 1), np.float32)], axis=1)
    shares = torch.from_numpy(learned(unseen, 4)).softmax(1)[:, 3]
    assert 0.0 < float(shares.max()) < 0.1
    only = np.tile(np.array([1.0, 0.0], np.float32), (60, 1))
    assert (learned(only, 2).argmax(1) == 0).all()


def test_weights_of_cases_count() -> None:
    targets = np.eye(2, dtype=np.float32)[np.arange(60) % 2]
    weights = np.where(np.arange(60) % 2, 9.0, 1.0).astype(np.float32)
    estimator = build(LogisticSettings(penalty=100.0), FORM, 2)
    estimator.fit(PIXELS, targets, weights, seed=0)
    share = torch.from_numpy(estimator.logits(PIXELS)).softmax(1)[:, 1].mean()
    assert float(share) == pytest.approx(0.9, abs=0.02)


def test_each_statement_may_have_weights_of_its_own() -> None:
    targets = (RANDOM.random((60, 2)) < 0.2).astype(np.float32)
    weights = np.where(targets == 1, np.array([9.0, 1.0]), 1.0).astype(np.float32)
    plain, weighted = (build(LogisticSettings(penalty=10.0), FORM, 2) for _ in range(2))
    plain.fit(PIXELS, targets, np.ones(60, np.float32), seed=0, combine="sigmoid")
    weighted.fit(PIXELS, targets, weights, seed=0, combine="sigmoid")
    raised = (weighted.logits(PIXELS) - plain.logits(PIXELS)).mean(axis=0)
    assert raised[0] == pytest.approx(np.log(9), abs=0.2)
    assert raised[1] == pytest.approx(0.0, abs=1e-3)


def test_noise_is_met_with_a_stronger_penalty_and_few_cases_with_the_middle_one() -> None:
    noise = np.eye(2, dtype=np.float32)[RANDOM.integers(0, 2, 60)]
    assert np.abs(learned(noise, 2)).max() < np.abs(learned(noise, 2, penalty=PENALTIES[0])).max()
    few = build(LogisticSettings(), FORM, 3)
    few.fit(PIXELS[:4], ONE_HOT[:4], WEIGHTS[:4], seed=0)
    set_by_hand = build(LogisticSettings(penalty=1e-2), FORM, 3)
    set_by_hand.fit(PIXELS[:4], ONE_HOT[:4], WEIGHTS[:4], seed=0)
    np.testing.assert_array_equal(few.logits(PIXELS), set_by_hand.logits(PIXELS))


def test_its_network_takes_stored_pixels_and_learns_no_more() -> None:
    estimator = build(LogisticSettings(), FORM, 3)
    with pytest.raises(UsageError, match="has not learned"):
        estimator.network()
    kept = PIXELS.copy()
    kept.flags.writeable = False
    estimator.fit(kept, ONE_HOT, WEIGHTS, seed=0)
    network = estimator.network()
    logits, features, embedding = network(torch.from_numpy(PIXELS) * 2.0 + 10.0)
    np.testing.assert_allclose(logits.numpy(), estimator.logits(kept), atol=1e-4)
    assert features.shape == (60, 1, 6, 5)
    assert torch.allclose(embedding.mean(0), torch.zeros(30), atol=1e-5)
    assert not any(parameter.requires_grad for parameter in network.parameters())


@pytest.mark.parametrize("shape", [(9, 7), (5, 6, 7)])
def test_images_are_averaged_down_by_area(shape: tuple[int, ...]) -> None:
    form = InputForm(channels=2, shape=shape, mean=(0.0, 0.0), deviation=(1.0, 1.0))
    extents = averaged_extents(form, 40)
    assert 2 * np.prod(extents) <= 40
    estimator = build(LogisticSettings(pixels=40), form, 2)
    pixels = RANDOM.normal(size=(6, 2, *shape)).astype(np.float32)
    estimator.fit(pixels, np.eye(2, dtype=np.float32)[np.arange(6) % 2], np.ones(6, np.float32), seed=0)
    features = estimator.network().features(torch.from_numpy(pixels)).numpy()
    assert features.shape == (6, 2, *extents)
    np.testing.assert_allclose(
        features.mean((*range(2, 2 + len(shape)),)), pixels.mean((*range(2, 2 + len(shape)),)), atol=1e-5
    )


def test_a_pixel_counts_by_the_share_that_is_covered() -> None:
    np.testing.assert_allclose(area_matrix(3, 2), [[2 / 3, 0], [1 / 3, 1 / 3], [0, 2 / 3]], atol=1e-6)
    np.testing.assert_allclose(area_matrix(4, 2), [[0.5, 0], [0.5, 0], [0, 0.5], [0, 0.5]], atol=1e-6)
    assert averaged_extents(FORM, 30) == (6, 5)
