"""What a network makes of an image: its first filters, its maps on the way, and what a place of the last one heeds.

What a place could see follows from the layers; what it heeds from the weights. How much of the image changes the middle
place of the last map is asked of its gradient: after Luo and others, "Understanding the effective receptive field in
deep convolutional neural networks", 2016.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from math import prod
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from isocenter.learning.models._shared import InputForm, Network

HELD = 0.95
"""Share of the gradient that lies in the pixels that are said to be heeded."""


@dataclass(frozen=True, slots=True)
class Filters:
    """The kernels of the layer that an image meets first: kernels, channels, [slices,] rows, columns."""

    name: str
    kernels: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Maps:
    """The maps that a stage of a network hands on: channels, [slices,] rows, columns."""

    name: str
    values: NDArray[np.float32]


def first_filters(network: Network) -> Filters | None:
    """The kernels of the first convolution; None where there is none."""
    for name, part in network.named_modules():
        if isinstance(part, nn.Conv2d | nn.Conv3d):
            return Filters(name, part.weight.detach().float().numpy())
    return None


def maps_of(network: Network, pixels: NDArray[Any]) -> list[Maps]:
    """The maps of one prepared image (channels, ...), the last of each extent, in the order in which they are made.

    Maps of one place are left out: they show nothing.
    """
    held: dict[tuple[int, ...], tuple[str, Tensor]] = {}
    axes = pixels.ndim - 1

    def look(name: str, _part: nn.Module, _given: Any, made: Any) -> None:
        if isinstance(made, Tensor) and made.ndim == axes + 2:
            held[tuple(made.shape[2:])] = (name, made)

    with torch.no_grad(), _watched(network, look):
        normalised = network.normalise(torch.from_numpy(np.array(pixels[None], np.float32)))
        held.clear()  # what is normalised is still the image
        features = network.features(normalised)
    extents = tuple(features.shape[2:])
    name, last = held.get(extents, ("", None))
    held[extents] = (name if last is features else "last map", features)
    return [Maps(name, made[0].float().numpy()) for at, (name, made) in held.items() if prod(at) > 1]


def effective_field(network: Network, pixels: NDArray[Any], *, seed: int = 0) -> NDArray[np.float64]:
    """How strongly each pixel moves the middle place of the last map: the mean of absolute gradients.

    Args:
        network: trained, or not.
        pixels: prepared images (cases, channels, [slices,] rows, columns), one or several.
        seed: of the signs by which the channels of the place are added. Added with one sign, those of a map that is
            normalised over its channels would come to the same whatever the image is.

    Returns:
        ([slices,] rows, columns), whose sum is 1; 0 throughout where no pixel moves it.
    """
    drawn = torch.Generator().manual_seed(seed)
    total = np.zeros(pixels.shape[2:])
    for case in pixels:
        image = torch.from_numpy(np.array(case[None], np.float32)).requires_grad_()
        features = network.features(network.normalise(image))
        place = _at(features[0], centre(features.shape[2:]))
        signs = 2.0 * torch.randint(0, 2, place.shape, generator=drawn) - 1.0
        (gradient,) = torch.autograd.grad((place * signs).sum(), image)
        # Divided by its sum, so that an image that moves everything strongly counts no more than another one.
        strength = gradient[0].double().abs().sum(0).numpy()
        total += strength / max(float(strength.sum()), np.finfo(float).tiny)
    return total / max(float(total.sum()), np.finfo(float).tiny)


def centre(extents: tuple[int, ...]) -> tuple[int, ...]:
    """The middle place of a map."""
    return tuple(extent // 2 for extent in extents)


def _at(maps: Tensor, place: tuple[int, ...]) -> Tensor:
    """All channels of one place."""
    for step in place:
        maps = maps[:, step]
    return maps


def heeded(strength: NDArray[np.float64], share: float = HELD) -> NDArray[np.bool_]:
    """The fewest pixels that hold a share of a map of strengths."""
    order = np.argsort(-strength, axis=None, kind="stable")
    held = np.cumsum(strength.ravel()[order])
    count = int(np.searchsorted(held, share * held[-1])) + 1 if held[-1] > 0 else 0
    chosen = np.zeros(strength.size, bool)
    chosen[order[:count]] = True
    return chosen.reshape(strength.shape)


def extent_of(region: NDArray[np.bool_]) -> float:
    """The edge of a square, or a cube, of as many pixels."""
    edge: float = np.count_nonzero(region) ** (1 / region.ndim)
    return edge


def noise(form: InputForm, count: int, *, seed: int = 0) -> NDArray[np.float32]:
    """Images of noise that are as bright and as varied as the training cases."""
    drawn = np.random.default_rng(seed).standard_normal((count, form.channels, *form.shape))
    spread = (-1, *[1] * form.dimensions)
    mean, deviation = (np.reshape(one, spread) for one in (form.mean, form.deviation))
    return (mean + deviation * drawn).astype(np.float32)


@contextmanager
def _watched(network: nn.Module, look: Any) -> Iterator[None]:
    """Have every part that an image passes looked at."""
    handles = [part.register_forward_hook(partial(look, name)) for name, part in network.named_modules()]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
