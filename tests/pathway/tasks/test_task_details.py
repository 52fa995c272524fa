"""What is particular to each task."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from task_samples import GRADES, SAMPLES, SEVERAL, TWO, recipe

from isocenter.core import registry
from isocenter.core.errors import UsageError
from isocenter.core.labels import ClassesValue, NumberValue
from isocenter.pathway import tasks
from isocenter.pathway.tasks._shared import Decision, LossSettings, Task

CLASSIFY: Task = registry.get(tasks, "classify")
MULTILABEL: Task = registry.get(tasks, "multilabel")
ORDINAL: Task = registry.get(tasks, "ordinal")
REGRESS: Task = registry.get(tasks, "regress")
PLAIN = Decision(thresholds={})


@pytest.mark.parametrize("name", ["classify", "ordinal", "multilabel"])
def test_a_task_without_its_classes_is_refused(name: str) -> None:
    classes = () if name == "multilabel" else ("only",)
    with pytest.raises(UsageError, match="must have"):
        registry.get(tasks, name).outputs(recipe(name, classes))


def test_two_classes_are_reported_as_a_test_with_a_positive_answer() -> None:
    assert {"sensitivity", "specificity"} < set(CLASSIFY.metrics(recipe("classify", TWO)))
    assert "sensitivity" not in CLASSIFY.metrics(recipe("classify", GRADES))


def test_a_case_weighs_as_its_class() -> None:
    logits, targets = torch.zeros(2, 2), torch.eye(2)
    logits[1, 0] = 3.0
    even = CLASSIFY.loss(logits, targets, LossSettings(class_weights=(1.0, 1.0)))
    second = CLASSIFY.loss(logits, targets, LossSettings(class_weights=(0.0, 2.0)))
    assert second > even


def test_rare_classes_weigh_more_by_root() -> None:
    targets = np.eye(2, dtype=np.float32)[[0] * 16 + [1] * 4]
    full, root = CLASSIFY.weights(targets, "weights"), CLASSIFY.weights(targets, "root_weights")
    assert full[1] / full[0] == pytest.approx(4)
    assert root[1] / root[0] == pytest.approx(2)


def test_unknown_findings_are_neither_there_nor_absent() -> None:
    asked = recipe("multilabel", SEVERAL)
    row = MULTILABEL.target(ClassesValue(values=("effusion", "elsewhere"), unknown=("mass",)), asked)
    np.testing.assert_array_equal(row, [0.0, 1.0, np.nan])
    assert MULTILABEL.target(ClassesValue(values=(), unknown=SEVERAL), asked) is None


def test_unknown_findings_do_not_count_in_the_loss() -> None:
    logits = torch.tensor([[1.0, -2.0], [0.5, 0.3]], requires_grad=True)
    targets = torch.tensor([[1.0, torch.nan], [torch.nan, torch.nan]])
    loss = MULTILABEL.loss(logits, targets, LossSettings(class_weights=(1.0, 1.0)))
    torch.testing.assert_close(loss, -torch.nn.functional.logsigmoid(torch.tensor(1.0)))
    loss.backward()
    assert torch.count_nonzero(logits.grad) == 1


def test_positive_weights_are_as_many_times_as_a_finding_is_rarer() -> None:
    targets = np.array([[1, np.nan, 0], [0, 1, 0], [0, 0, 0], [0, 0, 0]], dtype=np.float32)
    assert MULTILABEL.weights(targets, "weights") == pytest.approx((3.0, 2.0, 1.0))
    assert MULTILABEL.stratum(targets[1]) == "1"


def test_contradicting_steps_meet_halfway_whatever_the_temperature() -> None:
    logits = np.array([[2.0, -1.0, 1.0], [3.0, 1.0, -2.0]])
    for heat in (0.3, 1.0, 4.0):
        scores = ORDINAL.decode(logits, Decision(temperature=heat, thresholds={}))
        worse = 1 - np.cumsum(scores, axis=1)[:, :-1]
        expected = np.array([[2.0, 0.0, 0.0], [3.0, 1.0, -2.0]]) / heat
        np.testing.assert_allclose(worse, 1 / (1 + np.exp(-expected)))


def test_a_far_miss_of_a_grade_costs_more_than_a_near_one() -> None:
    targets = torch.eye(4)[[0]]
    settings = LossSettings(class_weights=(1.0,) * 4)
    near, far = torch.tensor([[3.0, -3.0, -3.0]]), torch.tensor([[3.0, 3.0, 3.0]])
    assert ORDINAL.loss(far, targets, settings) > ORDINAL.loss(near, targets, settings)


def test_numbers_are_learned_without_their_unit() -> None:
    sample = SAMPLES["regress"]
    decision = REGRESS.decision_from(sample.targets)
    encoded = REGRESS.encode(sample.targets, decision)
    assert encoded.mean() == pytest.approx(0.0, abs=1e-5)
    assert encoded.std() == pytest.approx(1.0, abs=1e-5)
    assert {REGRESS.stratum(row) for row in encoded} == {"low", "middle", "high"}


@pytest.mark.parametrize("targets", [np.full((9, 1), 0.1, np.float32), np.zeros((0, 1), np.float32)])
def test_numbers_that_are_all_equal_are_not_divided_by_nothing(targets: np.ndarray) -> None:
    assert REGRESS.decision_from(targets).scale == 1.0


def test_a_number_without_end_cannot_be_learned() -> None:
    for value in (np.nan, np.inf, 1e300):
        assert REGRESS.target(NumberValue(value=float(value)), recipe("regress")) is None
