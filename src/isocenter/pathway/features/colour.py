"""Colour moments: mean, deviation and skew of every channel, and of hue, saturation and brightness in colour images.

Of an even image the mean alone is not 0. Values below 0 count as 0 where hue and saturation are reckoned, which for
grey pixels are 0.
"""

from __future__ import annotations

import numpy as np

from isocenter.pathway.features._shared import Array, Features, FeatureSettings, Moments, View

_HUES = ("hue", "saturation", "brightness")


class Settings(FeatureSettings):
    """Nothing to set."""


def _formula(view: View, settings: Settings) -> dict[str, float]:
    del settings
    found: dict[str, float] = {}
    for lead, channel in view.channels():
        found |= _moments(lead, channel)
    if len(view.array) == 3:
        for name, plane in zip(_HUES, _hues(view.array), strict=True):
            found |= _moments(f"{name}_", View(plane[None], view.spacing, view.mask))
    return found


def _moments(lead: str, channel: View) -> dict[str, float]:
    moments = Moments.of(channel.values())
    return {
        f"{lead}mean": moments.mean,
        f"{lead}deviation": moments.deviation,
        f"{lead}skew": float(np.cbrt(moments.third)),
    }


def _hues(array: Array) -> Array:
    """Hue from 0 to 1, saturation from 0 to 1, and brightness in the unit of the image."""
    from skimage.color import rgb2hsv

    hues: Array = rgb2hsv(np.maximum(array.astype(np.float64), 0.0), channel_axis=0)
    return hues


FEATURES = Features(settings=Settings, formula=_formula)
