"""Support vector machine: the widest gap between classes, by how alike an image is to those that lie at the gap.

Of more than two classes, each is set against all others. How far a case lies from the gap becomes a logit by a scale
that is learned from held-out training cases (Platt, "Probabilistic outputs for support vector machines", 1999).
"""

from __future__ import annotations

from functools import partial
from typing import Any, Literal

import numpy as np
from pydantic import Field
from torch import nn

from isocenter.learning.answers import Classed, Likeness, Measured, answered, weighted_sum
from isocenter.learning.estimator import Floats, RowEstimator, Rows, RowSettings
from isocenter.learning.models._shared import InputForm, Model

FOLDS = 3
"""Parts into which cases are divided to learn the scale of the logits."""

FLATTEST = 0.05
"""Logits for one width of the gap, at least: an order among cases is kept where nothing more is known."""


class SVMSettings(RowSettings):
    """What can be set of a support vector machine."""

    kernel: Literal["rbf", "linear"] = "rbf"
    """How likeness is measured: by distance (`rbf`), or by a weighted sum alone (`linear`)."""
    strictness: float = Field(default=1.0, gt=0.0)
    """How much a case on the wrong side counts against a wide gap (C)."""
    narrowness: float | None = Field(default=None, gt=0.0)
    """How fast likeness falls with squared distance (gamma); one through the number of numbers unless given."""


def learn(settings: SVMSettings, rows: Rows) -> nn.Module:
    """The gaps, and how far from one a case must lie to be sure of."""
    return answered(rows, partial(_classes, settings), partial(_number, settings))


def _classes(settings: SVMSettings, given: Classed) -> nn.Module:
    from sklearn.svm import SVC

    how = _how(settings, given.numbers)
    sides = [given.labels == one for one in range(given.count)] if given.count > 2 else [given.labels == 1]
    learned = []
    for side in sides:
        model = SVC(**how).fit(given.numbers, side, sample_weight=given.shares)
        learned.append((model, *_scale(how, given, side)))
    if given.count > 2:
        return _sums(learned, how)
    model, scale, shift = learned[0]
    return _sums([(model, -scale / 2, -shift / 2), (model, scale / 2, shift / 2)], how)


def _number(settings: SVMSettings, given: Measured) -> nn.Module:
    from sklearn.svm import SVR

    spread = float(np.std(given.target)) or 1.0
    how = _how(settings, given.numbers)
    target = (given.target - given.target.mean()) / spread
    model = SVR(**how).fit(given.numbers, target, sample_weight=given.shares)
    return _sums([(model, spread, float(given.target.mean()))], how)


def _how(settings: SVMSettings, numbers: Floats) -> dict[str, Any]:
    narrowness = settings.narrowness or 1.0 / numbers.shape[1]
    return {"kernel": settings.kernel, "C": settings.strictness, "gamma": narrowness}


def _scale(how: dict[str, Any], given: Classed, side: Floats) -> tuple[float, float]:
    """What turns a distance from the gap into a logit, by cases that the gap was not learned from."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold
    from sklearn.svm import SVC

    if min(side.sum(), len(side) - side.sum()) < FOLDS:
        return 1.0, 0.0
    far = np.zeros(len(side))
    for taught, judged in StratifiedKFold(FOLDS, shuffle=True, random_state=given.seed).split(given.numbers, side):
        model = SVC(**how).fit(given.numbers[taught], side[taught], sample_weight=given.shares[taught])
        far[judged] = model.decision_function(given.numbers[judged])
    line = LogisticRegression(C=len(side)).fit(far[:, None], side, sample_weight=given.shares)
    # A gap that does not hold outside its cases is hardly believed, and never taken for its opposite.
    return max(float(line.coef_[0, 0]), FLATTEST), float(line.intercept_[0])


def _sums(learned: list[tuple[Any, float, float]], how: dict[str, Any]) -> nn.Module:
    """Several machines as one layer over all cases that any of them leans on."""
    bias = np.array([scale * model.intercept_[0] + shift for model, scale, shift in learned])
    if how["kernel"] == "linear":
        return weighted_sum(np.concatenate([scale * model.coef_ for model, scale, _ in learned]), bias)
    places = np.unique(np.concatenate([model.support_ for model, *_ in learned]))
    known = np.zeros((len(places), learned[0][0].support_vectors_.shape[1]))
    weight = np.zeros((len(learned), len(places)))
    for row, (model, scale, _) in enumerate(learned):
        at = np.searchsorted(places, model.support_)
        known[at] = model.support_vectors_
        weight[row, at] = scale * model.dual_coef_[0]
    return Likeness(known, weight, bias, how["gamma"])


def build(settings: SVMSettings, form: InputForm, outputs: int) -> RowEstimator:
    """A support vector machine for an input."""
    return RowEstimator(settings, form, outputs, partial(learn, settings))


MODEL = Model(kind="estimator", settings=SVMSettings, build=build)
