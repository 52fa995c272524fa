"""Naive Bayes: each number of each class follows a bell curve of its own, as if none knew of the others.

It tells classes apart and estimates no numbers.
"""

from __future__ import annotations

from functools import partial

import numpy as np
from pydantic import Field
from torch import nn

from isocenter.learning.answers import Classed, Curved, answered
from isocenter.learning.estimator import RowEstimator, Rows, RowSettings
from isocenter.learning.models._shared import InputForm, Model


class NaiveBayesSettings(RowSettings):
    """What can be set of naive Bayes."""

    smoothing: float = Field(default=1e-2, gt=0.0)
    """Added to each variance, as a share of the largest: a class of few cases is not surer than it can be."""


def learn(settings: NaiveBayesSettings, rows: Rows) -> nn.Module:
    """The curves of each class, which make a sum of the numbers and of their squares."""
    return answered(rows, partial(_classes, settings), None)


def _classes(settings: NaiveBayesSettings, given: Classed) -> nn.Module:
    from sklearn.naive_bayes import GaussianNB

    model = GaussianNB(var_smoothing=settings.smoothing)
    model.fit(given.numbers.astype(np.float64), given.labels, sample_weight=given.shares)
    centre, variance = model.theta_, model.var_
    bias = np.log(model.class_prior_) - 0.5 * (np.log(variance) + centre**2 / variance).sum(1)
    return Curved(-0.5 / variance, centre / variance, bias - bias.max())


def build(settings: NaiveBayesSettings, form: InputForm, outputs: int) -> RowEstimator:
    """Naive Bayes for an input."""
    return RowEstimator(settings, form, outputs, partial(learn, settings))


MODEL = Model(kind="estimator", settings=NaiveBayesSettings, build=build)
