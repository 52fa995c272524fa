"""The residual network that models of the shelf have in common: its settings, its blocks, its stages and its answer.

Names of weights are torchvision's, so that weights trained elsewhere load by key. After He and others, "Deep residual
learning for image recognition", 2016; the average shortcut after He and others, "Bag of tricks", 2019.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Literal

from pydantic import Field
from torch import Tensor, nn

from isocenter.learning.attention import Attention, attention_layer
from isocenter.learning.models._shared import (
    SHRINKS,
    InputForm,
    Layers,
    ModelSettings,
    Network,
    average_over_places,
    fewer,
    first_convolution,
    initialise,
    layers,
    stem_for,
)

Window = tuple[int, ...] | None
"""Extents over which a shortcut averages where it halves the map; None to leave out instead."""

COARSE = 2
"""Last stages after which places gather from one another: far enough on to know what they show, and few."""


class ResidualSettings(ModelSettings):
    """What can be set of everything that is built of residual blocks."""

    depth: Literal[18, 34, 50] = 18
    """Layers; from 50 on each block narrows, looks around and widens."""
    width: int = Field(default=64, ge=1)
    """Channels of the first stage, doubled by each further one; 16 or 32 for a machine without a graphics card."""
    stem: Literal["auto", "small", "medium", "large"] = "auto"
    """How soon the image is made smaller: not at all, by 2, by 4; `auto` goes by the size of the input."""
    shortcut: Literal["plain", "average"] = "plain"
    """How a shortcut halves the map: by leaving out (`plain`, as in torchvision) or by averaging."""
    stages: tuple[int, ...] | None = Field(default=None, min_length=1, max_length=6)
    """Blocks of each stage, where they shall differ from those of `depth`."""
    zero_last: bool = True
    """Begin with blocks that hand on what they were given, which steadies the first steps."""
    attention: Attention = "none"
    """What is weighted in each block before its shortcut is added: channels (`squeeze`), channels and places (`cbam`);
    or whether each place gathers from all others after the last two stages (`self`)."""
    dropout: float = Field(default=0.0, ge=0.0, lt=1.0)
    """Share of the embedding that is blanked while training."""


class BasicBlock(nn.Module):
    """Two convolutions and a shortcut."""

    expansion = 1

    def __init__(
        self, kinds: Layers, given: int, width: int, *, stride: int, window: Window, attention: nn.Module
    ) -> None:
        super().__init__()
        self.conv1 = kinds.convolution(given, width, 3, stride=stride, padding=1, bias=False)
        self.bn1 = kinds.normalisation(width)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = kinds.convolution(width, width, 3, padding=1, bias=False)
        self.bn2 = kinds.normalisation(width)
        self.attention = attention
        self.downsample = _downsample(kinds, given, width, stride=stride, window=window)

    @property
    def last(self) -> nn.BatchNorm2d | nn.BatchNorm3d:
        """The normalisation before the shortcut is added."""
        return self.bn2

    def forward(self, given: Tensor) -> Tensor:
        """Add what two convolutions see to what was given."""
        seen = self.relu(self.bn1(self.conv1(given)))
        seen = self.attention(self.bn2(self.conv2(seen)))
        kept = given if self.downsample is None else self.downsample(given)
        answer: Tensor = self.relu(seen + kept)
        return answer


class Bottleneck(nn.Module):
    """A convolution between two that narrow and widen, and a shortcut."""

    expansion = 4

    def __init__(
        self, kinds: Layers, given: int, width: int, *, stride: int, window: Window, attention: nn.Module
    ) -> None:
        super().__init__()
        wide = width * self.expansion
        self.conv1 = kinds.convolution(given, width, 1, bias=False)
        self.bn1 = kinds.normalisation(width)
        self.conv2 = kinds.convolution(width, width, 3, stride=stride, padding=1, bias=False)
        self.bn2 = kinds.normalisation(width)
        self.conv3 = kinds.convolution(width, wide, 1, bias=False)
        self.bn3 = kinds.normalisation(wide)
        self.attention = attention
        self.relu = nn.ReLU(inplace=True)
        self.downsample = _downsample(kinds, given, wide, stride=stride, window=window)

    @property
    def last(self) -> nn.BatchNorm2d | nn.BatchNorm3d:
        """The normalisation before the shortcut is added."""
        return self.bn3

    def forward(self, given: Tensor) -> Tensor:
        """Add what three convolutions see to what was given."""
        seen = self.relu(self.bn1(self.conv1(given)))
        seen = self.relu(self.bn2(self.conv2(seen)))
        seen = self.attention(self.bn3(self.conv3(seen)))
        kept = given if self.downsample is None else self.downsample(given)
        answer: Tensor = self.relu(seen + kept)
        return answer


Block = BasicBlock | Bottleneck

DEPTHS: dict[int, tuple[type[Block], tuple[int, ...]]] = {
    18: (BasicBlock, (2, 2, 2, 2)),
    34: (BasicBlock, (3, 4, 6, 3)),
    50: (Bottleneck, (3, 4, 6, 3)),
}
"""Kind of block and blocks of each stage."""


class Residual(Network):
    """Stages of residual blocks, each half as fine and twice as wide as the one before, and the average of their map.

    A model builds the stages, then what is its own, and at last the answer: the order in which layers stand tells which
    of them answers and, where they begin with given weights, how fast each learns.

    Attributes:
        stages: names of the stages, in order.
        channels: of the last map.
        shrinks: by how much the last map is smaller than what is looked at; extents are rounded up.
    """

    def __init__(self, settings: ResidualSettings, form: InputForm, seen: InputForm) -> None:
        """The stages.

        Args:
            settings: what is set.
            form: the input, which is normalised.
            seen: what the convolutions look at: the input as it is, or a part of it.
        """
        super().__init__(form)
        kinds = layers(seen)
        stem = stem_for(seen.shape, settings.stem)
        self.conv1 = first_convolution(kinds, seen.channels, settings.width, stem)
        self.bn1 = kinds.normalisation(settings.width)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool: nn.Module = kinds.largest(3, stride=2, padding=1) if stem == "large" else nn.Identity()
        block, counts = DEPTHS[settings.depth]
        self.stages: list[str] = []
        self.shrinks = SHRINKS[stem]
        given = settings.width
        counts = settings.stages or counts
        within = "none" if settings.attention == "self" else settings.attention
        for number, count in enumerate(counts):
            step, width = 1 if number == 0 else 2, settings.width * 2**number
            extents = fewer(seen.shape, self.shrinks)
            window = tuple(min(step, extent) for extent in extents) if settings.shortcut == "average" else None
            blocks: list[nn.Module] = []
            for place in range(count):
                attention = attention_layer(within, width * block.expansion, seen.dimensions)
                stride = 1 if place else step
                blocks.append(block(kinds, given, width, stride=stride, window=window, attention=attention))
                given = width * block.expansion
            if settings.attention == "self" and number >= len(counts) - COARSE:
                blocks.append(attention_layer(settings.attention, given, seen.dimensions))
            self.stages.append(f"layer{number + 1}")
            self.add_module(self.stages[-1], nn.Sequential(*blocks))
            self.shrinks *= step
        self.channels = given

    def add_answer(self, settings: ResidualSettings, outputs: int) -> None:
        """Add the layer that answers, and draw all weights."""
        self.dropout = nn.Dropout(settings.dropout)
        self.fc = nn.Linear(self.channels, outputs)
        initialise(self)
        nn.init.trunc_normal_(self.fc.weight, std=0.01)
        for part in self.modules():
            if settings.zero_last and isinstance(part, BasicBlock | Bottleneck):
                nn.init.zeros_(part.last.weight)

    def features(self, normalised: Tensor) -> Tensor:
        """What the last stage sees."""
        seen: Tensor = self.maxpool(self.relu(self.bn1(self.conv1(normalised))))
        for name in self.stages:
            seen = self.get_submodule(name)(seen)
        return seen

    def head(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Logits of the average over all places, and that average."""
        embedding = average_over_places(features)
        return self.fc(self.dropout(embedding)), embedding


def _downsample(kinds: Layers, given: int, width: int, *, stride: int, window: Window) -> nn.Sequential | None:
    if stride == 1 and given == width:
        return None
    parts: OrderedDict[str, nn.Module] = OrderedDict()
    if window is not None and stride > 1:
        # Rounded up, as the convolutions beside it do; named, so that the weights after it keep torchvision's numbers.
        parts["average"] = kinds.average(window, stride=window, ceil_mode=True, count_include_pad=False)
        stride = 1
    parts["0"] = kinds.convolution(given, width, 1, stride=stride, bias=False)
    parts["1"] = kinds.normalisation(width)
    return nn.Sequential(parts)
