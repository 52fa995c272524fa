"""Tests of temperature scaling: a known temperature is found again, and order is kept."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from isocenter.core import registry
from isocenter.evidence.statistics.calibration import HIGHEST, LOWEST, temperature
from isocenter.pathway import tasks
from isocenter.pathway.decide import Decision
from isocenter.pathway.tasks._shared import Task

PLAIN = Decision(thresholds={})


def drawn(name: str, outputs: int, cases: int) -> tuple[Task, np.ndarray, np.ndarray]:
    """A task, logits, and targets that come true exactly as often as the logits say."""
    rng = np.random.default_rng(11)
    task: Task = registry.get(tasks, name)
    logits = rng.normal(0, 2, (cases, outputs))
    scores = task.decode(logits, PLAIN)
    if name == "multilabel":
        return task, logits, (rng.random(scores.shape) < scores).astype(np.float32)
    chosen = (rng.random((cases, 1)) > scores.cumsum(axis=1)[:, :-1]).sum(axis=1)
    return task, logits, np.eye(scores.shape[1], dtype=np.float32)[chosen]


@pytest.mark.parametrize("known", [0.25, 1.0, 3.0])
@pytest.mark.parametrize(("name", "outputs"), [("classify", 2), ("classify", 5), ("ordinal", 3), ("multilabel", 3)])
def test_a_known_temperature_is_found_again(name: str, outputs: int, known: float) -> None:
    task, logits, targets = drawn(name, outputs, 4000)
    assert temperature(logits * known, targets, task.decode) == pytest.approx(known, rel=0.1)


def test_what_is_not_known_teaches_nothing() -> None:
    task, logits, targets = drawn("multilabel", 3, 4000)
    hidden = np.where(np.random.default_rng(0).random(targets.shape) < 0.5, np.nan, targets)
    assert temperature(logits * 2, hidden, task.decode) == pytest.approx(2, rel=0.1)


def test_outputs_that_are_no_numbers_are_passed_over() -> None:
    task, logits, targets = drawn("classify", 3, 500)
    damaged = np.concatenate([logits, [[np.nan, 0, 0], [0, np.inf, 0]]])
    more = np.concatenate([targets, targets[:2]])
    assert temperature(damaged, more, task.decode) == temperature(logits, targets, task.decode)


@pytest.mark.parametrize("heat", [0.3, 5.0])
def test_order_is_kept(heat: float) -> None:
    task, logits, _ = drawn("classify", 2, 200)
    plain, scaled = task.decode(logits, PLAIN), task.decode(logits, replace(PLAIN, temperature=heat))
    np.testing.assert_array_equal(np.argsort(plain[:, 1]), np.argsort(scaled[:, 1]))
    task, logits, _ = drawn("multilabel", 2, 200)
    plain, scaled = task.decode(logits, PLAIN), task.decode(logits, replace(PLAIN, temperature=heat))
    np.testing.assert_array_equal(np.argsort(plain, axis=0), np.argsort(scaled, axis=0))
    task, logits, _ = drawn("classify", 4, 200)
    plain, scaled = task.decode(logits, PLAIN), task.decode(logits, replace(PLAIN, temperature=heat))
    np.testing.assert_array_equal(np.argsort(plain, axis=1), np.argsort(scaled, axis=1))


@pytest.mark.parametrize("sign", [1, -1])
def test_a_few_cases_do_not_drive_it_to_its_ends(sign: int) -> None:
    task: Task = registry.get(tasks, "classify")
    targets = np.eye(2, dtype=np.float32)[[0, 1, 0, 1]]
    found = temperature(sign * 4 * targets, targets, task.decode)
    assert LOWEST < found < HIGHEST
    assert 0.3 < temperature(0.1 * targets, targets, task.decode) < 1


def test_it_never_leaves_its_range() -> None:
    task, logits, targets = drawn("classify", 2, 4000)
    assert temperature(logits * 1000, targets, task.decode) == pytest.approx(HIGHEST, rel=0.01)
    assert temperature(logits / 1000, targets, task.decode) == pytest.approx(LOWEST, rel=0.01)


def test_nothing_to_learn_from_changes_nothing() -> None:
    task, logits, targets = drawn("classify", 2, 50)
    assert temperature(logits[:0], targets[:0], task.decode) == 1.0
    assert temperature(logits[:1], targets[:1], task.decode) == 1.0
    assert temperature(logits, targets[[0] * 50], task.decode) == 1.0
    assert temperature(np.full_like(logits, np.nan), targets, task.decode) == 1.0
    assert temperature(np.zeros_like(logits), targets, task.decode) == 1.0
    several, logits, targets = drawn("multilabel", 2, 50)
    assert temperature(logits, np.full_like(targets, np.nan), several.decode) == 1.0
    number: Task = registry.get(tasks, "regress")
    assert temperature(logits[:, :1], logits[:, :1].astype(np.float32), number.decode) == 1.0
