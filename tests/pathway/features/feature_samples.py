"""Images of every kind that a family of features must bear, made on the spot."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from isocenter.core import registry
from isocenter.pathway import features
from isocenter.pathway.features._shared import Features

Array = NDArray[Any]
EXTENTS = {
    2: {"odd": (17, 13), "pixel": (1, 1), "row": (1, 9), "column": (9, 1), "tiny": (2, 2), "wide": (5, 40)},
    3: {"odd": (5, 9, 7), "pixel": (1, 1, 1), "slice": (1, 9, 8), "line": (6, 1, 1), "tiny": (2, 2, 2)},
}


def family(name: str) -> Features:
    """A family of the shelf."""
    found: Features = registry.get(features, name, "FEATURES")
    return found


def noise(extent: tuple[int, ...], channels: int = 1, seed: int = 7) -> NDArray[np.uint8]:
    """8-bit values without any order."""
    return np.random.default_rng(seed).integers(0, 256, (channels, *extent), dtype=np.uint8)


def ball(extent: tuple[int, ...], radius: float) -> NDArray[np.bool_]:
    """What lies within a distance of the middle."""
    middle = [(length - 1) / 2 for length in extent]
    apart = np.indices(extent) - np.reshape(middle, (-1, *[1] * len(extent)))
    return np.sqrt(np.square(apart).sum(axis=0)) <= radius


def samples(dimensions: int) -> dict[str, Array]:
    """Images of so many dimensions, by what is odd about them."""
    made: dict[str, Array] = {}
    for name, extent in EXTENTS[dimensions].items():
        made[name] = noise(extent)
        made[f"{name} in colour"] = noise(extent, 3)
    odd = EXTENTS[dimensions]["odd"]
    ramp = np.linspace(-3.0, 4.0, int(np.prod(odd)), dtype=np.float32).reshape(1, *odd)
    return made | {
        "blank": np.zeros((1, *odd), np.uint8),
        "even": np.full((1, *odd), 200, np.uint8),
        "even in colour": np.full((3, *odd), 0.1, np.float32),
        "two channels": noise(odd, 2).astype(np.float32),
        "below zero": ramp,
        "below zero in colour": np.concatenate([ramp, -ramp, ramp / 2]),
        "nearly even": np.float32(0.1) + ramp * np.float32(1e-6),
        "in millions": ramp.astype(np.float64) * 1e7,
        "huge": ramp * np.float32(1e37),
        "faint": ramp * np.float32(1e-37),
    }


ALL = [(name, dimensions) for name in registry.names(features) for dimensions in family(name).dimensions]
"""Every family with each number of dimensions that it declares."""
