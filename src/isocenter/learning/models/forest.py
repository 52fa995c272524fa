"""Random forest: many decision trees, each grown from a draw of the cases and of the numbers, and their mean.

After Breiman, "Random forests", 2001.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import torch
from pydantic import Field
from torch import nn

from isocenter.learning.answers import Classed, Logarithm, Measured, Trees, answered, tree_of
from isocenter.learning.estimator import RowEstimator, Rows, RowSettings
from isocenter.learning.models._shared import InputForm, Model


class ForestSettings(RowSettings):
    """What can be set of a random forest."""

    trees: int = Field(default=300, ge=1)
    """How many trees are grown."""
    depth: int = Field(default=16, ge=1, le=32)
    """Questions on the longest way of each, at most."""
    smallest_leaf: int = Field(default=2, ge=1)
    """Cases that end in a leaf, at least."""


def learn(settings: ForestSettings, rows: Rows) -> nn.Module:
    """Trees that differ, so that their mean errs less than each."""
    return answered(rows, partial(_classes, settings), partial(_number, settings))


def _grown(settings: ForestSettings, seed: int) -> dict[str, Any]:
    return {
        "n_estimators": settings.trees,
        "max_depth": settings.depth,
        "min_samples_leaf": settings.smallest_leaf,
        "max_features": "sqrt",
        "n_jobs": torch.get_num_threads(),
        "random_state": seed,
    }


def _classes(settings: ForestSettings, given: Classed) -> nn.Module:
    from sklearn.ensemble import RandomForestClassifier

    model = RandomForestClassifier(**_grown(settings, given.seed))
    model.fit(given.numbers, given.labels, sample_weight=given.shares)
    trees = [tree_of(one.tree_, one.tree_.value[:, 0, :]) for one in model.estimators_]
    return Logarithm(Trees(trees, mean=True), float(len(given.numbers)))


def _number(settings: ForestSettings, given: Measured) -> nn.Module:
    from sklearn.ensemble import RandomForestRegressor

    model = RandomForestRegressor(**_grown(settings, given.seed))
    model.fit(given.numbers, given.target.astype(np.float64), sample_weight=given.shares)
    return Trees([tree_of(one.tree_, one.tree_.value[:, :, 0]) for one in model.estimators_], mean=True)


def build(settings: ForestSettings, form: InputForm, outputs: int) -> RowEstimator:
    """A random forest for an input."""
    return RowEstimator(settings, form, outputs, partial(learn, settings))


MODEL = Model(kind="estimator", settings=ForestSettings, build=build)
