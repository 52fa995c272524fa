"""Variations of training images: drawn first, then applied to the whole batch at once as tensor operations.

Images come normalised (mean 0, deviation 1), so brightness, contrast and noise are told in deviations. Every draw comes
from one generator that is made from seed and step: the same step varies the same way, also after a resumption.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as functional
from numpy.typing import NDArray
from torch import Tensor

from isocenter.core.recipe import AugmentationRecipe

SIDE_OF_ERASED = 0.3
"""The side of a blanked square, as a share of the image's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """What was drawn for a batch, one row per image."""

    placed: NDArray[np.float32] | None
    """(batch, d, d + 1): where each pixel is taken from, in the -1..1 coordinates of `affine_grid`."""
    mirrored: NDArray[np.bool_]
    """(batch, d): along columns, rows (and slices); exact, where a turned image is interpolated."""
    shift: NDArray[np.float32]
    """Added to every pixel."""
    factor: NDArray[np.float32]
    """What every pixel is multiplied by."""
    gamma: NDArray[np.float32]
    noise: NDArray[np.float32]
    blurred: NDArray[np.bool_]
    erased: NDArray[np.float32]
    """(batch, d): the centre of the blanked square in 0..1; NaN for none."""
    dropped: NDArray[np.int64]
    """The blanked channel; -1 for none."""
    seed: int
    """Of the noise."""


def draw(recipe: AugmentationRecipe, batch: int, shape: tuple[int, ...], rng: np.random.Generator) -> Drawn:
    """Draw the variations of a batch.

    Args:
        recipe: how far they may go.
        batch: how many images.
        shape: channels, [slices,] rows, columns.
        rng: the only source of chance.
    """
    extent = shape[1:]

    def either_side(reach: float) -> NDArray[np.float32]:
        return rng.uniform(-reach, reach, batch).astype(np.float32)

    centres = rng.uniform(0, 1, (batch, len(extent))).astype(np.float32)
    centres[rng.uniform(size=batch) >= recipe.erased] = np.nan
    channel = rng.integers(0, shape[0], batch)
    return Drawn(
        placed=_placements(recipe, batch, extent, rng),
        mirrored=(rng.uniform(size=(batch, len(extent))) < 0.5)
        & [axis in recipe.mirrored for axis in "xyz"[: len(extent)]],
        shift=either_side(recipe.brightness),
        factor=np.exp(either_side(math.log1p(recipe.contrast))),
        gamma=np.exp(either_side(math.log1p(recipe.gamma))),
        noise=(rng.uniform(0, recipe.noise, batch) * (rng.uniform(size=batch) < 0.5)).astype(np.float32),
        blurred=rng.uniform(size=batch) < recipe.blur,
        erased=centres,
        dropped=np.where((rng.uniform(size=batch) < recipe.channel_drop) & (shape[0] > 1), channel, -1),
        seed=int(rng.integers(2**62)),
    )


def _placements(
    recipe: AugmentationRecipe, batch: int, extent: tuple[int, ...], rng: np.random.Generator
) -> NDArray[np.float32] | None:
    """One affine map per image: rotation, shear, scaling, stretching, shift; None where nothing moves."""
    if not any((recipe.rotation, recipe.scaling, recipe.stretching, recipe.shift, recipe.shear)):
        return None
    count = len(extent)
    maps = np.tile(np.eye(count), (batch, 1, 1))
    for first in range(count):
        for second in range(first + 1, count):
            angle = np.radians(rng.uniform(-recipe.rotation, recipe.rotation, batch))
            turn = np.tile(np.eye(count), (batch, 1, 1))
            turn[:, first, first] = turn[:, second, second] = np.cos(angle)
            turn[:, first, second], turn[:, second, first] = -np.sin(angle), np.sin(angle)
            turn[:, first, second] += rng.uniform(-recipe.shear, recipe.shear, batch)
            maps = turn @ maps
    sizes = np.exp(rng.uniform(-1, 1, (batch, 1)) * math.log1p(recipe.scaling))
    sizes = sizes * np.exp(rng.uniform(-1, 1, (batch, count)) * math.log1p(recipe.stretching))
    maps = maps * sizes[:, None, :]
    # Turning happens in pixels: affine_grid's coordinates are stretched along the longer side.
    ratio = np.array(extent[::-1], dtype=float)
    maps = maps * ratio[None, None, :] / ratio[None, :, None]
    shift = rng.uniform(-recipe.shift, recipe.shift, (batch, count, 1)) * 2
    return np.concatenate([maps, shift], axis=2).astype(np.float32)


def apply(drawn: Drawn, images: Tensor, blank: Tensor | None = None) -> Tensor:
    """Vary a batch of normalised images (batch, channels, [slices,] rows, columns).

    Args:
        drawn: how.
        images: is not kept.
        blank: (channels,): what a channel that is not there looks like after normalising; 0 unless given.
    """
    device, count = images.device, images.ndim - 2

    def column(values: NDArray[np.float32]) -> Tensor:
        return torch.from_numpy(values).to(device).reshape(-1, *([1] * (count + 1)))

    for axis in range(count):
        turned = column(drawn.mirrored[:, axis].astype(np.float32)) > 0
        images = torch.where(turned, images.flip(-1 - axis), images) if turned.any() else images
    if drawn.placed is not None:
        grid = _grid(torch.from_numpy(drawn.placed).to(device), images.shape[2:])
        images = functional.grid_sample(images, grid, padding_mode="reflection", align_corners=False)
    if drawn.blurred.any():
        soft = _blurred(images)
        images = torch.where(column(drawn.blurred.astype(np.float32)) > 0, soft, images)
    if np.any(drawn.gamma != 1):
        images = _bent(images, column(drawn.gamma))
    if np.any(drawn.factor != 1) or np.any(drawn.shift != 0):
        images = images * column(drawn.factor) + column(drawn.shift)
    if np.any(drawn.noise > 0):
        generator = torch.Generator().manual_seed(drawn.seed)
        noise = torch.randn(images.shape, generator=generator).to(device)
        images = images + noise * column(drawn.noise)
    return _blanked(images, drawn, torch.zeros(images.shape[1]) if blank is None else blank)


def _grid(placed: Tensor, extent: tuple[int, ...]) -> Tensor:
    """Where each pixel is taken from (batch, [slices,] rows, columns, d).

    What `affine_grid` gives with `align_corners=False`, as one sum: there it is a product of tiny matrices for each
    image, which took three times as long.
    """
    count = len(extent)
    grid = placed[:, :, -1].reshape(-1, *([1] * count), count)
    for axis, length in enumerate(extent):
        steps = torch.linspace(1 / length - 1, 1 - 1 / length, length, device=placed.device)
        along = placed[:, :, count - 1 - axis].reshape(-1, *([1] * count), count)
        grid = grid + along * steps.reshape(-1, *([1] * (count - axis)))
    return grid


def _blurred(images: Tensor) -> Tensor:
    """Each image averaged with its neighbours, at its full size."""
    count = images.ndim - 2
    pool = functional.avg_pool2d if count == 2 else functional.avg_pool3d
    edges = functional.pad(images, [1, 1] * count, mode="replicate")
    return pool(edges, 3, stride=1)


def _bent(images: Tensor, gamma: Tensor) -> Tensor:
    """The grey scale between each image's darkest and brightest value bent by a power."""
    places = tuple(range(1, images.ndim))
    low, high = images.amin(places, keepdim=True), images.amax(places, keepdim=True)
    reach = (high - low).clamp_min(1e-6)
    return ((images - low) / reach).clamp_min(1e-6) ** gamma * reach + low


def _blanked(images: Tensor, drawn: Drawn, blank: Tensor) -> Tensor:
    """A square of some images set to the mean, and a channel of some to what a missing one looks like."""
    rows = np.flatnonzero(~np.isnan(drawn.erased[:, 0]))
    for row in rows:
        window: list[int | slice] = [int(row), slice(None)]
        for length, centre in zip(images.shape[2:], drawn.erased[row], strict=True):
            half = max(int(length * SIDE_OF_ERASED / 2), 1)
            middle = int(centre * length)
            window.append(slice(max(middle - half, 0), middle + half))
        images[tuple(window)] = 0.0
    for row in np.flatnonzero(drawn.dropped >= 0):
        channel = int(drawn.dropped[row])
        images[int(row), channel] = blank[channel]
    return images


def mix(images: Tensor, targets: Tensor, alpha: float, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Blend each image and its target with another of the batch by one share (mixup, Zhang and others 2018)."""
    if alpha <= 0:
        return images, targets
    share = float(rng.beta(alpha, alpha))
    partner = torch.from_numpy(rng.permutation(len(images))).to(images.device)
    return images * share + images[partner] * (1 - share), targets * share + targets[partner] * (1 - share)
