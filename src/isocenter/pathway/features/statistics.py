"""How bright an image is and how its values are spread: mean, deviation, percentiles, entropy and others.

An even image deviates by nothing: its deviation, skewness, kurtosis and entropy are 0.
"""

from __future__ import annotations

from typing import Annotated

import numpy as np
from pydantic import Field

from isocenter.pathway.features._shared import Features, FeatureSettings, Moments, View, of_channels
from isocenter.pathway.grey_levels import entropy, graded


class Settings(FeatureSettings):
    """How finely values are told apart."""

    percentiles: tuple[Annotated[float, Field(ge=0, le=100)], ...] = (1, 5, 25, 50, 75, 95, 99)
    """Which percentiles are measured."""
    bins: int = Field(default=256, ge=2, le=65536)
    """Into how many parts the range of an image's own values is divided for its entropy."""


def _formula(view: View, settings: Settings) -> dict[str, float]:
    values = view.values()
    moments = Moments.of(values)
    low, high = float(values.min()), float(values.max())
    percentiles = np.percentile(values, settings.percentiles) if settings.percentiles else ()
    parts = graded(values, (low, high), settings.bins) if low < high else np.zeros(1, np.int32)
    return {
        "mean": moments.mean,
        "deviation": moments.deviation,
        "variance": moments.variance,
        "smallest": low,
        "largest": high,
        "entropy": entropy(np.bincount(parts) / parts.size),
        **{f"percentile_{one:g}": value for one, value in zip(settings.percentiles, percentiles, strict=True)},
        "skewness": moments.skewness,
        "kurtosis": moments.kurtosis,
    }


FEATURES = Features(settings=Settings, formula=of_channels(_formula))
