"""Where on an image the evidence lies, for words that need no picture: thirds along each axis, and how gathered."""

from __future__ import annotations

from itertools import product

import numpy as np
from numpy.typing import NDArray

Third = tuple[int, ...]
"""Along each axis of the array: 0 for the first third, 1 for the middle, 2 for the last."""


def gathered(strength: NDArray[np.float32], *, share: float = 0.25) -> float | None:
    """How much of the evidence lies in the strongest share of the image; None where there is no evidence.

    Evidence that is spread evenly gives `share` itself, evidence in one small place gives 1.
    """
    values = np.sort(np.maximum(strength, 0).ravel())[::-1].astype(np.float64)
    total = float(values.sum())
    return float(values[: max(1, round(share * values.size))].sum()) / total if total > 0 else None


def telling_thirds(strength: NDArray[np.float32], *, least: float = 0.6, most: int = 2) -> tuple[Third, ...]:
    """The parts of an image, cut in three along each axis, that hold most evidence, the strongest first.

    Args:
        strength: a map; what is below zero counts as nothing.
        least: a further part is named if it holds at least this share of what the first one holds.
        most: how many are named.
    """
    positive = np.maximum(strength, 0)
    held: dict[Third, float] = {}
    for third in product(*(range(3 if extent >= 3 else 1) for extent in strength.shape)):
        held[third] = float(positive[_cut(third, strength.shape)].sum(dtype=np.float64))
    ranked = sorted(held, key=lambda third: -held[third])
    floor = least * held[ranked[0]]
    return tuple(third for third in ranked[:most] if held[third] > 0 and held[third] >= floor)


def _cut(third: Third, shape: tuple[int, ...]) -> tuple[slice, ...]:
    parts = [3 if extent >= 3 else 1 for extent in shape]
    return tuple(
        slice(place * extent // count, (place + 1) * extent // count)
        for place, extent, count in zip(third, shape, parts, strict=True)
    )
