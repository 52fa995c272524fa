"""Which share of an image is how bright: the histogram over a range that is the same for all images."""

from __future__ import annotations

import numpy as np
from pydantic import Field

from isocenter.pathway.features._shared import Features, RangedSettings, View, learn_ranges, range_of
from isocenter.pathway.grey_levels import graded


class Settings(RangedSettings):
    """The bars of the histogram."""

    bins: int = Field(default=32, ge=2, le=256)
    """Into how many equal parts the range is divided."""


def _formula(view: View, settings: Settings) -> dict[str, float]:
    found: dict[str, float] = {}
    for position, (lead, channel) in enumerate(view.channels()):
        parts = graded(channel.values(), range_of(settings, position, len(view.array)), settings.bins)
        shares = np.bincount(parts, minlength=settings.bins) / parts.size
        found |= {f"{lead}bin_{number}": share for number, share in enumerate(shares, start=1)}
    return found


FEATURES = Features(settings=Settings, formula=_formula, fit=learn_ranges)
