"""Simple convolutional network: convolution, activation and pooling a few times, then dense layers.

The heads are those of the textbooks: everything flattened, the average of each map, or a spatial pyramid (He and
others, "Spatial pyramid pooling", 2015).
"""

from __future__ import annotations

from math import prod
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from isocenter.core.errors import UsageError
from isocenter.learning.attention import Attention, attention_layer
from isocenter.learning.models._shared import (
    Activation,
    Grid,
    InputForm,
    Model,
    ModelSettings,
    Network,
    Pooling,
    activation_layer,
    initialise,
    layers,
)

POOL = 2
"""Each stage halves the map."""


class CNNSettings(ModelSettings):
    """What can be set of a simple convolutional network."""

    kernels: tuple[int, ...] = Field(default=(32, 64), min_length=1)
    """Kernels of each stage; a stage is a convolution and a pooling that halves the map."""
    kernel_size: int = Field(default=3, ge=1)
    """Extent of a kernel in pixels."""
    stride: int = Field(default=1, ge=1)
    """Pixels between one place of a kernel and the next."""
    padding: Literal["same", "none"] = "same"
    """`same`: edges are filled with the mean, so that a map keeps its extent; `none`: it loses a kernel's edge."""
    activation: Activation = "relu"
    """What makes a layer more than a weighted sum."""
    pooling: Pooling = "max"
    """Whether the largest or the average of neighbouring values is kept."""
    batch_normalisation: bool = True
    """Whether each map is brought to mean 0 and deviation 1 over a batch before its activation."""
    attention: Attention = "none"
    """What is weighted after each stage: channels (`squeeze`), channels and places (`cbam`); or whether each place
    gathers from all others after the last stage (`self`), where they are few and have seen most."""
    head: Literal["flatten", "average", "pyramid"] = "flatten"
    """What the dense layers see: every place, the average of each map, or coarse to fine grids of each map."""
    levels: tuple[int, ...] = Field(default=(1, 2, 4), min_length=1)
    """Cells along each axis of the grids of a pyramid."""
    hidden: int = Field(default=128, ge=0)
    """Units of the dense layer before the outputs; 0 for none."""
    dropout: float = Field(default=0.0, ge=0.0, lt=1.0)
    """Share that is blanked before each dense layer while training."""


class CNN(Network):
    """Stages of convolution and pooling, and a head of dense layers."""

    def __init__(self, settings: CNNSettings, form: InputForm, outputs: int) -> None:
        super().__init__(form)
        extents = map_extents(settings, form)
        kinds = layers(form)
        pool = kinds.largest if settings.pooling == "max" else kinds.average
        channels = form.channels
        stages: list[nn.Module] = []
        for number, width in enumerate(settings.kernels):
            kernel = (settings.kernel_size, settings.stride, _padding(settings))
            stages.append(kinds.convolution(channels, width, *kernel, bias=not settings.batch_normalisation))
            if settings.batch_normalisation:
                stages.append(kinds.normalisation(width))
            stages += [activation_layer(settings.activation), pool(POOL)]
            last = number == len(settings.kernels) - 1
            if settings.attention in ("squeeze", "cbam") or (settings.attention == "self" and last):
                stages.append(attention_layer(settings.attention, width, form.dimensions))
            channels = width
        self.stages = nn.Sequential(*stages)
        self.summary, cells = _summary(settings, extents)
        width = channels * cells
        dense: list[nn.Module] = []
        if settings.hidden:
            dense += [nn.Dropout(settings.dropout), nn.Linear(width, settings.hidden)]
            dense += [activation_layer(settings.activation)]
            width = settings.hidden
        self.dense = nn.Sequential(*dense)
        self.dropout = nn.Dropout(settings.dropout)
        self.fc = nn.Linear(width, outputs)
        initialise(self, settings.activation)

    def features(self, normalised: Tensor) -> Tensor:
        """What the last stage sees."""
        seen: Tensor = self.stages(normalised)
        return seen

    def head(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Logits, and the last layer before them."""
        embedding = self.dense(self.summary(features))
        return self.fc(self.dropout(embedding)), embedding


class Pyramid(nn.Module):
    """Each map pooled to grids from coarse to fine, side by side, whatever its extents."""

    def __init__(self, levels: tuple[int, ...], extents: tuple[int, ...], pooling: Pooling) -> None:
        super().__init__()
        self.grids = nn.ModuleList(Grid((level,) * len(extents), extents, pooling) for level in levels)

    def forward(self, features: Tensor) -> Tensor:
        """One row of numbers for each case."""
        return torch.cat([grid(features).flatten(1) for grid in self.grids], dim=1)


def map_extents(settings: CNNSettings, form: InputForm) -> tuple[int, ...]:
    """Extents of the last map; an input that is too small for so many stages is refused."""
    extents = form.shape
    for stage in range(len(settings.kernels)):
        before = extents
        wider = 2 * _padding(settings) - settings.kernel_size
        extents = tuple(((extent + wider) // settings.stride + 1) // POOL for extent in extents)
        if min(extents) < 1:
            remedy = "Set fewer numbers in `kernels`"
            remedy += ", or `padding` to `same`" if settings.padding == "none" else ""
            remedy += ", or `stride` to 1" if settings.stride > 1 else ""
            raise UsageError(
                f"An input of {_product(form.shape)} is too small for {len(settings.kernels)} stages of this network",
                why=f"stage {stage + 1} is given {_product(before)} and would leave nothing of it",
                remedy=f"{remedy}, or prepare larger images",
            )
    return extents


def _padding(settings: CNNSettings) -> int:
    return settings.kernel_size // 2 if settings.padding == "same" else 0


def _summary(settings: CNNSettings, extents: tuple[int, ...]) -> tuple[nn.Module, int]:
    """What turns a map into a row, and how many numbers of each channel the row holds."""
    if settings.head == "flatten":
        return nn.Flatten(), prod(extents)
    levels, pooling = (settings.levels, settings.pooling) if settings.head == "pyramid" else ((1,), "average")
    return Pyramid(levels, extents, pooling), sum(level ** len(extents) for level in levels)


def _product(extents: tuple[int, ...]) -> str:
    return " x ".join(str(extent) for extent in extents)


def build(settings: CNNSettings, form: InputForm, outputs: int) -> Network:
    """A simple convolutional network for an input."""
    return CNN(settings, form, outputs)


MODEL = Model(kind="network", settings=CNNSettings, build=build)
