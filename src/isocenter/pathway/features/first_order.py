"""First-order radiomics: how bright a region is and how its values are spread, in the definitions of pyradiomics.

These are those of the Image Biomarker Standardisation Initiative, save that kurtosis is 3 for a normal distribution.
Of an even region skewness, kurtosis and every measure of spread are 0.
"""

from __future__ import annotations

import numpy as np
from pydantic import Field

from isocenter.pathway.features._shared import Features, FeatureSettings, Floats, Moments, View, of_channels
from isocenter.pathway.grey_levels import entropy, steps_of


class Settings(FeatureSettings):
    """How values are counted."""

    width: float = Field(default=25.0, gt=0)
    """Width of a grey level, in the unit of the image, for entropy and uniformity; levels begin at its multiples."""
    shift: float = 0.0
    """What is added to every value for energy and root mean square, so that none is below 0; 1000 or 2000 in CT."""


def _formula(view: View, settings: Settings) -> dict[str, float]:
    values = view.values()
    moments = Moments.of(values)
    low, tenth, quarter, middle, three_quarters, ninetieth, high = np.percentile(values, (0, 10, 25, 50, 75, 90, 100))
    energy = float(np.square(values + settings.shift).sum())
    shares = _shares(values, settings.width)
    return {
        "energy": energy,
        "total_energy": energy * float(np.prod(view.spacing)),
        "entropy": entropy(shares),
        "minimum": low,
        "percentile_10": tenth,
        "percentile_90": ninetieth,
        "maximum": high,
        "mean": moments.mean,
        "median": middle,
        "interquartile_range": three_quarters - quarter,
        "range": high - low,
        "mean_absolute_deviation": _spread(values),
        "robust_mean_absolute_deviation": _spread(values[(values >= tenth) & (values <= ninetieth)]),
        "root_mean_squared": float(np.sqrt(energy / values.size)),
        "skewness": moments.skewness,
        "kurtosis": moments.kurtosis,
        "variance": moments.variance,
        "uniformity": float(np.square(shares).sum()),
    }


def _shares(values: Floats, width: float) -> Floats:
    """The share of each grey level that occurs."""
    counts = np.unique(steps_of(values, width), return_counts=True)[1]
    return counts / values.size


def _spread(values: Floats) -> float:
    """How far values lie from their mean."""
    return float(np.abs(values - Moments.of(values).mean).mean()) if values.size else 0.0


FEATURES = Features(settings=Settings, formula=of_channels(_formula))
