"""AlexNet: five convolutions, the first with large kernels, and three dense layers.

The `classic` one was made for two graphics cards, each of which saw half of the channels: Krizhevsky and others,
"ImageNet classification with deep convolutional neural networks", 2012. The one with `one_tower` is torchvision's,
whose names its weights carry, so that weights trained elsewhere load by key: Krizhevsky, "One weird trick for
parallelizing convolutional neural networks", 2014.
"""

from __future__ import annotations

from math import prod
from typing import Literal

import torch
import torch.nn.functional as functional
from pydantic import Field
from torch import Tensor, nn

from isocenter.learning.models._shared import (
    Grid,
    InputForm,
    Layers,
    Model,
    ModelSettings,
    Stacked,
    Stem,
    cells_for,
    halving,
    initialise,
    layers,
    stem_for,
)

WIDTHS = {"one_tower": (64, 192, 384, 256, 256), "classic": (96, 256, 384, 384, 256)}
"""Channels of each convolution."""

STEMS: dict[Stem, tuple[int, int, int]] = {"large": (11, 4, 2), "medium": (7, 2, 3), "small": (5, 1, 2)}
"""Kernel, stride and padding of the first convolution: as published, as Zeiler and Fergus found better, as Krizhevsky
chose for images of 32 pixels."""

KERNELS = (5, 3, 3, 3)
"""Extents of the kernels that follow."""

HALVED = (0, 1, 4)
"""Convolutions after which the map is halved."""

DIVIDED = (1, 3, 4)
"""Convolutions of the classic one that see only the channels of their own tower."""

NORMALISED = (0, 1)
"""Convolutions of the classic one whose answers are normalised."""

CELLS = 6
"""Cells along each axis of an image that the dense layers see."""

HIDDEN = 4096
"""Units of each dense layer, as published."""


class AlexNetSettings(ModelSettings):
    """What can be set of an AlexNet."""

    variant: Literal["one_tower", "classic"] = "one_tower"
    """Torchvision's of 2014, or that of 2012 with two towers and local response normalisation."""
    width: float = Field(default=1.0, gt=0.0)
    """Share of the published channels and units that each layer has; 0.25 for a machine without a graphics card."""
    hidden: int | None = Field(default=None, ge=1)
    """Units of each of the two dense layers before the outputs; by default 4096 times `width`."""
    stem: Literal["auto", "small", "medium", "large"] = "auto"
    """The first convolution: a kernel of 5 that keeps the image's size, of 7 that makes it smaller by 2, of 11 by 4;
    `auto` goes by the size of the input."""
    grid: int | None = Field(default=None, ge=1)
    """Cells along each axis that the dense layers see; by default the places of the last map, up to 6 of an image and 3
    of a volume. With 6 and the stem `large`, torchvision's weights fit images of every size."""
    dropout: float = Field(default=0.5, ge=0.0, lt=1.0)
    """Share that is blanked before each of the two dense layers while training."""


class AlexNet(Stacked):
    """Five convolutions, a grid of their last map, and dense layers."""

    def __init__(self, settings: AlexNetSettings, form: InputForm, outputs: int) -> None:
        stages, extents, width = _stages(settings, form)
        super().__init__(form, stages)
        cells = cells_for(extents, CELLS, settings.grid)
        hidden = settings.hidden or _share(HIDDEN, settings.width)
        self.avgpool = Grid(cells, extents)
        last = nn.Linear(hidden, outputs)
        self.classifier = nn.Sequential(
            nn.Dropout(settings.dropout),
            nn.Linear(width * prod(cells), hidden),
            nn.ReLU(inplace=True),
            nn.Dropout(settings.dropout),
            nn.Linear(hidden, hidden),
            nn.ReLU(inplace=True),
            last,
        )
        initialise(self)
        nn.init.trunc_normal_(last.weight, std=0.01)

    def head(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Logits, and the last layer before them."""
        embedding = self.classifier[:-1](self.avgpool(features).flatten(1))
        return self.classifier[-1](embedding), embedding


class LocalResponse(nn.Module):
    """Each number made smaller by how strongly the channels around its own answer at the same place.

    With the constants of 2012. Written out, because torch's layer is exported as a graph that chooses among branches.
    """

    band: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        apart = torch.arange(channels).unsqueeze(1) - torch.arange(channels)
        self.register_buffer("band", (apart.abs() <= 2).float(), persistent=False)

    def forward(self, given: Tensor) -> Tensor:
        """Normalise a map."""
        # A sum over the nearest five channels is a convolution of one place, whose kernels are rows of this band.
        convolve = functional.conv2d if given.ndim == 4 else functional.conv3d
        kernels = self.band.reshape(*self.band.shape, *[1] * (given.ndim - 2))
        return given / (2 + 1e-4 * convolve(given.square(), kernels)) ** 0.75


def _stages(settings: AlexNetSettings, form: InputForm) -> tuple[list[nn.Module], tuple[int, ...], int]:
    """The layers before the dense ones, and the extents and channels of the map that they give."""
    kinds, classic = layers(form), settings.variant == "classic"
    widths = [_share(width, settings.width) for width in WIDTHS[settings.variant]]
    stem = stem_for(form.shape, settings.stem)
    convolution, extents = _first(kinds, form, widths[0], stem)
    stages: list[nn.Module] = []
    for number, width in enumerate(widths):
        if number > 0:
            kernel, towers = KERNELS[number - 1], 2 if classic and number in DIVIDED else 1
            convolution = kinds.convolution(widths[number - 1], width, kernel, padding=kernel // 2, groups=towers)
        stages += [convolution, nn.ReLU(inplace=True)]
        if classic and number in NORMALISED:
            stages.append(LocalResponse(width))
        if number in HALVED:
            pooling, extents = halving(kinds, extents, 3)
            stages.append(pooling)
    return stages, extents, widths[-1]


def _first(kinds: Layers, form: InputForm, width: int, stem: Stem) -> tuple[nn.Conv2d | nn.Conv3d, tuple[int, ...]]:
    """The first convolution, and the extents of its map."""
    kernel, stride, padding = STEMS[stem]
    edged = [extent + 2 * padding for extent in form.shape]
    kernel = min(kernel, *edged)  # Few slices are shorter than the largest kernel.
    extents = tuple((extent - kernel) // stride + 1 for extent in edged)
    return kinds.convolution(form.channels, width, kernel, stride=stride, padding=padding), extents


def _share(published: int, width: float) -> int:
    """Channels or units of a layer, an even number for two towers."""
    return max(2, 2 * round(published * width / 2))


def build(settings: AlexNetSettings, form: InputForm, outputs: int) -> AlexNet:
    """An AlexNet for an input."""
    return AlexNet(settings, form, outputs)


MODEL = Model(kind="network", settings=AlexNetSettings, build=build)
