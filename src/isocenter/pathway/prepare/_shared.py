"""The contract of a preparation step: settings, what it learns from training cases, and what it does to an image.

A step never sees a file, a case or a split. `fit` is given prepared training images (already through the steps before
it) and returns completed settings; `apply` is given one image and completed settings and returns an image. Geometry
follows the pixels: a step that changes the grid returns the geometry of the new grid, so that a result can be put
back on the old one.

What is not a number counts as the lowest value of its channel, in every step that reckons with values.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from isocenter.core.errors import UsageError
from isocenter.core.image import Image, Intensity
from isocenter.pathway.resampling import nearest, resampled

TOLERANCE = 0.03
"""Share of an image's range by which its background may vary: the noise of air, the smear of a JPEG."""

_SAMPLE = 400_000

Extent = Annotated[tuple[Annotated[int, Field(ge=1)], ...], Field(min_length=2, max_length=3)]
"""Rows and columns of an image; slices, rows and columns of a volume."""


class StepSettings(BaseModel):
    """The base of a step's settings: frozen, documented per field, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False)


def as_given(images: Sequence[Image], settings: Any) -> Any:
    """What a step learns that has nothing to learn."""
    del images
    return settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step of the way.

    Attributes:
        settings: the model of its settings.
        apply: an image and completed settings in, an image out; never changes the image that it was given.
        fit: training images and settings in, completed settings out.
        each: whether it works on every image of a case by itself, where it stands before any step that does not:
            the channels are laid together after it.
    """

    settings: type[StepSettings]
    apply: Callable[[Image, Any], Image]
    fit: Callable[[Sequence[Image], Any], Any] = as_given
    each: bool = False


def space(image: Image) -> tuple[int, ...]:
    """The extent of an image in space: [slices,] rows, columns."""
    return image.array.shape[-3 if "Z" in image.axes else -2 :]


def along(values: Sequence[int], single: int) -> tuple[int, int, int]:
    """Numbers for [slices,] rows, columns in the order of the geometry, x, y, z, with `single` for a single image."""
    z, y, x = values if len(values) == 3 else (single, *values)
    return x, y, z


def fits(image: Image, extent: Sequence[int], step: str) -> None:
    """Refuse an image that has slices where none are meant, and the other way round."""
    if len(space(image)) != len(extent):
        kinds = {2: "a single image", 3: "a volume"}
        raise UsageError(
            f"The step `{step}` is set for {kinds[len(extent)]}, got {kinds[len(space(image))]}",
            remedy="Give as many numbers as the image has directions, and let the step `orient` stand before it",
        )


def opaque(image: Image) -> Image:
    """The image without its alpha channel: what is see-through is laid on black, the ground of radiology.

    An alpha channel of one value throughout tells nothing and is left out as it is.
    """
    if image.channels[-1] != "alpha" or len(image.channels) == 1:
        return image
    array, alpha = image.array[:-1], image.array[-1]
    if alpha.min() != alpha.max():
        whole = alpha.dtype.kind in "iu"
        cover = alpha.astype(np.float32) / (np.iinfo(alpha.dtype).max if whole else 1)
        laid = array * cover
        array = (np.rint(laid) if whole else laid).astype(array.dtype)
    intensity = Intensity.RAW if len(array) == 1 else image.intensity
    return replace(image, array=array, channels=image.channels[:-1], intensity=intensity)


def finite(array: NDArray[Any]) -> NDArray[Any]:
    """The array with numbers alone: each channel's lowest for what is none, its highest for what is endless."""
    if array.dtype.kind != "f" or (np.isfinite(array.min()) and np.isfinite(array.max())):
        return array
    sound = array.copy()
    for channel in sound:
        known = np.isfinite(channel)
        low = channel.min(where=known, initial=np.inf) if known.any() else 0.0
        high = channel.max(where=known, initial=-np.inf) if known.any() else 0.0
        np.nan_to_num(channel, copy=False, nan=low, posinf=high, neginf=low)
    return sound


def planes(array: NDArray[Any]) -> Iterator[tuple[tuple[int, ...], NDArray[Any]]]:
    """Every plane of an array with its place, so that no more than a plane is held a second time."""
    for place in np.ndindex(array.shape[:-2]):
        yield place, array[place]


def sample(channel: NDArray[Any], most: int = _SAMPLE) -> NDArray[np.float32]:
    """About `most` finite values, spread evenly over a channel; all of a small one."""
    stride = max(1, int(np.ceil((channel.size / most) ** (1 / channel.ndim))))
    values = np.asarray(channel[(slice(None, None, stride),) * channel.ndim], dtype=np.float32).ravel()
    return values[np.isfinite(values)]


def border(channel: NDArray[Any]) -> Any:
    """The middle value of a channel's outer rows and columns: what lies around the picture, if anything does."""
    sides = (channel[..., 0, :], channel[..., -1, :], channel[..., :, 0], channel[..., :, -1])
    values = np.concatenate([side.ravel() for side in sides])
    # a value that occurs, not the mean of two: 8 bits stay 8 bits
    return np.partition(values, (len(values) - 1) // 2)[(len(values) - 1) // 2]


def background(channel: NDArray[Any], tolerance: float = TOLERANCE) -> tuple[float, float] | None:
    """The range of values of what lies around the object; None where the object seems to fill the picture.

    Background is what the outer rows and columns mostly show, provided that it is about the darkest or the brightest
    that there is: a border of middling grey belongs to the object.

    Args:
        channel: ([time,] [slice,] row, column), finite.
        tolerance: share of the channel's range by which the background may vary.
    """
    values = sample(channel)
    low, high = (float(value) for value in np.percentile(values, (0.5, 99.5)))
    slack = tolerance * (high - low)
    level = float(border(channel))
    if low + slack < level < high - slack:
        return None
    return level - slack, level + slack


def regridded(image: Image, extent: Sequence[int]) -> Image:
    """The image with another number of pixels over the same extent; label maps keep to their labels."""
    if space(image) == tuple(extent):
        return image
    if image.intensity == Intensity.LABEL:
        array = nearest(image.array, extent)
    else:
        array = resampled(finite(image.array), extent)
    return replace(image, array=array, geometry=image.geometry.regridded(image.size, along(extent, 1)))


def centred(image: Image, extent: Sequence[int], fill: float | None) -> Image:
    """The image cut or padded evenly on all sides to an extent.

    Args:
        image: any image.
        extent: the wanted [slices,] rows and columns.
        fill: the value of what is added; the middle value of each channel's own border where none is given.
    """
    given = space(image)
    if given == tuple(extent):
        return image
    # the same number of pixels before the first of the old grid, added (above 0) or cut (below), on every axis
    added = [_half(wanted - steps) for steps, wanted in zip(given, extent, strict=True)]
    old = _box([max(0, -more) for more in added], given, extent)
    array = image.array[old]
    if array.shape[-len(extent) :] != tuple(extent):
        padded = np.empty((*array.shape[: -len(extent)], *extent), array.dtype)
        for position, channel in enumerate(image.array):
            padded[position] = border(channel) if fill is None else _within(fill, array.dtype)
        padded[_box([max(0, more) for more in added], given, extent)] = array
        array = padded
    start = along([-more for more in added], 0)
    return replace(image, array=array, geometry=image.geometry.shifted(start))


def box(parts: Sequence[slice]) -> tuple[Any, ...]:
    """The index of a part of an array whose last axes are those of space."""
    return (..., *parts)


def _box(first: Sequence[int], given: Sequence[int], extent: Sequence[int]) -> tuple[Any, ...]:
    """Where what an old and a new grid share begins, and how long it is."""
    shared = [min(steps, wanted) for steps, wanted in zip(given, extent, strict=True)]
    return box([slice(start, start + steps) for start, steps in zip(first, shared, strict=True)])


def _half(steps: int) -> int:
    """Half of what is added or cut, rounded towards nothing, so that cutting undoes padding."""
    return steps // 2 if steps >= 0 else -(-steps // 2)


def _within(value: float, dtype: np.dtype[Any]) -> float:
    """The nearest value that a kind of number can hold."""
    if dtype.kind not in "iu":
        return value
    limits = np.iinfo(dtype)
    return min(max(round(value), limits.min), limits.max)
