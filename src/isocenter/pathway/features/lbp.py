"""The fine pattern around each pixel: which of its neighbours are brighter, counted over the picture.

These are the uniform local binary patterns of Ojala and others, which do not change when a picture is turned or
brightened. Patterns 0 to n have so many brighter neighbours in a row; the last holds all that are not in a row. What
lies outside the picture counts as 0, or as its lowest value where that is no whole number. Of a volume, three planes
are measured.
"""

from __future__ import annotations

from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from isocenter.pathway.features._shared import Features, FeatureSettings, Floats, View, of_channels, of_planes

_FINEST = 65535


class Settings(FeatureSettings):
    """Which neighbours are looked at."""

    radii: tuple[Annotated[float, Field(gt=0, le=64)], ...] = Field(default=(1, 2, 3), min_length=1)
    """How many pixels away neighbours lie; each radius is counted by itself."""
    neighbours: int = Field(default=8, ge=3, le=24)
    """How many neighbours are looked at on each circle."""


def _formula(plane: View, settings: Settings) -> dict[str, float]:
    from skimage.feature import local_binary_pattern

    picture, region = _whole(plane), plane.region
    found: dict[str, float] = {}
    for radius in settings.radii:
        patterns = local_binary_pattern(picture, settings.neighbours, radius, method="uniform")[region]
        counts = np.bincount(patterns.astype(np.int64), minlength=settings.neighbours + 2)
        found |= {f"radius_{radius:g}_pattern_{number}": share for number, share in enumerate(counts / patterns.size)}
    return found


def _whole(plane: View) -> NDArray[np.int64]:
    """The picture in whole numbers, so that rounding decides no comparison: as it is, or its range in fine steps."""
    values: Floats = plane.array[0].astype(np.float64)
    exact = bool((values == np.rint(values)).all()) and float(np.abs(values).max()) < 2**53
    return np.rint(values if exact else plane.stretched() * _FINEST).astype(np.int64)


FEATURES = Features(settings=Settings, formula=of_planes(of_channels(_formula)))
