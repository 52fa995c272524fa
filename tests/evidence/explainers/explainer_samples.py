"""Toy models as plain functions: they look for a bright square, and nothing in them has to learn."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from isocenter.evidence.explainers._shared import Explained

CELL = 4
"""Pixels of one feature along each axis."""

BLANK = 10.0


def pooled(pixels: NDArray[Any]) -> NDArray[np.float32]:
    """Means over cells: (batch, channels, ...) -> the same, coarser."""
    values = np.asarray(pixels, dtype=np.float32)
    for axis in range(2, values.ndim):
        shape = (*values.shape[:axis], values.shape[axis] // CELL, CELL, *values.shape[axis + 1 :])
        values = values.reshape(shape).mean(axis=axis + 1)
    return values


def bright_and_dark(pixels: NDArray[Any]) -> NDArray[np.float32]:
    """Two maps: what is brighter than usual, and what is darker; the second speaks for the other class."""
    coarse = pooled(pixels)[:, :1]
    return np.concatenate([np.maximum(coarse - 60, 0), np.maximum(60 - coarse, 0)], axis=1)


def averaging(features: NDArray[np.float32]) -> NDArray[np.float32]:
    """A head that averages each map: two outputs."""
    means = features.reshape(*features.shape[:2], -1).mean(axis=2)
    return (means @ WEIGHTS + np.float32([0.5, -0.25])).astype(np.float32)


WEIGHTS = np.float32([[-0.05, 0.05], [0.04, -0.04]])
"""(maps, outputs)."""


def model(maps: Any = bright_and_dark, head: Any = averaging, channels: int = 1) -> Explained:
    """A model of a body and a head."""

    def run(pixels: NDArray[Any]) -> dict[str, NDArray[np.float32]]:
        features = maps(pixels)
        return {"features": features, "logits": head(features)}

    return Explained(run=run, head=head, blank=(BLANK,) * channels)


def square(shape: tuple[int, ...], corner: tuple[int, ...], *, dtype: str = "uint8", channels: int = 1) -> NDArray[Any]:
    """One case (channels, ...): dark, with a bright square (or cube) of 8 pixels."""
    pixels = np.full((channels, *shape), BLANK, dtype=dtype)
    pixels[(slice(None), *(slice(start, start + 8) for start in corner))] = 200
    return pixels
