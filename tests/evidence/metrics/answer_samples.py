"""Answers to measure: random ones, ones with ties, and the odd ones that a small cohort brings."""

from __future__ import annotations

from typing import Literal

import numpy as np

from isocenter.evidence.metrics._shared import Answers

Form = Literal["classes", "several", "number"]


def answers(form: Form, cases: int, *, width: int = 3, seed: int = 0, ties: bool = False) -> Answers:
    """Random answers that are better than chance; with `ties`, of few distinct scores."""
    rng = np.random.default_rng([seed, cases, width])
    if form == "number":
        truth = rng.normal(50, 10, cases)
        said = truth + rng.normal(0, 5, cases)
        return _number(np.round(truth, -1), np.round(said, -1)) if ties else _number(truth, said)
    if form == "several":
        truth = (rng.random((cases, width)) < 0.4).astype(np.float64)
        scores = np.clip(0.3 * truth + 0.7 * rng.random((cases, width)), 0, 1)
        scores = np.round(scores, 1) if ties else scores
        return _several(truth, scores)
    truth = rng.integers(0, width, cases)
    scores = rng.dirichlet(np.ones(width), cases) + 0.4 * np.eye(width)[truth]
    scores = np.floor(scores * 4) + 1 if ties else scores
    return _classes(truth, scores / scores.sum(axis=1, keepdims=True))


def with_unknown(given: Answers) -> Answers:
    """Some truths of several findings are not known."""
    hidden = np.random.default_rng(9).random(given.truth.shape) < 0.3
    return _several(np.where(hidden, np.nan, given.truth), given.scores)


def _classes(truth: np.ndarray, scores: np.ndarray) -> Answers:
    return Answers(form="classes", truth=truth, scores=scores, called=scores.argmax(axis=1))


def _several(truth: np.ndarray, scores: np.ndarray) -> Answers:
    return Answers(form="several", truth=truth, scores=scores, called=(scores >= 0.5).astype(np.int64))


def _number(truth: np.ndarray, said: np.ndarray) -> Answers:
    return Answers(form="number", truth=truth, scores=said, called=said)


ORDINARY = {
    **{f"{width} classes": answers("classes", 200, width=width) for width in (2, 3, 5)},
    **{f"{width} classes, ties": answers("classes", 200, width=width, ties=True) for width in (2, 4)},
    "two classes, few cases": answers("classes", 12, width=2),
    "several findings": answers("several", 200),
    "several findings, ties": answers("several", 200, ties=True),
    "several findings, some unknown": with_unknown(answers("several", 200, width=4)),
    "numbers": answers("number", 200),
    "numbers, ties": answers("number", 200, ties=True),
}


EVEN, SURE = np.full((9, 2), 0.5), np.tile([1.0, 0.0], (9, 1))
ODD = {
    "no cases of classes": answers("classes", 0, width=2),
    "no cases of more classes": answers("classes", 0, width=4),
    "no cases of findings": answers("several", 0),
    "no cases of numbers": answers("number", 0),
    "one case of classes": answers("classes", 1, width=2),
    "one case of findings": answers("several", 1),
    "one case of numbers": answers("number", 1),
    "all negative, sure and right": _classes(np.zeros(9, np.int64), SURE),
    "all positive, sure and wrong": _classes(np.ones(9, np.int64), SURE),
    "both classes, sure of one": _classes(np.arange(9) % 2, SURE),
    "both classes, all alike": _classes(np.arange(9) % 2, EVEN),
    "one of three classes": _classes(np.full(9, 2), np.tile([0.2, 0.3, 0.5], (9, 1))),
    "a class without cases": _classes(np.arange(8) % 2, np.random.default_rng(5).dirichlet(np.ones(3), 8)),
    "no finding is there": _several(np.zeros((9, 2)), EVEN),
    "every finding is there": _several(np.ones((9, 2)), EVEN),
    "nothing is known": _several(np.full((9, 2), np.nan), EVEN),
    "equal numbers": _number(np.full(9, 4.0), np.full(9, 4.0)),
    "equal estimates": _number(np.arange(9.0), np.full(9, 4.0)),
}
