"""Nearest neighbours: the known cases that are most alike, and what is known of them.

The training cases go into the model file as rows of numbers; whoever must not pass them on takes another model.
"""

from __future__ import annotations

from functools import partial

import numpy as np
from pydantic import Field
from torch import nn

from isocenter.learning.answers import Classed, Logarithm, Measured, Nearest, answered
from isocenter.learning.estimator import RowEstimator, Rows, RowSettings
from isocenter.learning.models._shared import InputForm, Model


class NeighboursSettings(RowSettings):
    """What can be set of nearest neighbours."""

    neighbours: int = Field(default=9, ge=1)
    """How many cases are asked."""


def learn(settings: NeighboursSettings, rows: Rows) -> nn.Module:
    """Nothing is learned but the cases themselves."""
    return answered(rows, partial(_classes, settings), partial(_number, settings))


def _classes(settings: NeighboursSettings, given: Classed) -> nn.Module:
    told = np.eye(given.count, dtype=np.float32)[given.labels]
    nearest = Nearest(given.numbers, told, given.shares, settings.neighbours)
    return Logarithm(nearest, float(nearest.count))


def _number(settings: NeighboursSettings, given: Measured) -> nn.Module:
    return Nearest(given.numbers, given.target[:, None], given.shares, settings.neighbours)


def build(settings: NeighboursSettings, form: InputForm, outputs: int) -> RowEstimator:
    """Nearest neighbours for an input."""
    return RowEstimator(settings, form, outputs, partial(learn, settings))


MODEL = Model(kind="estimator", settings=NeighboursSettings, build=build)
