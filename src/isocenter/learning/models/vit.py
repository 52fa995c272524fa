"""Vision transformer: patches of an image or a volume, each of which gathers from all others what fits it.

After Dosovitskiy and others, "An image is worth 16x16 words", 2021. What lets it learn from few images: small patches;
convolutions that see them (Xiao and others, "Early convolutions help transformers see better", 2021), without
normalisation, and blocks half as wide (Hassani and others, "Escaping the big data paradigm with compact transformers",
2021); fixed positions and the mean of all patches (Beyer and others, "Better plain ViT baselines for ImageNet-1k",
2022); layers that begin small (Touvron and others, "Going deeper with image transformers", 2021) and are left out by
chance (Huang and others, "Deep networks with stochastic depth", 2016).
"""

from __future__ import annotations

from math import prod
from typing import Literal

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from isocenter.learning.attention import MultiHead, as_tokens
from isocenter.learning.models._shared import (
    InputForm,
    Model,
    ModelSettings,
    Network,
    average_over_places,
    fewer,
    initialise,
    layers,
)

PATCHES = (1, 2, 4, 8, 16, 32)
"""Extents that a patch may have: each convolution before the blocks halves the image."""

MOST = {2: 64, 3: 512}
"""Patches of an image and of a volume at most, where their extent is not given: 8 along each axis."""

NARROWEST = 16
"""Channels of the first convolution at least."""

EXPANSION = 2
"""How much wider the hidden layer of a block is; 4 is usual where there are many images."""

BEGINNING = 0.1
"""What the answer of a layer is multiplied by at first, as published for up to 18 blocks."""


class ViTSettings(ModelSettings):
    """What can be set of a vision transformer."""

    patch: Literal["auto", 1, 2, 4, 8, 16, 32] = "auto"
    """Extent of a patch in pixels; `auto`: the smallest that leaves 64 of an image, or 512 of a volume, at most."""
    width: int = Field(default=128, ge=4)
    """Numbers that tell of a patch."""
    depth: int = Field(default=6, ge=1)
    """Blocks."""
    heads: int = Field(default=4, ge=1)
    """Respects in which patches are compared; `width` is divided among them."""
    skipped: float = Field(default=0.1, ge=0.0, lt=1.0)
    """Share of cases for which the last block is left out while training; of the ones before, evenly less."""
    dropout: float = Field(default=0.0, ge=0.0, lt=1.0)
    """Share of the embedding that is blanked while training."""

    @model_validator(mode="after")
    def _whole_heads(self) -> ViTSettings:
        if self.width % self.heads:
            lower = max(self.width - self.width % self.heads, self.heads)
            raise ValueError(f"`width` is divided among {self.heads} `heads`: {lower} or {lower + self.heads}")
        return self


class Block(nn.Module):
    """Patches gather from one another, then each is thought over by itself."""

    def __init__(self, width: int, heads: int, *, skipped: float) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.attend = MultiHead(width, heads)
        self.scale1 = nn.Parameter(torch.full((width,), BEGINNING))
        self.norm2 = nn.LayerNorm(width)
        hidden = EXPANSION * width
        self.dense = nn.Sequential(nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, width))
        self.scale2 = nn.Parameter(torch.full((width,), BEGINNING))
        self.skipped = skipped

    def forward(self, tokens: Tensor) -> Tensor:
        """Patches (batch, patches, width) with what was found added."""
        given = self.norm1(tokens)
        tokens = tokens + self._by_chance(self.scale1 * self.attend(given, given))
        return tokens + self._by_chance(self.scale2 * self.dense(self.norm2(tokens)))

    def _by_chance(self, found: Tensor) -> Tensor:
        """What was found, while training of some cases only, whose share makes up for the others."""
        if not self.training or not self.skipped:
            return found
        kept = torch.rand(found.shape[0], 1, 1, device=found.device) >= self.skipped
        return found * kept / (1 - self.skipped)


class ViT(Network):
    """Convolutions that see patches, blocks that compare them, and the mean of what they found."""

    positions: Tensor

    def __init__(self, settings: ViTSettings, form: InputForm, outputs: int) -> None:
        super().__init__(form)
        patch = patch_for(form.shape) if settings.patch == "auto" else settings.patch
        self.extents = fewer(form.shape, patch)
        self.stem = _stem(form, patch, settings.width)
        self.register_buffer("positions", sine_positions(self.extents, settings.width), persistent=False)
        last = max(settings.depth - 1, 1)
        self.blocks = nn.Sequential(
            *(
                Block(settings.width, settings.heads, skipped=settings.skipped * number / last)
                for number in range(settings.depth)
            )
        )
        self.norm = nn.LayerNorm(settings.width)
        self.dropout = nn.Dropout(settings.dropout)
        self.fc = nn.Linear(settings.width, outputs)
        self._draw()

    def features(self, normalised: Tensor) -> Tensor:
        """What the last block knows of each patch, laid out as a map."""
        tokens = self.norm(self.blocks(as_tokens(self.stem(normalised)) + self.positions))
        features: Tensor = tokens.transpose(1, 2).reshape(-1, tokens.shape[2], *self.extents)
        return features

    def head(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Logits of the average over all patches, and that average."""
        embedding = average_over_places(features)
        return self.fc(self.dropout(embedding)), embedding

    def _draw(self) -> None:
        initialise(self)
        for part in self.stem:
            if isinstance(part, nn.Conv2d | nn.Conv3d):
                # Patches must be as strong as their positions, whatever the number of kernels.
                nn.init.kaiming_normal_(part.weight, mode="fan_in", nonlinearity="relu")
        for part in self.blocks.modules():
            if isinstance(part, nn.Linear):
                nn.init.xavier_uniform_(part.weight)
        nn.init.trunc_normal_(self.fc.weight, std=0.01)


def patch_for(shape: tuple[int, ...]) -> int:
    """The extent of the smallest patches that are not too many for an image or a volume."""
    few = (patch for patch in PATCHES if prod(fewer(shape, patch)) <= MOST[len(shape)])
    return next(few, PATCHES[-1])


def sine_positions(extents: tuple[int, ...], width: int) -> Tensor:
    """Where each place lies (places, width): sines and cosines along each axis, from fine to coarse.

    Where `width` does not come out even, the last numbers are 0.
    """
    waves = width // (2 * len(extents))
    lengths = 10000.0 ** (torch.arange(waves) / max(waves, 1))
    grid = torch.meshgrid(*(torch.arange(extent) for extent in extents), indexing="ij")
    angles = [axis.flatten()[:, None] / lengths for axis in grid]
    told = torch.cat([wave(angle) for angle in angles for wave in (torch.sin, torch.cos)], dim=1)
    return nn.functional.pad(told, (0, width - told.shape[1]))


def _stem(form: InputForm, patch: int, width: int) -> nn.Sequential:
    """Convolutions that halve the map until a place is a patch, their channels doubling up to the width; then a sum.

    Each rounds up and sees the mean beyond the edges, as if every extent were a multiple of the patch. They are so few
    that they do without normalisation over the batch, whose running averages lagged behind in short trainings.
    """
    kinds = layers(form)
    parts: list[nn.Module] = []
    given, halvings = form.channels, PATCHES.index(patch)
    for number in range(halvings):
        wider = max(width // 2 ** (halvings - 1 - number), NARROWEST)
        parts += [kinds.convolution(given, wider, 3, stride=2, padding=1), nn.ReLU(inplace=True)]
        given = wider
    return nn.Sequential(*parts, kinds.convolution(given, width, 1))


def build(settings: ViTSettings, form: InputForm, outputs: int) -> Network:
    """A vision transformer for an input."""
    return ViT(settings, form, outputs)


MODEL = Model(kind="network", settings=ViTSettings, build=build)
