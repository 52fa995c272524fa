"""The contract of a model: what can be set, and how it is built for an input and a number of outputs.

A network is given prepared pixels as they are stored (any dtype, channel first) after conversion to float, and
normalises them itself (`Normalise`, whose mean and deviation come from the recipe), so that the exported graph is
complete. Its forward pass is two steps, `features` and `head`: maps, similar cases and explanations work from the
first and never need the network again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict
from torch import Tensor, nn


class ModelSettings(BaseModel):
    """The base of a model's settings: frozen, documented per field, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class InputForm:
    """What a model is given: channels, extent ([slices,] rows, columns), and their mean and deviation."""

    channels: int
    shape: tuple[int, ...]
    mean: tuple[float, ...]
    deviation: tuple[float, ...]

    @property
    def dimensions(self) -> int:
        """2 for images, 3 for volumes."""
        return len(self.shape)


class Network(nn.Module):
    """The base of every network: normalise, features, head.

    `features` gives the last map that still has places (batch, channels, [slices,] rows, columns); an MLP gives its
    last hidden layer with extents of 1. `head` gives the logits and the embedding (batch, width).
    """

    def __init__(self, form: InputForm) -> None:
        super().__init__()
        self.normalise = Normalise(form)

    def features(self, normalised: Tensor) -> Tensor:
        """The last feature map."""
        raise NotImplementedError

    def head(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Logits and embedding."""
        raise NotImplementedError

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Logits, features and embedding of stored pixels."""
        features = self.features(self.normalise(pixels))
        logits, embedding = self.head(features)
        return logits, features, embedding


class Normalise(nn.Module):
    """Stored pixels to mean 0 and deviation 1 over the training cases."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, form: InputForm) -> None:
        super().__init__()
        extent = (1, form.channels, *([1] * form.dimensions))
        self.register_buffer("mean", torch.tensor(form.mean, dtype=torch.float32).reshape(extent))
        self.register_buffer("deviation", torch.tensor(form.deviation, dtype=torch.float32).reshape(extent))

    def forward(self, pixels: Tensor) -> Tensor:
        """Normalise a batch."""
        return (pixels - self.mean) / self.deviation


class Estimator(Protocol):
    """A classical model that learns at once from all training cases."""

    def fit(
        self, pixels: NDArray[Any], targets: NDArray[np.float32], weights: NDArray[np.float32], *, seed: int
    ) -> None:
        """Learn from normalised pixels (cases, channels, ...), targets and weights (cases,)."""

    def logits(self, pixels: NDArray[Any]) -> NDArray[np.float32]:
        """Outputs of normalised pixels."""

    def network(self) -> Network:
        """What was learned as a network of fixed weights, so that it is exported, explained and run like the others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """One family on the shelf.

    Attributes:
        kind: a `network` is trained by the loop; an `estimator` learns at once.
        settings: the model of its settings.
        dimensions: of the inputs that it can take.
        build: settings, input form and number of outputs -> a `Network`, or an object that fits `Estimator`.
    """

    kind: Literal["network", "estimator"]
    settings: type[ModelSettings]
    dimensions: tuple[int, ...] = (2, 3)
    build: Callable[[Any, InputForm, int], Any]


class Ensemble(Network):
    """Several networks of one form as one: the mean of their class probabilities, their features side by side."""

    def __init__(self, members: Sequence[Network], combine: Literal["softmax", "sigmoid", "mean"]) -> None:
        nn.Module.__init__(self)
        self.members = nn.ModuleList(members)
        self.combine = combine
        self.normalise = members[0].normalise

    def features(self, normalised: Tensor) -> Tensor:
        """The feature maps of all members, one after the other along the channels."""
        return torch.cat([member.features(normalised) for member in self.members], dim=1)  # type: ignore[operator]

    def head(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Logits whose probabilities are the mean of the members', and all embeddings side by side."""
        parts = features.chunk(len(self.members), dim=1)
        answers = [member.head(part) for member, part in zip(self.members, parts, strict=True)]  # type: ignore[operator]
        logits = torch.stack([answer[0] for answer in answers])
        return combined(logits, self.combine), torch.cat([answer[1] for answer in answers], dim=1)


def combined(logits: Tensor, combine: str) -> Tensor:
    """Logits (members, batch, outputs) as one (batch, outputs)."""
    if combine == "softmax":
        return torch.log(torch.softmax(logits, dim=-1).mean(0).clamp_min(1e-9))
    if combine == "sigmoid":
        return torch.logit(torch.sigmoid(logits).mean(0), eps=1e-7)
    return logits.mean(0)
