"""How grey levels lie side by side: contrast, homogeneity, energy and others of the co-occurrence matrix.

The range of values is the same for all images and is divided into few levels. Every number is the mean over all
directions in which there are neighbours; where no pixel has any, each counts as its own. An even image has one kind of
pair: contrast, dissimilarity and entropy are 0, the others 1.
"""

from __future__ import annotations

from typing import Annotated

import numpy as np
from pydantic import Field

from isocenter.pathway.features._shared import Features, RangedSettings, View, learn_ranges, mean_of, range_of
from isocenter.pathway.grey_levels import Pairs, directions, graded, pairs


class Settings(RangedSettings):
    """Which neighbours are looked at, and how finely levels are told apart."""

    distances: tuple[Annotated[int, Field(ge=1, le=64)], ...] = Field(default=(1, 2), min_length=1)
    """How many pixels away neighbours lie, along rows, columns, slices and diagonals; each is measured by itself."""
    levels: int = Field(default=32, ge=2, le=256)
    """Into how many grey levels the range is divided."""


def _formula(view: View, settings: Settings) -> dict[str, float]:
    found: dict[str, float] = {}
    for position, (lead, channel) in enumerate(view.channels()):
        span = range_of(settings, position, len(view.array))
        levels = np.where(view.region, graded(channel.array[0], span, settings.levels), -1)
        for distance in settings.distances:
            steps = [tuple(distance * one for one in step) for step in directions(len(view.extent))]
            measures = mean_of([_measures(one) for one in pairs(levels, steps)])
            found |= {f"{lead}distance_{distance}_{name}": value for name, value in measures.items()}
    return found


def _measures(one: Pairs) -> dict[str, float]:
    return {
        "contrast": one.contrast,
        "dissimilarity": one.dissimilarity,
        "homogeneity": one.homogeneity,
        "angular_second_moment": one.angular_second_moment,
        "energy": float(np.sqrt(one.angular_second_moment)),
        "correlation": one.correlation,
        "entropy": one.entropy,
    }


FEATURES = Features(settings=Settings, formula=_formula, fit=learn_ranges)
