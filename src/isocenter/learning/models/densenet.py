"""Densely connected network of 121 to 264 layers: each layer sees what all layers before it saw.

The layers are MONAI's, and so are the names of their weights. After Huang and others, "Densely connected convolutional
networks", 2017.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Literal

from pydantic import Field, PositiveInt
from torch import Tensor, nn

from isocenter.learning.models._shared import (
    SHRINKS,
    InputForm,
    Model,
    ModelSettings,
    Network,
    Stacked,
    Stem,
    average_over_places,
    fewer,
    first_convolution,
    layers,
    stem_for,
)

HALF = 2
"""Between two blocks, neighbours along each axis are averaged two by two."""

DEPTHS: dict[int, tuple[int, ...]] = {
    121: (6, 12, 24, 16),
    169: (6, 12, 32, 32),
    201: (6, 12, 48, 32),
    264: (6, 12, 64, 48),
}
"""Layers of each block."""


class DenseNetSettings(ModelSettings):
    """What can be set of a densely connected network."""

    depth: Literal[121, 169, 201, 264] = 121
    """Layers."""
    growth: int = Field(default=32, ge=1)
    """Channels that each layer adds; 12 or 16 for a machine without a graphics card."""
    initial: int = Field(default=64, ge=1)
    """Channels of the first convolution; twice the growth is usual."""
    blocks: tuple[PositiveInt, ...] | None = Field(default=None, min_length=1, max_length=6)
    """Layers of each block, where they shall differ from those of `depth`."""
    stem: Literal["auto", "small", "medium", "large"] = "auto"
    """How soon the image is made smaller: not at all, by 2, by 4; `auto` goes by the size of the input."""
    dropout: float = Field(default=0.0, ge=0.0, lt=1.0)
    """Share of the channels that each layer adds which is blanked while training."""


class DenseNet(Stacked):
    """Blocks of dense layers; between two of them the map is halved and its channels are made fewer."""

    def __init__(self, settings: DenseNetSettings, form: InputForm, outputs: int) -> None:
        super().__init__(form, ())
        # Here, because MONAI takes seconds to import.
        from monai.networks.nets import DenseNet as Whole

        whole = Whole(
            spatial_dims=form.dimensions,
            in_channels=form.channels,
            out_channels=outputs,
            init_features=settings.initial,
            growth_rate=settings.growth,
            block_config=settings.blocks or DEPTHS[settings.depth],
            dropout_prob=settings.dropout,
        )
        stack: nn.Sequential = whole.features
        stem = stem_for(form.shape, settings.stem)
        if stem != "large":
            _begin_finer(stack, first_convolution(layers(form), form.channels, settings.initial, stem))
        _bear_thin_maps(stack, form, stem)
        stack.add_module("relu5", nn.ReLU(inplace=True))
        self.add_module("features", stack)
        self.class_layers = nn.Sequential(OrderedDict(out=whole.class_layers.out))

    def head(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Logits of the average over all places, and that average."""
        embedding = average_over_places(features)
        return self.class_layers(embedding), embedding


def _begin_finer(stack: nn.Sequential, convolution: nn.Conv2d | nn.Conv3d) -> None:
    """Exchange MONAI's stem, which makes every image smaller by 4 at once."""
    nn.init.kaiming_normal_(convolution.weight)
    stack.add_module("conv0", convolution)
    stack.add_module("pool0", nn.Identity())


def _bear_thin_maps(stack: nn.Sequential, form: InputForm, stem: Stem) -> None:
    """Leave an axis of one place, such as that of a few slices, as it is where MONAI would leave nothing of it."""
    extents = fewer(form.shape, SHRINKS[stem])
    for name, part in stack.named_children():
        if name.startswith("transition"):
            window = tuple(min(HALF, extent) for extent in extents)
            part.add_module("pool", layers(form).average(window))
            extents = tuple(extent // step for extent, step in zip(extents, window, strict=True))


def build(settings: DenseNetSettings, form: InputForm, outputs: int) -> Network:
    """A densely connected network for an input."""
    return DenseNet(settings, form, outputs)


MODEL = Model(kind="network", settings=DenseNetSettings, build=build)
