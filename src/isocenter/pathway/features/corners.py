"""How many corners a picture has, and how distinct they are.

Corners are found by the measure of Harris and Stephens on values brought to a range from 0 to 1. A picture without any
has none of any strength. Of a volume, three planes are measured.
"""

from __future__ import annotations

import numpy as np
from pydantic import Field

from isocenter.pathway.features._shared import Features, FeatureSettings, Floats, View, of_channels, of_planes

_FAINT = 1e-12
"""A strength below this is nothing but rounding."""


class Settings(FeatureSettings):
    """What counts as a corner."""

    blur: float = Field(default=1.0, gt=0, le=32)
    """Deviation, in pixels, of the Gaussian over which the surroundings of a pixel are weighed."""
    sensitivity: float = Field(default=0.05, gt=0, lt=0.25)
    """The k of Harris and Stephens: the higher, the less an edge is taken for a corner."""
    apart: int = Field(default=2, ge=1, le=100)
    """How many pixels two corners lie apart at least."""
    least: float = Field(default=0.1, gt=0, le=1)
    """Share of the strongest corner's strength that a corner must have."""


def _formula(plane: View, settings: Settings) -> dict[str, float]:
    strengths = _strengths(plane, settings)
    known = strengths if strengths.size else np.zeros(1)
    return {
        "per_thousand_pixels": 1000.0 * strengths.size / int(plane.region.sum()),
        "mean_strength": float(known.mean()),
        "deviation_of_strength": float(known.std()),
        "largest_strength": float(known.max()),
    }


def _strengths(plane: View, settings: Settings) -> Floats:
    """The strength of each corner inside the mask."""
    from skimage.feature import corner_peaks

    inside = np.where(plane.region, _response(plane.stretched(), settings), 0.0)
    if inside.max() < _FAINT:
        return np.empty(0)
    rows, columns = corner_peaks(
        inside, min_distance=settings.apart, threshold_abs=_FAINT, threshold_rel=settings.least, exclude_border=False
    ).T
    found: Floats = inside[rows, columns]
    return found


def _response(picture: Floats, settings: Settings) -> Floats:
    """How much each pixel is a corner; a picture of one row or column has none.

    The picture goes on beyond its border as it is there, so that its own four corners are none.
    """
    from skimage.feature import structure_tensor

    if min(picture.shape) == 1:
        return np.zeros_like(picture)
    down, both, along = structure_tensor(picture, settings.blur, mode="nearest", order="rc")
    response: Floats = down * along - both**2 - settings.sensitivity * (down + along) ** 2
    return response


FEATURES = Features(settings=Settings, formula=of_planes(of_channels(_formula)))
