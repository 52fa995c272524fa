"""Values are cut to a window and scaled: a CT window in Hounsfield units, or the range that most values lie in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import model_validator

from isocenter.core.errors import UsageError
from isocenter.core.image import Image, Intensity
from isocenter.pathway.prepare._shared import Step, StepSettings, planes, sample

_UNITLESS = {Intensity.RGB, Intensity.NAMED}
_SAMPLED = 8_000_000
"""How many values of all training images together are looked at."""
_TINY = 1e-30
"""A window narrower than this has no inside in 32 bits."""


class Settings(StepSettings):
    """Which values are told apart."""

    windows: tuple[tuple[float, float], ...] = ()
    """Lowest and highest value: one pair for all channels or one for each; learned from training images if none."""
    percentiles: tuple[float, float] = (0.5, 99.5)
    """Between which percentiles a window lies that is learned."""
    each_image: bool | tuple[bool, ...] = False
    """Whether every image is cut at its own percentiles, for values that mean something else in each (MR): said for
    all channels or for each; what a window then says of such a channel is not used."""
    scale: Literal["byte", "unit"] = "byte"
    """`byte`: to whole numbers from 0 to 255 in 8 bits. `unit`: to numbers from 0 to 1."""

    @model_validator(mode="after")
    def _ordered(self) -> Settings:
        low, high = self.percentiles
        if not 0 <= low < high <= 100:
            raise ValueError(f"percentiles must be two rising numbers from 0 to 100, got {self.percentiles}")
        if any(one >= other for one, other in self.windows):
            raise ValueError(f"a window must begin below its end, got {self.windows}")
        if self.windows and self.each_image is True:
            raise ValueError("a window is either given or that of each image, not both")
        return self


def _fit(images: Sequence[Image], settings: Settings) -> Settings:
    if settings.windows or settings.each_image is True or not images:
        return settings
    most = max(2_000, _SAMPLED // len(images))
    windows = []
    for position, own in enumerate(_own(settings, len(images[0].channels))):
        if own:
            windows.append((0.0, 1.0))
            continue
        parts = [sample(image.array[position], most) for image in images]
        # an even channel is a blank one, of which there is nothing to learn
        told = [values for values in parts if values.size and values.min() < values.max()]
        low, high = _range(np.concatenate(told or parts), settings)
        windows.append((low, high if high > low else low + 1))
    return settings.model_copy(update={"windows": tuple(windows)})


def _apply(image: Image, settings: Settings) -> Image:
    array = np.empty(image.array.shape, np.uint8 if settings.scale == "byte" else np.float32)
    for window, channel, scaled in zip(_windows(image, settings), image.array, array, strict=True):
        for place, plane in planes(channel):
            scaled[place] = _scaled(plane, window, settings.scale)
    intensity = image.intensity if image.intensity in _UNITLESS else Intensity.RAW
    return replace(image, array=array, intensity=intensity)


def _windows(image: Image, settings: Settings) -> Sequence[tuple[float, float]]:
    """The window of each channel."""
    count = len(image.channels)
    own = _own(settings, count)
    if all(own):
        return [_range(sample(channel), settings) for channel in image.array]
    if len(settings.windows) not in {1, count}:
        raise UsageError(
            f"The step `window` needs one window for all channels or {count}, got {len(settings.windows)}",
            remedy="Set its `windows`, let them be learned from training images, or set `each_image`",
        )
    windows = settings.windows * (count // len(settings.windows))
    return [
        _range(sample(channel), settings) if alone else window
        for channel, window, alone in zip(image.array, windows, own, strict=True)
    ]


def _own(settings: Settings, count: int) -> tuple[bool, ...]:
    """Whether each channel of an image is cut at percentiles of its own."""
    said = settings.each_image
    if isinstance(said, bool):
        return (said,) * count
    if len(said) != count:
        raise UsageError(
            f"`each_image` of the step `window` must be said for all or for {count} channels, got {len(said)}"
        )
    return said


def _range(values: NDArray[np.float32], settings: Settings) -> tuple[float, float]:
    """From percentile to percentile; from end to end where nearly all values are one."""
    if not values.size:
        return 0.0, 0.0
    low, high = (float(value) for value in np.percentile(values, settings.percentiles))
    return (low, high) if low < high else (float(values.min()), float(values.max()))


def _scaled(plane: NDArray[Any], window: tuple[float, float], scale: str) -> NDArray[np.float32]:
    """One plane between its ends; what is not a number lies at the lower one."""
    low, high = window
    if high - low < _TINY:
        return np.zeros(plane.shape, np.float32)
    top = 255.0 if scale == "byte" else 1.0
    values = plane.astype(np.float32)
    np.clip(values, low, high, out=values)
    if plane.dtype.kind == "f":
        np.nan_to_num(values, copy=False, nan=low)
    values -= low
    values *= top / (high - low)
    # the last bit of the factor may lift the upper end above the top
    np.minimum(values, top, out=values)
    return np.rint(values, out=values) if scale == "byte" else values


STEP = Step(settings=Settings, apply=_apply, fit=_fit)
