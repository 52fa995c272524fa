"""The interval of a share of cases, such as a sensitivity: how far it would be from this on other patients.

After Wilson, which holds near 0 and 1 and for few cases. Images of one patient are alike, so that cases count for
fewer than they are, after Korn and Graubard: as many as would scatter as much if each were a patient of its own. Where
nothing scatters, as where all are found, each patient counts once.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isocenter.evidence.metrics._shared import Tally


@dataclass(frozen=True, slots=True)
class Interval:
    """From where to where, and how many patients make up the share."""

    low: float
    high: float
    patients: int


def wilson(tally: Tally, patients: NDArray[Any], level: float) -> Interval | None:
    """The interval of a share; None where fewer than two patients make it up, as one tells nothing of others.

    Args:
        tally: of which cases it is a share.
        patients: of each case (cases,).
        level: such as 0.95.
    """
    _, place = np.unique(patients, return_inverse=True)
    every = np.bincount(place, weights=tally.whole).astype(np.float64)
    part = np.bincount(place, weights=tally.part).astype(np.float64)[every > 0]
    whole = every[every > 0]
    if len(whole) < 2:
        return None
    value, cases = tally.value, _worth(part, whole, level)
    z = NormalDist().inv_cdf((1 + level) / 2)
    middle = (value + z**2 / (2 * cases)) / (1 + z**2 / cases)
    half = z / (1 + z**2 / cases) * np.sqrt(value * (1 - value) / cases + z**2 / (4 * cases**2))
    # Rounding must not part the ends from a share of none or all.
    return Interval(min(max(middle - half, 0.0), value), max(min(middle + half, 1.0), value), len(whole))


def _worth(part: NDArray[np.float64], whole: NDArray[np.float64], level: float) -> float:
    """How many independent cases the patients are worth, given for each what counts and what it is a share of."""
    count, total = len(whole), float(whole.sum())
    value = float(part.sum()) / total
    if total == count:
        return total
    variance = count / (count - 1) * float(((part - value * whole) ** 2).sum()) / total**2
    if not variance:
        return float(count)
    from scipy.stats import norm, t

    tail = (1 + level) / 2
    few = float(norm.ppf(tail) / t.ppf(tail, count - 1)) ** 2  # of few patients it is not known well how they scatter
    return min(value * (1 - value) / variance * few, total)
