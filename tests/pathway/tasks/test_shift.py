"""Weights of training are undone: what is said to be likely is as common as it is said to be."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from isocenter.core import registry
from isocenter.core.errors import UsageError
from isocenter.evidence.statistics.calibration import temperature
from isocenter.pathway import tasks
from isocenter.pathway.decide import unweighted
from isocenter.pathway.tasks._shared import Decision, LossSettings, Task, case_weights

PLAIN = Decision(thresholds={})
SHARES = {
    "classify": np.array([0.9, 0.06, 0.04]),
    "ordinal": np.array([0.85, 0.1, 0.05]),
    "multilabel": np.array([0.04, 0.3]),
}


def drawn(name: str, cases: int = 6000) -> tuple[Task, np.ndarray, np.ndarray]:
    """A task of rare classes, inputs that hint at them, and targets."""
    rng, task, shares = np.random.default_rng(5), registry.get(tasks, name), SHARES[name]
    if name == "multilabel":
        targets = (rng.random((cases, 2)) < shares).astype(np.float32)
    else:
        targets = np.eye(3, dtype=np.float32)[rng.choice(3, cases, p=shares)]
    told = targets if name != "ordinal" else targets @ np.array([[0.0], [1.0], [2.0]])
    return task, told + rng.normal(0, 0.7, told.shape), targets


def fitted(task: Task, inputs: np.ndarray, targets: np.ndarray, weights: tuple[float, ...]) -> np.ndarray:
    """The logits of a linear model that has learned with the weights."""
    torch.set_num_threads(1)
    given, wanted = torch.from_numpy(inputs).float(), torch.from_numpy(targets)
    outputs = targets.shape[1] - (task.combine == "sigmoid" and task.form == "classes")
    slope = torch.zeros(given.shape[1], outputs, requires_grad=True)
    constant = torch.zeros(outputs, requires_grad=True)
    solver = torch.optim.LBFGS([slope, constant], max_iter=100, line_search_fn="strong_wolfe")

    def closure() -> torch.Tensor:
        solver.zero_grad()
        loss = task.loss(given @ slope + constant, wanted, LossSettings(class_weights=weights))
        loss.backward()
        return loss

    solver.step(closure)
    return (given @ slope + constant).detach().numpy()


@pytest.mark.parametrize("balance", ["weights", "root_weights"])
@pytest.mark.parametrize("name", sorted(SHARES))
def test_the_mean_probability_is_the_prevalence(name: str, balance: str) -> None:
    task, inputs, targets = drawn(name)
    weights = task.weights(targets, balance)
    logits = fitted(task, inputs, targets, weights)
    start = unweighted(PLAIN, weights)
    heat = temperature(logits, targets, task.decode, start=start)
    said = task.decode(logits, Decision(temperature=heat, thresholds={}, shift=start.shift)).mean(axis=0)
    np.testing.assert_allclose(said, targets.mean(axis=0), rtol=0.12, atol=0.002)
    alone = Decision(temperature=temperature(logits, targets, task.decode), thresholds={})
    rarest = int(SHARES[name].argmin())
    assert task.decode(logits, alone).mean(axis=0)[rarest] > 1.3 * targets.mean(axis=0)[rarest]


def test_the_shift_of_grades_is_taken_off_each_grade() -> None:
    task: Task = registry.get(tasks, "ordinal")
    logits = np.random.default_rng(0).normal(0, 6, (40, 3))
    weights = np.array([0.2, 1.0, 3.0, 9.0])
    plain = task.decode(logits, PLAIN)
    expected = plain / weights
    expected /= expected.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(task.decode(logits, unweighted(PLAIN, weights)), expected, atol=1e-9)


def test_sure_grades_stay_sure_and_numbers_that_are_none_abstain() -> None:
    task: Task = registry.get(tasks, "ordinal")
    shifted = unweighted(PLAIN, (0.5, 1.0, 2.0))
    scores = task.decode(np.array([[60.0, -60.0], [800.0, 700.0], [np.nan, 0.0]]), shifted)
    np.testing.assert_allclose(scores[:2], [[0, 1, 0], [0, 0, 1]], atol=1e-9)
    assert np.isnan(scores[2]).any()


def test_equal_weights_shift_nothing() -> None:
    assert unweighted(PLAIN, (1.0, 1.0)) == PLAIN
    task: Task = registry.get(tasks, "classify")
    with pytest.raises(UsageError, match="must have 3 numbers, got 2"):
        task.decode(np.zeros((1, 3)), Decision(thresholds={}, shift=(0.0, 1.0)))


def test_cases_weigh_as_in_the_loss() -> None:
    rows = np.eye(3, dtype=np.float32)[[0, 2]]
    np.testing.assert_array_equal(case_weights("classes", rows, (1.0, 2.0, 4.0)), [1.0, 4.0])
    several = np.array([[1.0, 0.0], [np.nan, 1.0]], dtype=np.float32)
    np.testing.assert_array_equal(case_weights("several", several, (3.0, 5.0)), [[3.0, 1.0], [1.0, 5.0]])
    np.testing.assert_array_equal(case_weights("number", rows[:, :1], (1.0,)), [1.0, 1.0])
