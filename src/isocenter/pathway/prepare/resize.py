"""Every image gets one number of pixels: stretched, fitted into it with a border, or cut to it."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from isocenter.core.image import Image
from isocenter.pathway.prepare._shared import Extent, Step, StepSettings, centred, fits, regridded, space


class Settings(StepSettings):
    """How many pixels, and what becomes of an image of another shape."""

    shape: Extent = Field(examples=[(24, 16)])
    """Rows and columns of an image; slices, rows and columns of a volume."""
    method: Literal["stretch", "fit", "crop"] = "stretch"
    """`stretch`: each direction by itself. `fit`: the whole image, its proportions kept, with a border. `crop`: its
    proportions kept, what stands out cut off evenly."""
    fill: float | None = None
    """Value of the border of `fit`; the middle value of the image's own outer rows and columns if none is given."""


def _apply(image: Image, settings: Settings) -> Image:
    fits(image, settings.shape, "resize")
    if settings.method == "stretch":
        return regridded(image, settings.shape)
    ratios = [wanted / steps for wanted, steps in zip(settings.shape, space(image), strict=True)]
    if settings.method == "fit":
        extent = [max(1, round(steps * min(ratios))) for steps in space(image)]
        return centred(regridded(image, extent), settings.shape, settings.fill)
    # cut first: a long strip must not be enlarged as a whole
    extent = [max(1, round(wanted / max(ratios))) for wanted in settings.shape]
    return regridded(centred(image, extent, None), settings.shape)


STEP = Step(settings=Settings, apply=_apply)
