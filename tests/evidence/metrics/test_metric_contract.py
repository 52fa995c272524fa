"""What every metric must keep, asked of everything that stands in the folder; each equals scikit-learn or scipy."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from answer_samples import ODD, ORDINARY, answers
from scipy import stats
from sklearn import metrics as reference

from isocenter.core import registry
from isocenter.core.words import LANGUAGES, say
from isocenter.evidence import metrics
from isocenter.evidence.metrics._shared import Answers, Metric

NAMES = registry.names(metrics)
OVER = ("sensitivity", "specificity", "precision", "f1", "auroc", "auprc", "brier", "log_loss", "ece")
"""Metrics that are a mean over several findings."""


def metric_named(name: str) -> Metric:
    """A metric of the shelf."""
    metric: Metric = registry.get(metrics, name)
    return metric


def averaged(given: Answers, formula: Callable[..., float]) -> float:
    """scikit-learn's own average over the called and true classes, or its number for the positive one of two."""
    kind = {"average": "binary", "pos_label": 1} if given.scores.shape[1] == 2 else {"average": "macro"}
    return float(formula(given.truth, given.called, zero_division=np.nan, **kind))


def ranked(given: Answers, formula: Callable[..., float]) -> float:
    """The mean over the classes of a formula of their scores; the positive one of two."""
    places = [1] if given.scores.shape[1] == 2 else range(given.scores.shape[1])
    return float(np.mean([formula(given.truth == place, given.scores[:, place]) for place in places]))


def specificity(given: Answers) -> float:
    places = [1] if given.scores.shape[1] == 2 else range(given.scores.shape[1])
    return float(np.mean([reference.recall_score(given.truth != place, given.called != place) for place in places]))


def calibration_gap(given: Answers) -> float:
    """Ten ranges of the positive probability, or of the likeliest class, one after the other."""
    likeliest = given.scores.argmax(axis=1)
    if given.scores.shape[1] == 2:
        said, true = given.scores[:, 1], given.truth == 1
    else:
        said, true = given.scores.max(axis=1), likeliest == given.truth
    gap = 0.0
    for place in range(10):
        inside = np.floor(said * 10).clip(max=9) == place
        if inside.any():
            gap += inside.mean() * abs(said[inside].mean() - true[inside].mean())
    return float(gap)


def places(given: Answers) -> range:
    return range(given.scores.shape[1])


REFERENCES: dict[str, Callable[[Answers], float]] = {
    "accuracy": lambda a: reference.accuracy_score(a.truth, a.called),
    "auprc": lambda a: ranked(a, reference.average_precision_score),
    "auroc": lambda a: ranked(a, reference.roc_auc_score),
    "balanced_accuracy": lambda a: reference.balanced_accuracy_score(a.truth, a.called),
    "brier": lambda a: reference.brier_score_loss(a.truth, a.scores, labels=places(a), scale_by_half=True),
    "ece": calibration_gap,
    "f1": lambda a: averaged(a, reference.f1_score),
    "hamming": lambda a: reference.hamming_loss(a.truth.astype(int), a.called),
    "kappa": lambda a: reference.cohen_kappa_score(a.truth, a.called, labels=places(a)),
    "log_loss": lambda a: reference.log_loss(a.truth, a.scores, labels=places(a)),
    "mae": lambda a: reference.mean_absolute_error(a.truth, a.called),
    "mae_steps": lambda a: reference.mean_absolute_error(a.truth, a.called),
    "mcc": lambda a: reference.matthews_corrcoef(a.truth, a.called),
    "precision": lambda a: averaged(a, reference.precision_score),
    "quadratic_kappa": lambda a: reference.cohen_kappa_score(a.truth, a.called, labels=places(a), weights="quadratic"),
    "r2": lambda a: reference.r2_score(a.truth, a.called),
    "rmse": lambda a: reference.root_mean_squared_error(a.truth, a.called),
    "sensitivity": lambda a: averaged(a, reference.recall_score),
    "spearman": lambda a: stats.spearmanr(a.truth, a.called).statistic,
    "specificity": specificity,
}


def one_by_one(given: Answers) -> list[Answers]:
    """Each of several findings as two classes, over the cases in which it is known."""
    parts = []
    for place in places(given):
        known = ~np.isnan(given.truth[:, place])
        score = given.scores[known, place]
        parts.append(
            Answers(
                form="classes",
                truth=given.truth[known, place].astype(int),
                scores=np.stack([1 - score, score], axis=1),
                called=given.called[known, place],
            )
        )
    return parts


def pairs(samples: dict[str, Answers]) -> list[tuple[str, str]]:
    """Each metric with each sample that it is defined for."""
    forms = {name: metric_named(name).forms for name in NAMES}
    return [(name, key) for name in NAMES for key in sorted(samples) if samples[key].form in forms[name]]


@pytest.mark.parametrize("name", NAMES)
def test_it_declares_itself(name: str) -> None:
    metric = metric_named(name)
    assert metric.low < metric.high
    assert metric.better in ("higher", "lower")
    assert metric.forms
    assert metric.rule.endswith(".")
    assert registry.blurb(metrics, name).endswith(".")
    said = {say(f"metrics.{name}", lang) for lang in LANGUAGES}
    assert len(said) == len(LANGUAGES)
    assert max(map(len, said)) <= 40


@pytest.mark.parametrize(("name", "key"), pairs(ORDINARY))
def test_it_is_what_the_well_known_libraries_say(name: str, key: str) -> None:
    metric, given = metric_named(name), ORDINARY[key]
    found = metric.measure(given)
    assert metric.low <= found <= metric.high
    known = ~np.isnan(given.truth.astype(np.float64))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scikit-learn says aloud what is defined here in silence
        if given.form != "several":
            expected = REFERENCES[name](given)
        elif name in OVER:
            expected = float(np.mean([REFERENCES[name](part) for part in one_by_one(given)]))
        else:
            wrong = reference.zero_one_loss(given.truth[known].astype(int), given.called[known])
            expected = wrong if name == "hamming" else 1 - wrong
    assert found == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(("name", "key"), pairs(ODD))
def test_odd_cases_give_a_number_in_range_or_none(name: str, key: str) -> None:
    metric, given = metric_named(name), ODD[key]
    found = metric.measure(given)
    assert isinstance(found, float)
    assert math.isnan(found) or metric.low <= found <= metric.high
    if not len(given) or key == "nothing is known":
        assert math.isnan(found)


@pytest.mark.parametrize("name", NAMES)
def test_the_order_of_the_cases_does_not_matter_and_better_is_better(name: str) -> None:
    metric = metric_named(name)
    for form in metric.forms:
        given = answers(form, 60, seed=4)
        turned = given.at(np.random.default_rng(0).permutation(60))
        assert metric.measure(turned) == pytest.approx(metric.measure(given))
        perfect = _perfect(given)
        best, usual = metric.measure(perfect), metric.measure(given)
        assert best >= usual if metric.better == "higher" else best <= usual
        assert best == pytest.approx(metric.high if metric.better == "higher" else metric.low, abs=1e-9)


def _perfect(given: Answers) -> Answers:
    if given.form == "number":
        return replace(given, scores=given.truth, called=given.truth)
    if given.form == "several":
        return replace(given, scores=given.truth, called=given.truth.astype(np.int64))
    return replace(given, scores=np.eye(given.scores.shape[1])[given.truth], called=given.truth)
