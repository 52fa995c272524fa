"""What lies around the object is cut away: black borders of radiographs and ultrasound, the air around a head."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from isocenter.core.image import Image
from isocenter.pathway.prepare._shared import (
    TOLERANCE,
    Step,
    StepSettings,
    along,
    background,
    box,
    finite,
    planes,
    space,
)


class Settings(StepSettings):
    """How much is left around the object."""

    margin: float = Field(default=0.02, ge=0.0, le=1.0)
    """Share of the object's extent that is kept around it on each side."""
    tolerance: float = Field(default=TOLERANCE, ge=0.0, lt=0.5)
    """Share of the image's range by which the background may vary; a single pixel beyond it belongs to the object."""


def _apply(image: Image, settings: Settings) -> Image:
    """Cut to the smallest box that holds every pixel of every channel that differs from the background."""
    # which rows, columns and slices show something of the object
    shown = [np.zeros(steps, bool) for steps in space(image)]
    for channel in finite(image.array):
        ground = background(channel, settings.tolerance)
        if ground is None:
            return image
        _look(channel, ground, shown)
    if not all(axis.any() for axis in shown):
        return image
    parts = [_widened(axis, settings.margin) for axis in shown]
    if all(part == slice(0, len(axis)) for part, axis in zip(parts, shown, strict=True)):
        return image
    start = along([part.start for part in parts], 0)
    return replace(image, array=image.array[box(parts)], geometry=image.geometry.shifted(start))


def _look(channel: NDArray[Any], ground: tuple[float, float], shown: list[NDArray[np.bool_]]) -> None:
    """Mark the [slices,] rows and columns of one channel that are not all background."""
    low, high = ground
    for place, plane in planes(channel):
        object_ = (plane < low) | (plane > high)
        rows = object_.any(axis=1)
        shown[-2] |= rows
        shown[-1] |= object_.any(axis=0)
        if len(shown) == 3:
            shown[0][place[-1]] |= rows.any()


def _widened(shown: NDArray[np.bool_], margin: float) -> slice:
    """From the first to the last that shows something, and the margin."""
    places = np.flatnonzero(shown)
    first, last = int(places[0]), int(places[-1]) + 1
    more = int(np.ceil(margin * (last - first)))
    return slice(max(0, first - more), min(len(shown), last + more))


STEP = Step(settings=Settings, apply=_apply)
