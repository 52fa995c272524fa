"""Every image gets one number of pixels without resampling: cut or padded evenly on all sides."""

from __future__ import annotations

from pydantic import Field

from isocenter.core.image import Image
from isocenter.pathway.prepare._shared import Extent, Step, StepSettings, centred, fits


class Settings(StepSettings):
    """How many pixels, and what is added."""

    shape: Extent = Field(examples=[(24, 16)])
    """Rows and columns of an image; slices, rows and columns of a volume."""
    fill: float | None = None
    """Value of what is added; the middle value of the image's own outer rows and columns if none is given."""


def _apply(image: Image, settings: Settings) -> Image:
    fits(image, settings.shape, "pad_or_crop")
    return centred(image, settings.shape, settings.fill)


STEP = Step(settings=Settings, apply=_apply)
