"""The contract of a runtime: a packaged graph in, a callable out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from isocenter.core.errors import IsocenterError, Unreadable, UsageError
from isocenter.core.words import listed


class Session(Protocol):
    """A graph, ready to be computed; the same pixels give the same outputs.

    Attributes:
        outputs: the names of what it can put out.
    """

    outputs: tuple[str, ...]

    def __call__(self, pixels: NDArray[Any], outputs: Sequence[str] = ("logits",)) -> Mapping[str, NDArray[np.float32]]:
        """The named outputs of a batch of stored pixels (batch, channels, [slices,] rows, columns).

        The graph of the head is given features in place of pixels.
        """


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


def require_precision(precision: str, known: Sequence[str], *, runtime: str) -> None:
    """Refuse arithmetic that a runtime cannot do on this machine."""
    if precision not in known:
        raise UsageError(
            f"{runtime} cannot compute in {precision} on this machine", remedy=f"It can in {listed(known)}"
        )


def require_outputs(wanted: Sequence[str], known: Sequence[str]) -> None:
    """Refuse outputs that a graph does not have."""
    absent = [name for name in wanted if name not in known]
    if absent:
        raise UsageError(f"This model has no output {listed(absent)}", why=f"it has {listed(known)}")


@contextmanager
def computing(runtime: str) -> Iterator[None]:
    """Turn whatever a runtime says of a graph or of an array that does not fit it into one message."""
    try:
        yield
    except IsocenterError:
        raise
    except Exception as error:
        reason = " ".join(str(error).split())[:300]
        raise Unreadable(f"The graph of this model cannot be computed by {runtime}", why=reason) from error
