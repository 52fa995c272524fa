"""What each metric does where its formula has no answer, and which class it asks for."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from answer_samples import ODD, answers
from sklearn import metrics as reference

from isocenter.core import registry
from isocenter.evidence import metrics
from isocenter.evidence.metrics._shared import Answers


def measured(name: str, given: Answers) -> float:
    """The number itself."""
    return float(registry.get(metrics, name).measure(given))


@pytest.mark.parametrize(
    ("key", "undefined", "defined"),
    [
        (
            "all negative, sure and right",
            {"sensitivity", "precision", "f1", "auroc", "auprc", "mcc", "kappa", "quadratic_kappa"},
            {"accuracy": 1.0, "specificity": 1.0, "balanced_accuracy": 1.0, "log_loss": 0.0, "brier": 0.0},
        ),
        (
            "all positive, sure and wrong",
            {"specificity", "auroc", "precision", "mcc"},
            {"accuracy": 0.0, "sensitivity": 0.0, "f1": 0.0, "auprc": 1.0, "brier": 1.0, "kappa": 0.0, "ece": 1.0},
        ),
        ("both classes, sure of one", {"precision"}, {"mcc": 0.0, "kappa": 0.0, "auroc": 0.5, "f1": 0.0}),
        ("both classes, all alike", set(), {"auroc": 0.5, "auprc": 4 / 9, "brier": 0.25}),
        ("one of three classes", {"auroc", "mcc"}, {"f1": 1.0, "sensitivity": 1.0, "accuracy": 1.0}),
        ("no finding is there", {"sensitivity", "auroc", "auprc"}, {"specificity": 0.0, "hamming": 1.0}),
        ("every finding is there", {"specificity", "auroc"}, {"f1": 1.0, "auprc": 1.0, "hamming": 0.0}),
        ("equal numbers", {"r2", "spearman"}, {"mae": 0.0, "rmse": 0.0}),
        ("equal estimates", {"spearman"}, {"r2": 0.0}),
        ("one case of numbers", {"r2", "spearman"}, {}),
    ],
)
def test_the_rule_for_odd_cases(key: str, undefined: set[str], defined: dict[str, float]) -> None:
    assert all(math.isnan(measured(name, ODD[key])) for name in undefined)
    assert {name: measured(name, ODD[key]) for name in defined} == pytest.approx(defined)


def test_the_positive_class_is_the_one_that_is_asked_for() -> None:
    given = answers("classes", 80, width=2)
    other = replace(given, positive=0)
    assert measured("sensitivity", other) == measured("specificity", given)
    assert measured("auroc", other) == pytest.approx(measured("auroc", given))
    assert measured("accuracy", other) == measured("accuracy", given)


def test_more_classes_are_one_against_the_rest() -> None:
    given = answers("classes", 150, width=4)
    expected = reference.roc_auc_score(given.truth, given.scores, multi_class="ovr", average="macro")
    assert measured("auroc", given) == pytest.approx(expected, abs=1e-9)


def test_one_wrong_and_sure_probability_does_not_end_in_infinity() -> None:
    assert math.isfinite(measured("log_loss", ODD["all positive, sure and wrong"]))


def test_single_precision_scores_are_no_reason_for_another_answer() -> None:
    given = answers("classes", 200, width=2)
    single = replace(given, scores=given.scores.astype(np.float32))
    for name in ("auroc", "auprc", "log_loss", "brier", "ece"):
        assert measured(name, single) == pytest.approx(measured(name, given), abs=1e-5)
