"""Decision tree: questions to single numbers, one after the other, that a person can follow.

A tree that is grown to its end knows its cases by heart, so its leaves keep a number of them.
"""

from __future__ import annotations

from functools import partial

import numpy as np
from pydantic import Field
from torch import nn

from isocenter.learning.answers import Classed, Logarithm, Measured, Trees, answered, tree_of
from isocenter.learning.estimator import RowEstimator, Rows, RowSettings
from isocenter.learning.models._shared import InputForm, Model


class DecisionTreeSettings(RowSettings):
    """What can be set of a decision tree."""

    depth: int = Field(default=6, ge=1, le=32)
    """Questions on the longest way, at most."""
    smallest_leaf: int = Field(default=5, ge=1)
    """Cases that end in a leaf, at least."""


def learn(settings: DecisionTreeSettings, rows: Rows) -> nn.Module:
    """The tree that parts the cases best, question by question."""
    return answered(rows, partial(_classes, settings), partial(_number, settings))


def _classes(settings: DecisionTreeSettings, given: Classed) -> nn.Module:
    from sklearn.tree import DecisionTreeClassifier

    model = DecisionTreeClassifier(
        max_depth=settings.depth, min_samples_leaf=settings.smallest_leaf, random_state=given.seed
    )
    model.fit(given.numbers, given.labels, sample_weight=given.shares)
    tree = tree_of(model.tree_, model.tree_.value[:, 0, :])
    # What a leaf says weighs as many cases as a leaf keeps, not as many as there are.
    return Logarithm(Trees([tree], mean=True), float(settings.smallest_leaf))


def _number(settings: DecisionTreeSettings, given: Measured) -> nn.Module:
    from sklearn.tree import DecisionTreeRegressor

    model = DecisionTreeRegressor(
        max_depth=settings.depth, min_samples_leaf=settings.smallest_leaf, random_state=given.seed
    )
    model.fit(given.numbers, given.target.astype(np.float64), sample_weight=given.shares)
    return Trees([tree_of(model.tree_, model.tree_.value[:, :, 0])], mean=True)


def build(settings: DecisionTreeSettings, form: InputForm, outputs: int) -> RowEstimator:
    """A decision tree for an input."""
    return RowEstimator(settings, form, outputs, partial(learn, settings))


MODEL = Model(kind="estimator", settings=DecisionTreeSettings, build=build)
