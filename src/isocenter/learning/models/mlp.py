"""Dense network: every pixel joined to every unit, layer after layer."""

from __future__ import annotations

from math import prod

from pydantic import Field
from torch import Tensor, nn

from isocenter.learning.models._shared import (
    Activation,
    InputForm,
    Model,
    ModelSettings,
    Network,
    activation_layer,
    initialise,
)


class MLPSettings(ModelSettings):
    """What can be set of a dense network."""

    hidden: tuple[int, ...] = Field(default=(256, 128), min_length=1)
    """Units of each hidden layer."""
    activation: Activation = "relu"
    """What makes a layer more than a weighted sum."""
    dropout: float = Field(default=0.0, ge=0.0, lt=1.0)
    """Share of each hidden layer that is blanked while training."""


class MLP(Network):
    """Hidden layers and a weighted sum; its last hidden layer is a map of one place."""

    def __init__(self, settings: MLPSettings, form: InputForm, outputs: int) -> None:
        super().__init__(form)
        given = form.channels * prod(form.shape)
        parts: list[nn.Module] = [nn.Flatten()]
        for width in settings.hidden:
            parts += [nn.Linear(given, width), activation_layer(settings.activation), nn.Dropout(settings.dropout)]
            given = width
        self.hidden = nn.Sequential(*parts)
        self.fc = nn.Linear(given, outputs)
        self.dimensions = form.dimensions
        initialise(self, settings.activation)

    def features(self, normalised: Tensor) -> Tensor:
        """The last hidden layer as a map of one place."""
        seen: Tensor = self.hidden(normalised)
        for _ in range(self.dimensions):
            seen = seen.unsqueeze(-1)
        return seen

    def head(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Logits of the last hidden layer, and that layer."""
        embedding = features.flatten(1)
        return self.fc(embedding), embedding


def build(settings: MLPSettings, form: InputForm, outputs: int) -> Network:
    """A dense network for an input."""
    return MLP(settings, form, outputs)


MODEL = Model(kind="network", settings=MLPSettings, build=build, gains_by_half=False, takes_rows=True)
