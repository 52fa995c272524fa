"""Attention in networks: which channels of a map matter, which places do, and which places belong together.

Each layer takes a map (batch, channels, [slices,] rows, columns) and gives one of the same extents. After Hu and
others, "Squeeze-and-excitation networks", 2018; Woo and others, "CBAM: Convolutional block attention module", 2018; and
Wang and others, "Non-local neural networks", 2018, with the heads of Vaswani and others, "Attention is all you need",
2017.
"""

from __future__ import annotations

import warnings
from math import gcd, prod
from typing import Literal

import torch
import torch.nn.functional as functional
from torch import Tensor, nn

Attention = Literal["none", "squeeze", "cbam", "self"]
"""None; channels weighted; channels, then places weighted; each place gathers from others."""

REDUCTION = 16
"""Channels for each number that they are squeezed to, as published."""

FEWEST = 8
"""Numbers that channels are squeezed to at least: a narrow network would otherwise tell them by one or two."""

EXTENT = 7
"""Of the kernel that sees which places matter, as published."""

HEADS = 4
"""Respects in which places are compared, where the channels can be divided so."""

PLACES = 64
"""Places that one place gathers from at most: 8 x 8, or 4 x 4 x 4."""


def attention_layer(kind: Attention, channels: int, dimensions: int) -> nn.Module:
    """A layer of attention for maps of images (2 dimensions) or of volumes (3); `none` is a layer of no effect."""
    if kind == "squeeze":
        return SqueezeExcitation(channels)
    if kind == "cbam":
        return BlockAttention(channels, dimensions)
    return SelfAttention(channels) if kind == "self" else nn.Identity()


class SqueezeExcitation(nn.Module):
    """Every channel weighted by what all channels are on average over the places.

    With `largest`, by what they are at most as well, through the same two dense layers. Dense layers, not convolutions
    of one place: the narrowest convolution decides how a network's maps lie in memory.
    """

    def __init__(self, channels: int, *, largest: bool = False) -> None:
        super().__init__()
        width = max(channels // REDUCTION, FEWEST)
        self.squeeze = nn.Linear(channels, width)
        self.relu = nn.ReLU(inplace=True)
        self.excite = nn.Linear(width, channels)
        self.largest = largest

    def forward(self, given: Tensor) -> Tensor:
        """The map with its channels weighted."""
        places = tuple(range(2, given.ndim))
        weight = self._judged(given.mean(places))
        if self.largest:
            weight = weight + self._judged(given.amax(places))
        return given * weight.sigmoid()[(..., *[None] * len(places))]

    def _judged(self, summary: Tensor) -> Tensor:
        judged: Tensor = self.excite(self.relu(self.squeeze(summary)))
        return judged


class PlaceAttention(nn.Module):
    """Every place weighted by the average and the largest of the channels there and around it."""

    def __init__(self, dimensions: int) -> None:
        super().__init__()
        # No convolution layer, for it would be the narrowest of its network, see `SqueezeExcitation`.
        self.kernel = nn.Parameter(torch.empty(1, 2, *[EXTENT] * dimensions))
        nn.init.kaiming_uniform_(self.kernel, nonlinearity="linear")

    def forward(self, given: Tensor) -> Tensor:
        """The map with its places weighted."""
        summary = torch.cat([given.mean(1, keepdim=True), given.amax(1, keepdim=True)], dim=1)
        convolve = functional.conv2d if given.ndim == 4 else functional.conv3d
        # So few channels must not lie last in memory, see `learning.convolution`.
        weight = convolve(summary.contiguous(), self.kernel.contiguous(), padding=EXTENT // 2)
        return given * weight.sigmoid()


class BlockAttention(nn.Module):
    """Channels weighted, then places, as in a convolutional block attention module."""

    def __init__(self, channels: int, dimensions: int) -> None:
        super().__init__()
        self.channels = SqueezeExcitation(channels, largest=True)
        self.places = PlaceAttention(dimensions)

    def forward(self, given: Tensor) -> Tensor:
        """The map with its channels and its places weighted."""
        weighted: Tensor = self.places(self.channels(given))
        return weighted


class MultiHead(nn.Module):
    """Each asking place gathers from the told places what fits it, in several respects at once.

    The products are written out: torch's `scaled_dot_product_attention` chooses a kernel by device, size and precision,
    and some of them give other gradients with each run on a GPU.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.width = width // heads
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.out = nn.Linear(width, width)

    def forward(self, asking: Tensor, told: Tensor) -> Tensor:
        """What was gathered (batch, asking places, width) from others (batch, told places, width)."""
        query, key = self._parted(self.query(asking)), self._parted(self.key(told))
        fit = (query * self.width**-0.5) @ key.transpose(2, 3)
        gathered = fit.softmax(dim=-1) @ self._parted(self.value(told))
        answer: Tensor = self.out(gathered.transpose(1, 2).reshape(asking.shape))
        return answer

    def _parted(self, tokens: Tensor) -> Tensor:
        """Tokens as (batch, heads, places, width of a head)."""
        return tokens.reshape(tokens.shape[0], -1, self.heads, self.width).transpose(1, 2)


class SelfAttention(nn.Module):
    """Each place gathers from the whole map what fits it, which convolutions see only layer after layer.

    Every place of n would compare itself with n places, and the memory for that grows with the square of them: 64 x 64
    places of 32 images and four heads would take 8 GB. So the map is averaged over windows before it is gathered from,
    as small ones as leave at most `PLACES` places (as Wang and others, 2022, in "PVT v2"); a map of no more is gathered
    from as it is.

    What is gathered is added by a gate that begins at zero, so that the layer begins by handing on what it is given.
    Places carry no sign of where they lie: the edges of the convolutions before have told them.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels)
        self.attend = MultiHead(channels, gcd(channels, HEADS))
        self.gate = nn.Parameter(torch.zeros(1))

    def forward(self, given: Tensor) -> Tensor:
        """The map, and what its places gathered added to it."""
        asking, told = self.norm(as_tokens(given)), self.norm(as_tokens(_pooled(given)))
        gathered: Tensor = self.attend(asking, told)
        return given + self.gate * gathered.transpose(1, 2).reshape(given.shape)


def as_tokens(given: Tensor) -> Tensor:
    """A map as its places one after the other (batch, places, channels)."""
    return given.flatten(2).transpose(1, 2)


def window_for(extents: tuple[int, ...]) -> tuple[int, ...]:
    """Extents of the smallest windows over which a map is averaged to `PLACES` places or fewer."""
    step = 1
    while prod(-(-extent // step) for extent in extents) > PLACES:
        step += 1
    return tuple(min(step, extent) for extent in extents)


def _pooled(given: Tensor) -> Tensor:
    """A map averaged to `PLACES` places or fewer; windows at the edge may be smaller."""
    window = window_for(_extents(given))
    if max(window) == 1:
        return given
    pool = functional.avg_pool2d if given.ndim == 4 else functional.avg_pool3d
    return pool(given, window, stride=window, ceil_mode=True, count_include_pad=False)


def _extents(given: Tensor) -> tuple[int, ...]:
    """Extents of a map as plain numbers, which `shape` does not give while a graph is made."""
    if not torch.onnx.is_in_onnx_export():
        return tuple(given.shape[2:])
    # The exporter warns that the graph keeps the extents of its example. It shall: only the batch is of any length.
    with warnings.catch_warnings(action="ignore"):
        return tuple(int(extent) for extent in given.shape[2:])
