"""The contract of a model: what can be set, and how it is built for an input and a number of outputs.

A network is given prepared pixels as they are stored (any dtype, channel first) after conversion to float, and
normalises them itself (`Normalise`, whose mean and deviation come from the recipe), so that the exported graph is
complete. Its forward pass is two steps, `features` and `head`: maps, similar cases and explanations work from the
first and never need the network again.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, cast

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict
from torch import Tensor, nn

from isocenter.learning.convolution import Convolution

Combine = Literal["softmax", "sigmoid", "mean"]
"""How outputs are read: as classes of which one holds, as statements that hold or not, or as numbers."""

Activation = Literal["relu", "leaky_relu", "sigmoid", "tanh"]
"""What makes a layer more than a weighted sum."""

Pooling = Literal["max", "average"]
"""Whether the largest or the average of several values is kept."""

Stem = Literal["small", "medium", "large"]
"""How soon an image is made smaller: not at all, by 2, by 4."""

SHRINKS: dict[Stem, int] = {"small": 1, "medium": 2, "large": 4}
"""By how much a stem makes an image smaller."""


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

    asides: tuple[str, ...] = ()
    """Names of parts that answer on the way while the network learns; see `answers`."""

    def __init__(self, form: InputForm) -> None:
        super().__init__()
        self.normalise = Normalise(form)

    def features(self, normalised: Tensor) -> Tensor:
        """The last feature map."""
        raise NotImplementedError

    def head(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Logits and embedding."""
        raise NotImplementedError

    def answers(self, normalised: Tensor) -> list[tuple[Tensor, float]]:
        """The logits to learn from, each with the weight of its loss: several where it also answers on the way."""
        return [(self.head(self.features(normalised))[0], 1.0)]

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Logits, features and embedding of stored pixels."""
        features = self.features(self.normalise(pixels))
        logits, embedding = self.head(features)
        return logits, features, embedding


class Stacked(Network):
    """The base of networks whose last map comes from one stack of layers, under the names that torchvision gives them.

    `features` is the stack itself, so that weights are named `features.0.weight` and so on.
    """

    def __init__(self, form: InputForm, stack: Iterable[nn.Module]) -> None:
        super().__init__(form)
        self.add_module("features", nn.Sequential(*stack))

    @property
    def features(self) -> nn.Sequential:
        """The stack; called, it gives the last feature map."""
        return cast(nn.Sequential, self.__getattr__("features"))


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
        self,
        pixels: NDArray[Any],
        targets: NDArray[np.float32],
        weights: NDArray[np.float32],
        *,
        seed: int,
        combine: Combine | None = None,
    ) -> None:
        """Learn from normalised pixels (cases, channels, ...), targets (cases, width) and weights.

        Weights are (cases,), or (cases, width) where each of several statements has its own.
        Targets of one column more than there are outputs are grades, of which the outputs are cumulative logits.
        `combine` is the task's: how outputs will be read. Where it is not given, the targets tell.
        """

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
        gains_by_half: whether it learns faster in half precision, where a machine has instructions for it.
        takes_rows: whether a network can learn from a row of features, in which nothing lies beside anything.
    """

    kind: Literal["network", "estimator"]
    settings: type[ModelSettings]
    dimensions: tuple[int, ...] = (2, 3)
    build: Callable[[Any, InputForm, int], Any]
    gains_by_half: bool = True
    takes_rows: bool = False


class Ensemble(Network):
    """Several networks of one form as one: the mean of their class probabilities, their features side by side."""

    def __init__(self, members: Sequence[Network], combine: Combine) -> None:
        nn.Module.__init__(self)
        self.members = nn.ModuleList(members)
        self.combine: Combine = combine
        # A copy: weights that two names share cannot be written as safetensors, and a member stays complete.
        self.normalise = copy.deepcopy(members[0].normalise)

    def features(self, normalised: Tensor) -> Tensor:
        """The feature maps of all members, one after the other along the channels."""
        return torch.cat([member.features(normalised) for member in self._networks()], dim=1)

    def head(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Logits whose probabilities are the mean of the members', and all embeddings side by side."""
        networks = self._networks()
        parts = features.chunk(len(networks), dim=1)
        answers = [member.head(part) for member, part in zip(networks, parts, strict=True)]
        logits = torch.stack([answer[0] for answer in answers])
        return combined(logits, self.combine), torch.cat([answer[1] for answer in answers], dim=1)

    def _networks(self) -> list[Network]:
        return cast(list[Network], list(self.members))


def combined(logits: Tensor, combine: Combine) -> Tensor:
    """Logits (members, batch, outputs) as one (batch, outputs).

    Means of probabilities are taken among their logarithms and in single precision, so that a confident member is
    neither clipped nor rounded to certainty where the network computes in bf16.
    """
    logits = logits.float()
    if combine == "softmax":
        return _logarithm_of_mean(torch.log_softmax(logits, dim=-1))
    if combine == "sigmoid":
        yes, no = nn.functional.logsigmoid(logits), nn.functional.logsigmoid(-logits)
        return _logarithm_of_mean(yes) - _logarithm_of_mean(no)
    return logits.mean(0)


def _logarithm_of_mean(logarithms: Tensor) -> Tensor:
    # Written out because runtimes differ in how their ReduceLogSumExp bears very small probabilities.
    largest = logarithms.amax(0)
    return largest + torch.log(torch.exp(logarithms - largest).mean(0))


@dataclass(frozen=True, slots=True, kw_only=True)
class Layers:
    """The layers of images or of volumes, so that a model is written once for both."""

    convolution: type[nn.Conv2d | nn.Conv3d]
    normalisation: type[nn.BatchNorm2d | nn.BatchNorm3d]
    largest: type[nn.MaxPool2d | nn.MaxPool3d]
    average: Callable[..., nn.AvgPool2d | nn.AvgPool3d]


_LAYERS = {
    2: Layers(convolution=Convolution, normalisation=nn.BatchNorm2d, largest=nn.MaxPool2d, average=nn.AvgPool2d),
    3: Layers(convolution=nn.Conv3d, normalisation=nn.BatchNorm3d, largest=nn.MaxPool3d, average=nn.AvgPool3d),
}


def layers(form: InputForm) -> Layers:
    """The layers that fit an input."""
    return _LAYERS[form.dimensions]


def stem_for(shape: tuple[int, ...], asked: Stem | Literal["auto"] = "auto") -> Stem:
    """How soon an input is made smaller: as was asked, or the larger it is, the sooner.

    An image goes by its smaller extent. A volume costs what an image of more than twice its extent costs, and its
    largest extent counts, because a few slices do not make a fine grid of many rows and columns cheap.
    """
    if asked != "auto":
        return asked
    extent = min(shape) if len(shape) == 2 else 2 * max(shape)
    if extent <= 64:
        return "small"
    return "medium" if extent <= 128 else "large"


def first_convolution(kinds: Layers, channels: int, width: int, stem: Stem) -> nn.Conv2d | nn.Conv3d:
    """The convolution that an image meets first; with the stem `large`, a pooling that halves is to follow."""
    kernel, stride = {"large": (7, 2), "medium": (3, 2), "small": (3, 1)}[stem]
    return kinds.convolution(channels, width, kernel, stride=stride, padding=kernel // 2, bias=False)


def fewer(extents: tuple[int, ...], step: int) -> tuple[int, ...]:
    """Extents of a map of which only every so many places are kept."""
    return tuple(-(-extent // step) for extent in extents)


_ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "leaky_relu": nn.LeakyReLU,
    "sigmoid": nn.Sigmoid,
    "tanh": nn.Tanh,
}


def activation_layer(name: Activation) -> nn.Module:
    """An activation by its name."""
    return _ACTIVATIONS[name]()


def initialise(network: nn.Module, activation: Activation = "relu") -> None:
    """Draw the weights of convolutions and of dense layers, so that signals neither fade nor grow with depth.

    After He and others for `relu` and `leaky_relu`, after Glorot and Bengio for `sigmoid` and `tanh`; by
    `torch.manual_seed`.
    """
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.Conv3d | nn.Linear):
            if activation in ("sigmoid", "tanh"):
                nn.init.xavier_uniform_(layer.weight, gain=nn.init.calculate_gain(activation))
            else:
                mode: Literal["fan_in", "fan_out"] = "fan_in" if isinstance(layer, nn.Linear) else "fan_out"
                nn.init.kaiming_normal_(layer.weight, mode=mode, nonlinearity="relu")
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


class Grid(nn.Module):
    """A map pooled to a grid of fixed cells, whatever its extents."""

    def __init__(self, cells: tuple[int, ...], extents: tuple[int, ...], pooling: Pooling = "average") -> None:
        super().__init__()
        self.cells, self.extents, self.pooling = cells, extents, pooling

    def forward(self, features: Tensor) -> Tensor:
        """The grid (batch, channels, cells...) of a map."""
        # One axis after the other, because the cells are rectangles: the same numbers as cell by cell, from far fewer
        # operations. Adaptive pooling layers cannot be exported where cells differ in extent.
        for axis, (count, extent) in enumerate(zip(self.cells, self.extents, strict=True), start=2):
            if count == extent:
                continue
            cells = []
            for cell in range(count):
                first, end = cell * extent // count, -(-(cell + 1) * extent // count)
                part = features.narrow(axis, first, end - first)
                cells.append(part.amax(axis) if self.pooling == "max" else part.mean(axis))
            features = torch.stack(cells, axis)
        return features


def cells_for(extents: tuple[int, ...], usual: int, asked: int | None) -> tuple[int, ...]:
    """Cells of the grid that dense layers see: as many as were asked for, or else no more than the map has places.

    Up to `usual` along each axis of an image, and 3 of a volume, whose 27 cells come near the 36 or 49 of an image.
    """
    if asked is not None:
        return (asked,) * len(extents)
    return tuple(min(extent, usual if len(extents) == 2 else 3) for extent in extents)


def halving(kinds: Layers, extents: tuple[int, ...], size: int) -> tuple[nn.Module, tuple[int, ...]]:
    """The largest of each `size` places along every axis of which that leaves half, but two places or more.

    An axis that is too short stays as it is, so that a small map is halved less often and can still say where.

    Returns:
        The layer, and the extents that it leaves.
    """
    halves = [(extent - size) // 2 + 1 for extent in extents]
    window = tuple(size if half > 1 else 1 for half in halves)
    stride = tuple(2 if half > 1 else 1 for half in halves)
    left = tuple(half if half > 1 else extent for half, extent in zip(halves, extents, strict=True))
    return kinds.largest(window, stride=stride), left


def average_over_places(features: Tensor) -> Tensor:
    """A map (batch, channels, places...) as one number a channel."""
    return features.mean(dim=tuple(range(2, features.ndim)))


def count_parameters(network: nn.Module) -> int:
    """How many numbers a network learns, or has learned."""
    return sum(parameter.numel() for parameter in network.parameters())
