"""Grey images become colour: one channel is repeated as red, green and blue; colour images stay as they are."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from isocenter.core.errors import UsageError
from isocenter.core.image import Image, Intensity
from isocenter.pathway.prepare._shared import Step, StepSettings, opaque

_COLOURS = ("red", "green", "blue")


class Settings(StepSettings):
    """Nothing to set."""


def _apply(image: Image, settings: Settings) -> Image:
    del settings
    image = opaque(image)
    if image.intensity == Intensity.RGB and len(image.channels) == 3:
        return image
    if len(image.channels) != 1:
        raise UsageError(
            f"An image must be grey or in colour to be shown in colour, got the channels {', '.join(image.channels)}",
            remedy="Leave the step `colour` out, or give photographs",
        )
    return replace(image, array=np.repeat(image.array, 3, axis=0), channels=_COLOURS, intensity=Intensity.RGB)


STEP = Step(settings=Settings, apply=_apply, each=True)
