"""Values of each image get mean 0 and deviation 1, for images whose numbers mean something else in each (MR)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from isocenter.core.image import Image, Intensity
from isocenter.pathway.prepare._shared import Step, StepSettings, background, finite, planes

_UNITLESS = {Intensity.RGB, Intensity.NAMED}
_EVEN, _TINY = 1e-6, 1e-30
"""A deviation below this share of the mean, or below this, is nothing but rounding."""


class Settings(StepSettings):
    """What is measured."""

    over: Literal["foreground", "image"] = "foreground"
    """`foreground`: mean and deviation of the object alone, the air around it left out. `image`: of all pixels."""


def _apply(image: Image, settings: Settings) -> Image:
    array = np.empty(image.array.shape, np.float32)
    for given, made in zip(finite(image.array), array, strict=True):
        ground = background(given) if settings.over == "foreground" else None
        mean, deviation = _moments(given, ground)
        for place, plane in planes(given):
            made[place] = (plane.astype(np.float32) - np.float32(mean)) / np.float32(deviation)
    intensity = image.intensity if image.intensity in _UNITLESS else Intensity.RAW
    return replace(image, array=array, intensity=intensity)


def _moments(channel: NDArray[Any], ground: tuple[float, float] | None) -> tuple[float, float]:
    """Mean and deviation of what is not background; an even channel deviates by 1, so that it becomes 0."""
    count, mean, square = 0, 0.0, 0.0
    for _, plane in planes(channel):
        told = plane if ground is None else plane[(plane < ground[0]) | (plane > ground[1])]
        if not told.size:
            continue
        # plane by plane after Chan, Golub and LeVeque: exact, and no volume is held twice
        own = float(told.mean(dtype=np.float64))
        apart = own - mean
        total = count + told.size
        square += float(np.square(told - own).sum(dtype=np.float64)) + apart**2 * count * told.size / total
        mean += apart * told.size / total
        count = total
    if not count:
        return float(channel.mean(dtype=np.float64)), 1.0
    deviation = float(np.sqrt(square / count))
    return mean, deviation if deviation > max(_EVEN * abs(mean), _TINY) else 1.0


STEP = Step(settings=Settings, apply=_apply)
