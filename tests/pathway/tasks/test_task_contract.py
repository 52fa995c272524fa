"""What every task must keep, asked of everything that stands in the folder."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch
from task_samples import NEVER, SAMPLES, Sample

from isocenter.core import registry
from isocenter.core.reading import ClassFinding, NumberFinding, Reading
from isocenter.evidence import metrics
from isocenter.evidence.metrics._shared import Answers
from isocenter.pathway import decide, tasks
from isocenter.pathway.tasks._shared import Decision, LossSettings

PLAIN = Decision(thresholds={})


@pytest.fixture(params=sorted(SAMPLES))
def sample(request: pytest.FixtureRequest) -> Sample:
    """Each way of asking."""
    return SAMPLES[request.param]


@cache
def learned(name: str) -> tuple[np.ndarray, np.ndarray, Decision, list[float]]:
    """A linear model that learns targets from inputs in which they are hidden: logits, targets, decision, losses."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    sample = SAMPLES[name]
    task = sample.task
    decision = task.decision_from(sample.targets)
    targets = task.encode(sample.targets, decision)
    inputs = torch.cat([torch.from_numpy(targets).nan_to_num(0.0), torch.randn(len(targets), 2) * 0.1], dim=1)
    model = torch.nn.Linear(inputs.shape[1], task.outputs(sample.recipe))
    settings = LossSettings(class_weights=task.weights(targets, "weights"))
    optimiser, losses = torch.optim.Adam(model.parameters(), lr=0.1), []
    for _ in range(200):
        optimiser.zero_grad()
        loss = task.loss(model(inputs), torch.from_numpy(targets), settings)
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    return model(inputs).detach().numpy(), targets, decision, losses


def test_every_task_on_the_shelf_is_tried() -> None:
    assert {one.recipe.task for one in SAMPLES.values()} == set(registry.names(tasks))


def test_targets_have_their_width(sample: Sample) -> None:
    task = sample.task
    assert sample.targets.dtype == np.float32
    assert sample.targets.shape == (len(sample.values), task.width(sample.recipe))
    assert sample.definition.kind in task.kinds


@pytest.mark.parametrize("value", NEVER)
def test_what_cannot_be_learned_from_has_no_target(sample: Sample, value: object) -> None:
    assert sample.task.target(value, sample.recipe) is None


@pytest.mark.parametrize("name", sorted(SAMPLES))
def test_a_model_learns(name: str) -> None:
    sample = SAMPLES[name]
    task = sample.task
    logits, targets, decision, losses = learned(name)
    assert losses[-1] < 0.5 * losses[0]
    scores = task.decode(logits, decision)
    called = decide.called(scores, sample.recipe, decision, task.form)
    truth = task.truth(targets, decision)
    if task.form == "number":
        np.testing.assert_allclose(called, truth, atol=3.0)
    else:
        known = ~np.isnan(truth)
        assert (called == truth)[known].mean() > 0.95


@pytest.mark.parametrize("name", sorted(SAMPLES))
def test_every_named_metric_can_be_measured(name: str) -> None:
    sample = SAMPLES[name]
    task = sample.task
    logits, targets, decision, _ = learned(name)
    scores = task.decode(logits, decision)
    answers = Answers(
        form=task.form,
        truth=task.truth(targets, decision),
        scores=scores,
        called=decide.called(scores, sample.recipe, decision, task.form),
    )
    wanted = task.metrics(sample.recipe)
    assert len(set(wanted)) == len(wanted)
    for one in wanted:
        metric = registry.get(metrics, one)
        assert task.form in metric.forms
        assert np.isfinite(metric.measure(answers))


def test_scores_are_probabilities_or_numbers(sample: Sample) -> None:
    task = sample.task
    logits = np.random.default_rng(0).normal(0, 8, (50, task.outputs(sample.recipe))).astype(np.float32)
    scores = task.decode(logits, replace(PLAIN, temperature=1.7, offset=5.0, scale=2.0))
    assert scores.shape == (50, max(len(sample.recipe.classes), 1))
    if task.form == "number":
        np.testing.assert_allclose(scores, logits * 2.0 + 5.0, rtol=1e-6)
        return
    assert scores.min() >= 0.0
    assert scores.max() <= 1.0
    if task.form == "classes":
        np.testing.assert_allclose(scores.sum(axis=1), 1.0, atol=1e-12)


def test_truth_undoes_encoding(sample: Sample) -> None:
    task = sample.task
    decision = task.decision_from(sample.targets)
    encoded = task.encode(sample.targets, decision)
    assert encoded.shape == sample.targets.shape
    assert encoded.dtype == np.float32
    truth = task.truth(encoded, decision)
    expected = {"classes": sample.targets.argmax(axis=1), "several": sample.targets, "number": sample.targets[:, 0]}
    np.testing.assert_allclose(truth, expected[task.form], rtol=1e-5)


def test_blended_targets_are_judged_as_both(sample: Sample) -> None:
    task = sample.task
    targets = torch.from_numpy(np.nan_to_num(task.encode(sample.targets, task.decision_from(sample.targets))))
    logits = torch.randn(len(targets), task.outputs(sample.recipe), generator=torch.Generator().manual_seed(1))
    settings = LossSettings(class_weights=(1.0,) * targets.shape[1], smoothing=0.1)
    blended = task.loss(logits, 0.3 * targets + 0.7 * targets.flip(0), settings)
    apart = 0.3 * task.loss(logits, targets, settings) + 0.7 * task.loss(logits, targets.flip(0), settings)
    assert torch.isfinite(blended)
    if task.form != "number":
        torch.testing.assert_close(blended, apart)


def test_findings_name_every_class_and_survive_json(sample: Sample) -> None:
    task, recipe = sample.task, sample.recipe
    logits = np.random.default_rng(1).normal(size=(1, task.outputs(recipe))).astype(np.float32)
    decision = replace(task.decision_from(sample.targets), temperature=1.3)
    for definition in (sample.definition, None):
        findings = task.findings(task.decode(logits, decision)[0], recipe, decision, definition)
        reading = Reading(case="a", source="a.png", task=recipe.task, model="0", findings=findings)
        assert Reading.model_validate_json(reading.model_dump_json()) == reading
        for place, one in enumerate(findings):
            if isinstance(one, NumberFinding):
                assert one.unit == (definition.unit if definition else None)
            else:
                assert isinstance(one, ClassFinding)
                assert one.label == recipe.classes[place]
                assert one.code == (f"SCT:{place}" if definition else None)
                assert one.recommendation == (f"Ask about {one.label}" if definition else None)
        if task.form == "classes":
            assert len(reading.called) == 1
        assert len(findings) == max(len(recipe.classes), 1)


def test_weights_favour_the_rare_and_change_nothing_unless_asked(sample: Sample) -> None:
    task = sample.task
    targets = task.encode(sample.targets, task.decision_from(sample.targets))
    width = task.width(sample.recipe)
    assert task.weights(targets, "none") == (1.0,) * width
    for balance in ("weights", "root_weights"):
        weights = task.weights(targets[:7], balance)
        assert len(weights) == width
        assert np.isfinite(weights).all()
        assert min(weights) > 0
    if task.form == "classes":
        strong = np.array(task.weights(targets[:7], "weights"))
        assert targets[:7].sum(axis=0) @ strong == pytest.approx(7)


def test_outputs_that_are_no_numbers_stay_so_without_a_warning(sample: Sample) -> None:
    task = sample.task
    logits = np.zeros((3, task.outputs(sample.recipe)), dtype=np.float32)
    logits[1, 0], logits[2, -1] = np.nan, np.inf
    scores = task.decode(logits, PLAIN)
    assert np.isfinite(scores[0]).all()
    assert not np.isfinite(scores[1]).all()
    assert [reason is None for reason in decide.reasons_to_abstain(logits)] == [True, False, False]


def test_strata_are_texts(sample: Sample) -> None:
    task = sample.task
    encoded = task.encode(sample.targets, task.decision_from(sample.targets))
    strata = {task.stratum(row) for row in encoded}
    assert all(isinstance(one, str) for one in strata)
    assert len(strata) > 1
