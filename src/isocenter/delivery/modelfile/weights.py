"""How many numbers a network has learned, counted in the header of its weights: no tensor and no torch is loaded."""

from __future__ import annotations

import json
from math import prod

from isocenter.core.errors import Unreadable
from isocenter.delivery.modelfile.container import WEIGHTS, first_line, refused

_KEPT = (
    *("normalise.mean", "normalise.deviation", "centre", "spread"),
    *("running_mean", "running_var", "num_batches_tracked"),
)
"""What a network keeps beside its parameters: statistics of its inputs and of its maps. Safetensors does not tell them
apart, so they are known by name; a test holds the count equal to torch's for every model on the shelf."""

_LENGTH_BYTES = 8


def parameters(weights: bytes, *, source: str) -> int:
    """The number of parameters, over all members; raises `Unreadable` where the header is none."""
    try:
        length = int.from_bytes(weights[:_LENGTH_BYTES], "little")
        header = json.loads(weights[_LENGTH_BYTES : _LENGTH_BYTES + length])
        shapes = {name: one["shape"] for name, one in header.items() if name != "__metadata__"}
        return sum(int(prod(shape)) for name, shape in shapes.items() if not _kept(name))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise _odd(source, error) from error


def _kept(name: str) -> bool:
    return any(name == one or name.endswith(f".{one}") for one in _KEPT)


def _odd(source: str, error: Exception) -> Unreadable:
    return refused(source, f"its {WEIGHTS} cannot be understood ({first_line(error)})")
