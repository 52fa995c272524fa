"""The contract of a runtime: a packaged graph in, a callable out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray


class Session(Protocol):
    """A graph, ready to be computed."""

    def __call__(self, pixels: NDArray[Any], outputs: Sequence[str] = ("logits",)) -> Mapping[str, NDArray[np.float32]]:
        """The named outputs of a batch of stored pixels (batch, channels, [slices,] rows, columns)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Runtime:
    """One program that computes graphs.

    Attributes:
        package: the module that it needs, for a message where it is not installed.
        precisions: what it can compute in here: `fp32`, `bf16`, `int8`.
        load: graph (bytes of an ONNX file), precision, threads (0 for all) -> a session. An `int8` graph is a
            quantised ONNX graph of its own.
    """

    package: str
    precisions: Callable[[], tuple[str, ...]]
    load: Callable[[bytes, str, int], Session]
