"""How much of a picture is edge, how steep it is, and which way its edges run.

Edges are found by Canny's method with thresholds that are shares of the range of the picture's own values. Where
nothing changes, there is no edge and every number is 0. Of a volume, three planes are measured.
"""

from __future__ import annotations

import numpy as np
from pydantic import Field, model_validator

from isocenter.pathway.features._shared import Features, FeatureSettings, Floats, View, of_channels, of_planes


class Settings(FeatureSettings):
    """What counts as an edge."""

    blur: float = Field(default=1.0, gt=0, le=32)
    """Deviation, in pixels, of the Gaussian that a picture is smoothed with first."""
    weak: float = Field(default=0.1, ge=0, le=1)
    """An edge goes on where the gradient is at least this share of the range."""
    strong: float = Field(default=0.2, ge=0, le=1)
    """An edge begins where the gradient is at least this share of the range."""
    angles: int = Field(default=8, ge=2, le=36)
    """How many directions are told apart over half a turn."""

    @model_validator(mode="after")
    def _rising(self) -> Settings:
        if self.weak > self.strong:
            raise ValueError(f"weak must not be above strong, got {self.weak} and {self.strong}")
        return self


def _formula(plane: View, settings: Settings) -> dict[str, float]:
    from skimage.feature import canny

    picture, region = plane.stretched(), plane.region
    edges = canny(picture, sigma=settings.blur, low_threshold=settings.weak, high_threshold=settings.strong)
    down, along = _gradient(picture, settings.blur)
    strength = np.hypot(down, along)[region]
    span = float(plane.array.max()) - float(plane.array.min())
    shares = _directions(np.arctan2(down, along)[region], strength, settings.angles)
    return {
        "share": float(edges[region].mean()),
        "steepness": float(strength.mean()) * span,
        **{f"angle_{number}": share for number, share in enumerate(shares, start=1)},
    }


def _gradient(picture: Floats, blur: float) -> tuple[Floats, Floats]:
    """The change from pixel to pixel along rows and along columns of the smoothed picture."""
    from scipy.ndimage import gaussian_filter

    down: Floats = gaussian_filter(picture, blur, order=(1, 0))
    along: Floats = gaussian_filter(picture, blur, order=(0, 1))
    return down, along


def _directions(angles: Floats, strength: Floats, count: int) -> Floats:
    """The share of all steepness that lies in each direction, light to dark and dark to light alike."""
    parts = np.floor(angles / np.pi * count).astype(np.int64) % count
    weights: Floats = np.bincount(parts, strength, minlength=count).astype(np.float64)
    return weights / weights.sum() if weights.any() else weights


FEATURES = Features(settings=Settings, formula=of_planes(of_channels(_formula)))
