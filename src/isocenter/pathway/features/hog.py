"""Which way edges run in each part of a picture: histograms of oriented gradients on a grid of fixed size.

The picture is brought to that size first, so that its own size changes neither the number of columns nor their
meaning. Of several channels, the one with the strongest gradient counts at each pixel. Of a volume, three planes are
measured; of a picture with a mask, the smallest part that holds the mask. Where nothing changes, every number is 0.
"""

from __future__ import annotations

import numpy as np
from pydantic import Field, model_validator

from isocenter.pathway.features._shared import Features, FeatureSettings, View, of_planes
from isocenter.pathway.resampling import resampled


class Settings(FeatureSettings):
    """The grid, and how finely directions are told apart."""

    size: int = Field(default=64, ge=8, le=1024)
    """Rows and columns to which a picture is brought."""
    cell: int = Field(default=16, ge=2, le=256)
    """Rows and columns of the parts in each of which directions are counted."""
    block: int = Field(default=2, ge=1, le=8)
    """So many parts along rows and columns are brought to one strength together."""
    angles: int = Field(default=8, ge=2, le=36)
    """How many directions are told apart over half a turn."""

    @model_validator(mode="after")
    def _holds_a_block(self) -> Settings:
        if self.size < self.cell * self.block:
            raise ValueError(f"size must be at least cell x block = {self.cell * self.block}, got {self.size}")
        return self


def _formula(plane: View, settings: Settings) -> dict[str, float]:
    from skimage.feature import hog

    cut = plane.cropped()
    channels = [channel.stretched().astype(np.float32) for _, channel in cut.channels()]
    blocks = hog(
        resampled(np.stack(channels), (settings.size, settings.size)).astype(np.float64),
        orientations=settings.angles,
        pixels_per_cell=(settings.cell, settings.cell),
        cells_per_block=(settings.block, settings.block),
        feature_vector=False,
        channel_axis=0,
    )
    return {_name(place): value for place, value in np.ndenumerate(blocks)}


def _name(place: tuple[int, ...]) -> str:
    block_row, block_column, row, column, angle = (number + 1 for number in place)
    return f"block_{block_row}_{block_column}_cell_{row}_{column}_angle_{angle}"


FEATURES = Features(settings=Settings, formula=of_planes(_formula))
