"""Colour images become grey: one channel of brightness; sequences and other named channels stay as they are."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from isocenter.core.image import Image, Intensity
from isocenter.pathway.prepare._shared import Step, StepSettings, opaque, planes


class Settings(StepSettings):
    """Nothing to set."""


def _apply(image: Image, settings: Settings) -> Image:
    del settings
    image = opaque(image)
    if image.intensity != Intensity.RGB or len(image.channels) != 3:
        return image
    given = image.array
    grey = np.empty((1, *given.shape[1:]), given.dtype)
    reckoned = np.result_type(given.dtype, np.float32)
    for place, red in planes(given[0]):
        red = red.astype(reckoned)
        # the brightness of ITU-R BT.601, told from red so that three equal colours are kept to the bit
        level = red + 0.587 * (given[1][place] - red) + 0.114 * (given[2][place] - red)
        grey[0][place] = np.rint(level) if given.dtype.kind in "iu" else level
    return replace(image, array=grey, channels=("intensity",), intensity=Intensity.RAW)


STEP = Step(settings=Settings, apply=_apply, each=True)
