"""The contract of an explainer: callables in, a map on the prepared grid out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Answer = Mapping[str, NDArray[np.float32]]
"""`logits`, `features` and `embedding` of a batch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Explained:
    """The packaged model as callables.

    Attributes:
        run: stored pixels (batch, channels, [slices,] rows, columns) -> logits, features, embedding.
        head: features (batch, channels, ...) -> logits (batch, outputs); the graph after the last map.
        blank: the stored value that stands for nothing, one per channel (the training mean).
    """

    run: Callable[[NDArray[Any]], Answer]
    head: Callable[[NDArray[np.float32]], NDArray[np.float32]]
    blank: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Explainer:
    """One way to explain.

    Attributes:
        explain: the model, one case's stored pixels (channels, ...), the output that is asked about -> a map
            ([slices,] rows, columns) on the prepared grid; positive where the evidence speaks for the output, in
            units of the logit where the method has them.
    """

    explain: Callable[[Explained, NDArray[Any], int], NDArray[np.float32]]


BATCH_BYTES = 64 * 2**20
"""How much a batch of inputs may hold at once: explaining must not cost more memory than reading."""


def batch_size(one: NDArray[Any], *, most: int = 64) -> int:
    """How many copies of an array are computed at once."""
    return max(1, min(most, BATCH_BYTES // max(one.nbytes, 1)))


def blanked(pixels: NDArray[Any], where: NDArray[np.bool_], blank: tuple[float, ...]) -> NDArray[Any]:
    """A case's stored pixels (channels, ...) with nothing left where the mask (...) says so."""
    ground = np.asarray(blank, dtype=np.float64).reshape(-1, *([1] * where.ndim))
    stored = np.rint(ground) if np.issubdtype(pixels.dtype, np.integer) else ground
    return np.where(where, stored.astype(pixels.dtype), pixels)
