"""Logistic regression on pixels (ridge regression for a number): the plain answer that others must beat.

A weighted sum of the standardised numbers answers. Large weights are drawn back by their squares (`ridge`), or all of
them by their sizes (`lasso`), which leaves most at nought.
"""

from __future__ import annotations

import warnings
from dataclasses import replace
from functools import partial
from typing import Literal

import numpy as np
import torch
from pydantic import Field
from torch import nn

from isocenter.learning.answers import Classed, Measured, answered, weighted_sum
from isocenter.learning.estimator import Floats, RowEstimator, Rows, RowSettings, by_column
from isocenter.learning.models._shared import Combine, InputForm, Model

PENALTIES = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)
"""What is tried where no penalty is set."""
FOLDS = 3
CHOOSING = 3000
"""Cases among which the penalty is chosen: more would take long and change little, as it is counted per case."""
ROUNDS = 300
"""Steps of the solver: enough on standardised pixels, bounded where classes can be parted without error."""

Shrinkage = Literal["ridge", "lasso"]


class LogisticSettings(RowSettings):
    """What can be set of a logistic regression."""

    shrinkage: Shrinkage = "ridge"
    """Whether large weights are drawn back by their squares, or all by their sizes, so that few are left."""
    penalty: float | None = Field(default=None, gt=0.0)
    """How strongly weights are drawn back, per case; by default what serves held-out training cases best."""


def learn(settings: LogisticSettings, rows: Rows) -> nn.Module:
    """The weighted sum that serves best."""
    return _learned(rows, settings.shrinkage, settings.penalty or _choose(rows, settings.shrinkage))


def _learned(rows: Rows, shrinkage: Shrinkage, penalty: float) -> nn.Module:
    return answered(rows, partial(_classes, shrinkage, penalty), partial(_number, shrinkage, penalty))


def _choose(rows: Rows, shrinkage: Shrinkage) -> float:
    """The penalty that serves held-out cases best."""
    from sklearn.model_selection import KFold

    chosen = np.random.default_rng(rows.seed).permutation(len(rows.numbers))[:CHOOSING]
    if len(chosen) < 2 * FOLDS:
        return PENALTIES[len(PENALTIES) // 2]
    losses = np.zeros(len(PENALTIES))
    for taught, judged in KFold(FOLDS).split(chosen):
        teaching, judging = (_of(rows, chosen[part]) for part in (taught, judged))
        for place, penalty in enumerate(PENALTIES):
            answer = _learned(teaching, shrinkage, penalty)
            losses[place] += _loss(answer(torch.from_numpy(judging.numbers)).numpy(), judging)
    return PENALTIES[int(losses.argmin())]


def _of(rows: Rows, places: Floats) -> Rows:
    """Some of the cases."""
    return replace(rows, numbers=rows.numbers[places], targets=rows.targets[places], weights=rows.weights[places])


def _classes(shrinkage: Shrinkage, penalty: float, given: Classed) -> nn.Module:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    how = {"solver": "lbfgs"} if shrinkage == "ridge" else {"solver": "saga", "l1_ratio": 1.0}
    strength = 1.0 / (penalty * given.shares.sum())
    model = LogisticRegression(C=strength, max_iter=ROUNDS, random_state=given.seed, **how)
    with warnings.catch_warnings():
        # The bound on rounds is meant: what was reached by then is a model, and is judged like any other.
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(given.numbers, given.labels, sample_weight=given.shares)
    if given.count == 2:
        half = model.coef_[0] / 2
        return weighted_sum(np.stack([-half, half]), np.array([0.0, model.intercept_[0]]))
    return weighted_sum(model.coef_, model.intercept_)


def _number(shrinkage: Shrinkage, penalty: float, given: Measured) -> nn.Module:
    from sklearn.linear_model import Lasso, Ridge

    total = given.shares.sum()
    model = Ridge(alpha=penalty * total) if shrinkage == "ridge" else Lasso(alpha=penalty, max_iter=10 * ROUNDS)
    exact = (values.astype(np.float64) for values in (given.numbers, given.target, given.shares))
    numbers, target, shares = exact
    model.fit(numbers, target, sample_weight=shares)
    return weighted_sum(model.coef_[None], np.array([model.intercept_]))


def _loss(logits: Floats, rows: Rows) -> float:
    """What the solver made small, over known targets."""
    kind: Combine = rows.kind
    if kind == "softmax":
        largest = logits.max(1, keepdims=True)
        logarithms = logits - largest - np.log(np.exp(logits - largest).sum(1, keepdims=True))
        loss = -rows.targets * logarithms
    elif kind == "sigmoid":
        loss = np.logaddexp(0.0, logits) - rows.targets * logits
    else:
        loss = (logits - rows.targets) ** 2
    return float(np.nansum(loss * by_column(rows.weights, rows.targets)))


def build(settings: LogisticSettings, form: InputForm, outputs: int) -> RowEstimator:
    """A logistic regression for an input."""
    return RowEstimator(settings, form, outputs, partial(learn, settings))


MODEL = Model(kind="estimator", settings=LogisticSettings, build=build)
