"""Boosted trees: small decision trees, each learning what those before it got wrong.

Learned by LightGBM (Ke and others, "LightGBM: a highly efficient gradient boosting decision tree", 2017).
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import nn

from isocenter.core.optional import require
from isocenter.learning.answers import Classed, Halves, Measured, Tree, Trees, answered
from isocenter.learning.estimator import Floats, RowEstimator, Rows, RowSettings
from isocenter.learning.models._shared import InputForm, Model


class BoostingSettings(RowSettings):
    """What can be set of boosted trees."""

    trees: int = Field(default=200, ge=1)
    """How many trees follow one another, for each class."""
    learning_rate: float = Field(default=0.05, gt=0.0, le=1.0)
    """How much of its correction each tree may bring in."""
    leaves: int = Field(default=15, ge=2)
    """Leaves of each tree, at most."""
    smallest_leaf: int = Field(default=10, ge=1)
    """Cases that end in a leaf, at least."""
    shrinkage: float = Field(default=1.0, ge=0.0)
    """How strongly what a leaf says is drawn back to nothing."""


def learn(settings: BoostingSettings, rows: Rows) -> nn.Module:
    """Trees of which each corrects the sum of those before it."""
    return answered(rows, partial(_classes, settings), partial(_number, settings))


def _classes(settings: BoostingSettings, given: Classed) -> nn.Module:
    how = {"objective": "binary"} if given.count == 2 else {"objective": "multiclass", "num_class": given.count}
    booster = _boosted(settings, given.numbers, given.labels, given.shares, how | {"seed": given.seed})
    if given.count > 2:
        return _trees(booster, given.count)
    return Halves(_trees(booster, 1))


def _number(settings: BoostingSettings, given: Measured) -> nn.Module:
    return _trees(_boosted(settings, given.numbers, given.target, given.shares, {"seed": given.seed}), 1)


def _boosted(
    settings: BoostingSettings, numbers: Floats, target: NDArray[Any], shares: Floats, how: dict[str, Any]
) -> dict[str, Any]:
    """What LightGBM learned, as it tells it."""
    lightgbm = require("lightgbm")
    options = {
        "learning_rate": settings.learning_rate,
        "num_leaves": settings.leaves,
        "min_data_in_leaf": settings.smallest_leaf,
        "min_sum_hessian_in_leaf": 1e-6,
        "lambda_l2": settings.shrinkage,
        "num_threads": torch.get_num_threads(),
        "deterministic": True,
        "force_row_wise": True,
        "use_missing": False,
        "verbosity": -1,
    }
    data = lightgbm.Dataset(numbers, label=target, weight=shares, params={"min_data_in_bin": 1, "verbosity": -1})
    told: dict[str, Any] = lightgbm.train(options | how, data, num_boost_round=settings.trees).dump_model()
    return told


def _trees(told: dict[str, Any], columns: int) -> nn.Module:
    """Its trees, those of each class in a column of their own."""
    trees = [_tree(one["tree_structure"], place % columns, columns) for place, one in enumerate(told["tree_info"])]
    return Trees(trees, mean=False)


def _tree(root: dict[str, Any], column: int, columns: int) -> Tree:
    nodes = [root]
    follow: list[tuple[int, int]] = []
    for place, node in enumerate(nodes):  # grows while it is walked
        if "left_child" in node:
            follow.append((len(nodes), len(nodes) + 1))
            nodes += [node["left_child"], node["right_child"]]
        else:
            follow.append((place, place))
    value = np.zeros((len(nodes), columns))
    value[:, column] = [node.get("leaf_value", 0.0) for node in nodes]
    return Tree(
        column=np.array([node.get("split_feature", 0) for node in nodes]),
        threshold=np.array([node.get("threshold", 0.0) for node in nodes], dtype=np.float64),
        left=np.array([left for left, _ in follow]),
        right=np.array([right for _, right in follow]),
        value=value,
    )


def build(settings: BoostingSettings, form: InputForm, outputs: int) -> RowEstimator:
    """Boosted trees for an input."""
    return RowEstimator(settings, form, outputs, partial(learn, settings))


MODEL = Model(kind="estimator", settings=BoostingSettings, build=build)
