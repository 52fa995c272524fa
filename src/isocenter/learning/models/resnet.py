"""Residual network of 18, 34 or 50 layers, as wide as the machine can bear.

Names of weights are torchvision's, so that weights trained elsewhere load by key. After He and others, "Deep residual
learning for image recognition", 2016.
"""

from __future__ import annotations

from isocenter.learning.models._shared import InputForm, Model, Network
from isocenter.learning.residual import Residual, ResidualSettings


class ResNetSettings(ResidualSettings):
    """What can be set of a residual network."""


class ResNet(Residual):
    """Residual blocks that look at the whole input."""

    def __init__(self, settings: ResNetSettings, form: InputForm, outputs: int) -> None:
        super().__init__(settings, form, seen=form)
        self.add_answer(settings, outputs)


def build(settings: ResNetSettings, form: InputForm, outputs: int) -> Network:
    """A residual network for an input."""
    return ResNet(settings, form, outputs)


MODEL = Model(kind="network", settings=ResNetSettings, build=build)
