"""VGG: 11 to 19 layers of small kernels, one after the other, the map halved and its channels doubled on the way.

After Simonyan and Zisserman, "Very deep convolutional networks for large-scale image recognition", 2015. Names of
weights are torchvision's, so that weights trained elsewhere load by key. Two defaults are not the original's. Outputs
come from the average of each map, because more than nine in ten weights of the original of 11 layers are in its dense
ones, which learn few cases by heart. And maps are normalised over a batch: without that, the deeper ones of 2015 had
to begin with the weights of a shallower one.
"""

from __future__ import annotations

from math import prod
from typing import Literal

from pydantic import Field
from torch import Tensor, nn

from isocenter.learning.models._shared import (
    Grid,
    InputForm,
    Model,
    ModelSettings,
    Stacked,
    average_over_places,
    cells_for,
    halving,
    initialise,
    layers,
)

DEPTHS = {11: (1, 1, 2, 2, 2), 13: (2, 2, 2, 2, 2), 16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}
"""Convolutions of each stage; the three other layers that give each its name are dense."""

WIDEST = 8
"""Times that the last stages are wider than the first."""

CELLS = 7
"""Cells along each axis of an image that the dense layers see."""


class VGGSettings(ModelSettings):
    """What can be set of a VGG."""

    depth: Literal[11, 13, 16, 19] = 11
    """Layers with weights, in the original."""
    width: int = Field(default=64, ge=1)
    """Channels of the first stage, doubled by the next three; 16 for a machine without a graphics card."""
    batch_normalisation: bool = True
    """Whether each map is brought to mean 0 and deviation 1 over a batch before its activation."""
    head: Literal["average", "dense"] = "average"
    """What gives the outputs: a weighted sum of the average of each map, or dense layers that see a grid of each."""
    grid: int | None = Field(default=None, ge=1)
    """Cells along each axis that the head `dense` sees; by default the places of the last map, up to 7 of an image and
    3 of a volume. With 7, torchvision's weights fit images of every size."""
    hidden: int | None = Field(default=None, ge=1)
    """Units of each of the two dense layers of the head `dense`; by default 64 times `width`: 4096 in the original."""
    dropout: float = Field(default=0.5, ge=0.0, lt=1.0)
    """Share that is blanked before the outputs, and between dense layers, while training."""


class VGG(Stacked):
    """Five stages of convolutions, and a head."""

    def __init__(self, settings: VGGSettings, form: InputForm, outputs: int) -> None:
        stages, extents, width = _stages(settings, form)
        super().__init__(form, stages)
        dense: list[nn.Module] = []
        self.avgpool: Grid | None = None
        if settings.head == "dense":
            cells, hidden = cells_for(extents, CELLS, settings.grid), settings.hidden or 64 * settings.width
            self.avgpool = Grid(cells, extents)
            dense += [nn.Linear(width * prod(cells), hidden), nn.ReLU(inplace=True), nn.Dropout(settings.dropout)]
            dense += [nn.Linear(hidden, hidden), nn.ReLU(inplace=True)]
            width = hidden
        last = nn.Linear(width, outputs)
        self.classifier = nn.Sequential(*dense, nn.Dropout(settings.dropout), last)
        initialise(self)
        nn.init.trunc_normal_(last.weight, std=0.01)

    def head(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Logits, and the last layer, or the average over all places, before them."""
        row = average_over_places(features) if self.avgpool is None else self.avgpool(features).flatten(1)
        embedding = self.classifier[:-2](row)
        return self.classifier[-2:](embedding), embedding


def _stages(settings: VGGSettings, form: InputForm) -> tuple[list[nn.Module], tuple[int, ...], int]:
    """The layers before the head, and the extents and channels of the map that they give."""
    kinds, extents, given = layers(form), form.shape, form.channels
    stages: list[nn.Module] = []
    for number, count in enumerate(DEPTHS[settings.depth]):
        width = settings.width * min(2**number, WIDEST)
        for _ in range(count):
            stages.append(kinds.convolution(given, width, 3, padding=1))
            if settings.batch_normalisation:
                stages.append(kinds.normalisation(width))
            stages.append(nn.ReLU(inplace=True))
            given = width
        pooling, extents = halving(kinds, extents, 2)
        stages.append(pooling)
    return stages, extents, given


def build(settings: VGGSettings, form: InputForm, outputs: int) -> VGG:
    """A VGG for an input."""
    return VGG(settings, form, outputs)


MODEL = Model(kind="network", settings=VGGSettings, build=build)
