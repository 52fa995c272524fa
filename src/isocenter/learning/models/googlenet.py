"""GoogLeNet: blocks of four branches that see one map side by side, and two heads on the way that help it to learn.

Names of weights are torchvision's, so that weights trained elsewhere load by key. After Szegedy and others, "Going
deeper with convolutions", 2014; batch normalisation after Ioffe and Szegedy, 2015.
"""

from __future__ import annotations

from math import prod
from typing import Annotated, Literal, NamedTuple

import torch
from pydantic import Field
from torch import Tensor, nn

from isocenter.learning.models._shared import (
    SHRINKS,
    Grid,
    InputForm,
    Layers,
    Model,
    ModelSettings,
    Network,
    Stem,
    average_over_places,
    fewer,
    first_convolution,
    initialise,
    layers,
    stem_for,
)

AUXILIARY_WEIGHT = 0.3
"""What the loss of a head on the way counts, where that of the last one counts 1."""
AUXILIARY_CELLS = 4
"""Cells along each axis that a head on the way sees."""
AUXILIARY_DROPOUT = 0.7
"""Share of its dense layer that is blanked while training."""

PUBLISHED_WIDTH = 64
"""Channels of the first convolution to which all other numbers of channels below belong."""


class Branches(NamedTuple):
    """Channels of a block: what its branches give, and to how many channels two of them narrow the map before."""

    first: int
    second_narrow: int
    second: int
    third_narrow: int
    third: int
    fourth: int


BLOCKS = {
    "inception3a": Branches(64, 96, 128, 16, 32, 32),
    "inception3b": Branches(128, 128, 192, 32, 96, 64),
    "inception4a": Branches(192, 96, 208, 16, 48, 64),
    "inception4b": Branches(160, 112, 224, 24, 64, 64),
    "inception4c": Branches(128, 128, 256, 24, 64, 64),
    "inception4d": Branches(112, 144, 288, 32, 64, 64),
    "inception4e": Branches(256, 160, 320, 32, 128, 128),
    "inception5a": Branches(256, 160, 320, 32, 128, 128),
    "inception5b": Branches(384, 192, 384, 48, 128, 128),
}
"""By the number of their stage and their letter in it."""

AUXILIARIES = {"inception4a": "aux1", "inception4d": "aux2"}
"""Blocks behind which a head looks at the map on the way."""


class GoogLeNetSettings(ModelSettings):
    """What can be set of a GoogLeNet."""

    width: int = Field(default=PUBLISHED_WIDTH, ge=1)
    """Channels of the first convolution; all others follow. 16 or 32 for a machine without a graphics card."""
    blocks: tuple[
        Annotated[int, Field(ge=1, le=2)], Annotated[int, Field(ge=1, le=5)], Annotated[int, Field(ge=1, le=2)]
    ] = (2, 5, 2)
    """Blocks of each of the three stages; fewer for small images. The second head on the way comes with the fourth
    block of the second."""
    stem: Literal["auto", "small", "medium", "large"] = "auto"
    """How soon the image is made smaller: not at all, by 2, by 4; `auto` goes by the size of the input."""
    auxiliary: bool = True
    """Whether two heads on the way help it to learn; at work they are left out."""
    dropout: float = Field(default=0.2, ge=0.0, lt=1.0)
    """Share of the embedding that is blanked while training."""


class Unit(nn.Module):
    """A convolution, normalised and active."""

    def __init__(self, kinds: Layers, convolution: nn.Conv2d | nn.Conv3d) -> None:
        super().__init__()
        self.conv = convolution
        self.bn = kinds.normalisation(convolution.out_channels, eps=0.001)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, given: Tensor) -> Tensor:
        """What the convolution sees."""
        seen: Tensor = self.relu(self.bn(self.conv(given)))
        return seen


class Inception(nn.Module):
    """Four branches side by side: each place alone, its neighbours twice, and the largest of its neighbours."""

    def __init__(self, kinds: Layers, given: int, widths: Branches) -> None:
        super().__init__()
        self.branch1 = _unit(kinds, given, widths.first)
        self.branch2 = nn.Sequential(
            _unit(kinds, given, widths.second_narrow), _unit(kinds, widths.second_narrow, widths.second, 3)
        )
        # The paper's kernels are 5 places wide here; the weights that torchvision hands out are 3.
        self.branch3 = nn.Sequential(
            _unit(kinds, given, widths.third_narrow), _unit(kinds, widths.third_narrow, widths.third, 3)
        )
        self.branch4 = nn.Sequential(kinds.largest(3, stride=1, padding=1), _unit(kinds, given, widths.fourth))
        self.width = widths.first + widths.second + widths.third + widths.fourth

    def forward(self, given: Tensor) -> Tensor:
        """What the branches see, one after the other along the channels."""
        return torch.cat([self.branch1(given), self.branch2(given), self.branch3(given), self.branch4(given)], dim=1)


class Auxiliary(nn.Module):
    """A head on the way: a coarse grid of the map, and two dense layers."""

    def __init__(self, kinds: Layers, given: int, extents: tuple[int, ...], width: int, outputs: int) -> None:
        super().__init__()
        cells = tuple(min(AUXILIARY_CELLS, extent) for extent in extents)
        self.pool = Grid(cells, extents)
        self.conv = _unit(kinds, given, 2 * width)
        self.fc1 = nn.Linear(2 * width * prod(cells), 16 * width)
        self.relu = nn.ReLU(inplace=True)
        self.dropout = nn.Dropout(AUXILIARY_DROPOUT)
        self.fc2 = nn.Linear(16 * width, outputs)

    def forward(self, seen: Tensor) -> Tensor:
        """Logits of a map."""
        dense = self.relu(self.fc1(self.conv(self.pool(seen)).flatten(1)))
        logits: Tensor = self.fc2(self.dropout(dense))
        return logits


class GoogLeNet(Network):
    """Three convolutions, then stages of blocks of four branches; the map is halved before each stage."""

    asides = ("aux1", "aux2")

    def __init__(self, settings: GoogLeNetSettings, form: InputForm, outputs: int) -> None:
        super().__init__(form)
        kinds, width = layers(form), settings.width
        stem = stem_for(form.shape, settings.stem)
        self.conv1 = Unit(kinds, first_convolution(kinds, form.channels, width, stem))
        self.conv2 = _unit(kinds, width, width)
        self.conv3 = _unit(kinds, width, 3 * width, 3)
        extents = self._add_poolings(kinds, form.shape, stem)
        self.way, self.auxiliary = _way(settings.blocks), settings.auxiliary
        given = 3 * width
        for name in self.way:
            if name in BLOCKS:
                block = Inception(kinds, given, _scaled(BLOCKS[name], width))
                self.add_module(name, block)
                given = block.width
            if settings.auxiliary and name in AUXILIARIES:
                self.add_module(AUXILIARIES[name], Auxiliary(kinds, given, extents, width, outputs))
        self.dropout = nn.Dropout(settings.dropout)
        self.fc = nn.Linear(given, outputs)
        initialise(self)
        nn.init.trunc_normal_(self.fc.weight, std=0.01)

    def features(self, normalised: Tensor) -> Tensor:
        """What the last block sees."""
        seen = normalised
        for name in self.way:
            seen = self.get_submodule(name)(seen)
        return seen

    def head(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Logits of the average over all places, and that average."""
        embedding = average_over_places(features)
        return self.fc(self.dropout(embedding)), embedding

    def answers(self, normalised: Tensor) -> list[tuple[Tensor, float]]:
        """The logits of the last head, and after them those of the heads on the way."""
        seen, asides = normalised, list[tuple[Tensor, float]]()
        for name in self.way:
            seen = self.get_submodule(name)(seen)
            if self.auxiliary and name in AUXILIARIES:
                asides.append((self.get_submodule(AUXILIARIES[name])(seen), AUXILIARY_WEIGHT))
        return [(self.head(seen)[0], 1.0), *asides]

    def _add_poolings(self, kinds: Layers, shape: tuple[int, ...], stem: Stem) -> tuple[int, ...]:
        """Add the layers that halve the map; returns its extents in the fourth stage."""
        extents = fewer(shape, min(SHRINKS[stem], 2))
        self.maxpool1: nn.Module = nn.Identity()
        if stem == "large":
            self.maxpool1, extents = _pooling(kinds, extents, 3)
        self.maxpool2, extents = _pooling(kinds, extents, 3)
        self.maxpool3, extents = _pooling(kinds, extents, 3)
        self.maxpool4, _ = _pooling(kinds, extents, 2)
        return extents


def _way(blocks: tuple[int, int, int]) -> list[str]:
    """The layers that an image passes one after the other, by their names."""
    way = ["conv1", "maxpool1", "conv2", "conv3"]
    for stage, count in zip((3, 4, 5), blocks, strict=True):
        way += [f"maxpool{stage - 1}", *(f"inception{stage}{letter}" for letter in "abcde"[:count])]
    return way


def _unit(kinds: Layers, given: int, width: int, kernel: int = 1) -> Unit:
    return Unit(kinds, kinds.convolution(given, width, kernel, padding=kernel // 2, bias=False))


def _scaled(published: Branches, width: int) -> Branches:
    """The channels of a block of a network as wide as this one."""
    return Branches(*(max(1, round(channels * width / PUBLISHED_WIDTH)) for channels in published))


def _pooling(kinds: Layers, extents: tuple[int, ...], window: int) -> tuple[nn.Module, tuple[int, ...]]:
    """A pooling that halves a map, and the extents that it leaves; an axis of one place stays as it is."""
    windows = tuple(min(window, extent) for extent in extents)
    left = tuple(-(-(extent - seen) // 2) + 1 for extent, seen in zip(extents, windows, strict=True))
    return kinds.largest(windows, stride=2, ceil_mode=True), left


def build(settings: GoogLeNetSettings, form: InputForm, outputs: int) -> Network:
    """A GoogLeNet for an input."""
    return GoogLeNet(settings, form, outputs)


MODEL = Model(kind="network", settings=GoogLeNetSettings, build=build)
