"""The contract of a family of features: settings, what it learns from training images, and one row of numbers.

A family measures one image at a time and returns a number for each name. The names and their order follow from the
shape of the image and from the settings alone, never from its values, so that images of one cohort make a table.

What holds for every family:

- Every number is finite. What a family says of an image that is blank, or one pixel wide, stands in its docstring.
- With a mask, what lies inside it is measured. An empty mask makes every number 0: nothing is there.
- 8-bit values and the same values in floating point give the same numbers.
- Lengths are counted in pixels where no spacing is known.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict, model_validator

from isocenter.core.errors import UsageError
from isocenter.core.settings import Settings

Array = NDArray[Any]
Mask = NDArray[np.bool_]
Floats = NDArray[np.float64]

_SAMPLED = 1_000_000
"""About so many values of a channel of all training images together are looked at."""
_PERCENTILES = (0.5, 99.5)
"""Between these the values of training images are told apart."""
_BYTES = (0.0, 255.0)
_AXES = {2: "(channels, rows, columns)", 3: "(channels, slices, rows, columns)"}


class FeatureSettings(Settings):
    """The base of a family's settings: frozen, documented per field, unknown keys refused."""

    model_config = ConfigDict(allow_inf_nan=False)


class RangedSettings(FeatureSettings):
    """Settings of a family whose columns mean the same values in every image."""

    ranges: tuple[tuple[float, float], ...] = ()
    """Lowest and highest value that is told apart: one pair for all channels or one for each; learned from training
    images, and 0 to 255 if neither is done. What lies outside counts as the nearer end."""

    @model_validator(mode="after")
    def _ordered(self) -> RangedSettings:
        if any(low >= high for low, high in self.ranges):
            raise ValueError(f"a range must begin below its end, got {self.ranges}")
        return self


@dataclass(frozen=True, slots=True)
class View:
    """One image as a family sees it.

    Attributes:
        array: (channels, [slices,] rows, columns), finite.
        spacing: millimetres along [slices,] rows, columns; 1 where none is known.
        mask: ([slices,] rows, columns) with at least one pixel, or None for the whole image.
    """

    array: Array
    spacing: tuple[float, ...]
    mask: Mask | None = None

    @property
    def extent(self) -> tuple[int, ...]:
        """The number of [slices,] rows, columns."""
        return self.array.shape[1:]

    @property
    def region(self) -> Mask:
        """The mask; every pixel where there is none."""
        return np.ones(self.extent, dtype=np.bool_) if self.mask is None else self.mask

    def channels(self) -> Iterator[tuple[str, View]]:
        """Each channel by itself, with what its names begin with: nothing where there is only one."""
        for position in range(len(self.array)):
            lead = f"channel_{position + 1}_" if len(self.array) > 1 else ""
            yield lead, replace(self, array=self.array[position : position + 1])

    def planes(self) -> Iterator[tuple[str, View]]:
        """An image itself; of a volume the middle slice, row and column, or those where its mask is largest."""
        if len(self.extent) == 2:
            yield "", self
            return
        for axis, lead in enumerate(("slice_", "row_", "column_")):
            place, mask = self.extent[axis] // 2, self.mask
            if mask is not None:
                sizes = mask.sum(axis=tuple({0, 1, 2} - {axis}))
                largest = np.flatnonzero(sizes == sizes.max())
                place = int(largest[len(largest) // 2])
                mask = mask.take([place], axis=axis).squeeze(axis)
            spacing = (*self.spacing[:axis], *self.spacing[axis + 1 :])
            yield lead, View(self.array.take(place, axis=axis + 1), spacing, mask)

    def cropped(self) -> View:
        """The smallest part that holds the whole mask."""
        if self.mask is None:
            return self
        box = tuple(slice(places.min(), places.max() + 1) for places in np.nonzero(self.mask))
        return View(self.array[(slice(None), *box)], self.spacing, self.mask[box])

    def values(self) -> Floats:
        """What the one channel of this view shows inside its mask, as one row."""
        shown: Array = self.array[0].ravel() if self.mask is None else self.array[0][self.mask]
        return shown.astype(np.float64)

    def stretched(self) -> Floats:
        """The one channel of this view between 0, its lowest value, and 1, its highest; 0 where all are one."""
        channel = self.array[0].astype(np.float64)
        low, high = channel.min(), channel.max()
        return np.zeros_like(channel) if low == high else (channel - low) / (high - low)


Formula = Callable[[View, Any], dict[str, float]]
"""A view and settings in, a number for each name out."""


def as_given(images: Sequence[Array], settings: Any) -> Any:
    """What a family learns that has nothing to learn."""
    del images
    return settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Features:
    """One family.

    Attributes:
        settings: the model of its settings.
        formula: what is reckoned, given a view that was found sound.
        dimensions: 2 for images, 3 for volumes.
        fit: training images (channels, [slices,] rows, columns) and settings in, completed settings out.
    """

    settings: type[FeatureSettings]
    formula: Formula
    dimensions: tuple[int, ...] = (2, 3)
    fit: Callable[[Sequence[Array], Any], Any] = as_given

    def measure(
        self, array: Array, settings: Any, *, spacing: Sequence[float] | None = None, mask: Mask | None = None
    ) -> dict[str, float]:
        """Measure one image.

        Args:
            array: (channels, [slices,] rows, columns), whole numbers or floating point, finite.
            settings: of this family.
            spacing: millimetres along [slices,] rows, columns.
            mask: ([slices,] rows, columns), what is measured; the whole image where there is none.
        """
        view = View(array, (1.0,) * (array.ndim - 1) if spacing is None else tuple(spacing), mask)
        _check(view, self.dimensions)
        if mask is not None and not mask.any():
            return dict.fromkeys(self.formula(replace(view, mask=None), settings), 0.0)
        return {name: float(value) for name, value in self.formula(view, settings).items()}


def _check(view: View, dimensions: tuple[int, ...]) -> None:
    """Refuse what cannot be measured."""
    if view.array.ndim - 1 not in dimensions:
        meant = " or ".join(_AXES[one] for one in dimensions)
        raise UsageError(
            f"An image to be measured must have the axes {meant}, got the shape {view.array.shape}",
            remedy="Put the channels first, and measure points in time one by one",
        )
    if not view.array.size or not np.isfinite(view.array).all():
        raise UsageError(
            "An image to be measured must hold pixels that are all finite numbers",
            remedy="Let it go through its preparation first",
        )
    if len(view.spacing) != len(view.extent) or not all(0 < length < np.inf for length in view.spacing):
        raise UsageError(
            f"The spacing must be a length above 0 for each of {len(view.extent)} directions, got {view.spacing}",
            remedy="Give none where it is not known",
        )
    if view.mask is not None and (view.mask.shape != view.extent or view.mask.dtype != np.bool_):
        raise UsageError(
            f"A mask must be true or false at each of {view.extent} pixels, got {view.mask.dtype} of {view.mask.shape}",
            remedy="Compare a label map with the label that is meant, and lay it onto the grid of the image",
        )


def of_channels(formula: Formula) -> Formula:
    """A formula of one channel as that of an image: every channel, one after the other."""
    return lambda view, settings: {
        lead + name: value for lead, channel in view.channels() for name, value in formula(channel, settings).items()
    }


def of_planes(formula: Formula) -> Formula:
    """A formula of a flat image as that of a volume as well: its three planes, one after the other."""
    return lambda view, settings: {
        lead + name: value for lead, plane in view.planes() for name, value in formula(plane, settings).items()
    }


def learn_ranges(images: Sequence[Array], settings: Any) -> Any:
    """The settings with a range for each channel: all of 8 bits, or where most values of training images lie."""
    if settings.ranges or not images:
        return settings
    ranges = []
    for position in range(len(images[0])):
        channels = [image[position] for image in images]
        low, high = _BYTES if all(one.dtype == np.uint8 for one in channels) else _most(channels)
        ranges.append((low, high if low < high else low + 1.0))
    return settings.model_copy(update={"ranges": tuple(ranges)})


def _most(channels: Sequence[Array]) -> tuple[float, float]:
    """From percentile to percentile of values spread evenly over all images."""
    stride = max(1, sum(one.size for one in channels) // _SAMPLED)
    low, high = np.percentile(np.concatenate([one.ravel()[::stride] for one in channels]), _PERCENTILES)
    return float(low), float(high)


def range_of(settings: RangedSettings, position: int, count: int) -> tuple[float, float]:
    """The range of one channel of so many."""
    if not settings.ranges:
        return _BYTES
    if len(settings.ranges) not in {1, count}:
        raise UsageError(
            f"`ranges` must be one pair for all channels or {count}, got {len(settings.ranges)}",
            remedy="Give as many as there are channels, or let them be learned from training images",
        )
    return settings.ranges[position % len(settings.ranges)]


@dataclass(frozen=True, slots=True)
class Moments:
    """How values are spread around their mean; of values that are all one, every moment is 0."""

    mean: float
    variance: float
    third: float
    fourth: float

    @classmethod
    def of(cls, values: Floats) -> Moments:
        """The moments of at least one value."""
        if values.min() == values.max():
            return cls(float(values[0]), 0.0, 0.0, 0.0)
        mean = float(values.mean())
        apart = values - mean
        square = apart * apart
        return cls(mean, float(square.mean()), float((square * apart).mean()), float((square * square).mean()))

    @property
    def deviation(self) -> float:
        """The standard deviation."""
        return float(np.sqrt(self.variance))

    @property
    def skewness(self) -> float:
        """Above 0 where the longer tail is that of high values."""
        return self.third / self.variance**1.5 if self.variance else 0.0

    @property
    def kurtosis(self) -> float:
        """How heavy the tails are: 3 for a normal distribution."""
        return self.fourth / self.variance**2 if self.variance else 0.0


def mean_of(measures: Sequence[dict[str, float]]) -> dict[str, float]:
    """The mean of each of several measures of the same names."""
    return {name: sum(one[name] for one in measures) / len(measures) for name in measures[0]}
