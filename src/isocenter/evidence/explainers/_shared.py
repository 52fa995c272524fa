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
