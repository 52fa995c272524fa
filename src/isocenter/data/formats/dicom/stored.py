"""Which whole numbers a DICOM file stores for the values of an image, exactly wherever 16 bits can hold them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isocenter.core.errors import UsageError

_LEVELS = 65535
_ROUNDING = 1e-6
"""A part of the largest value: below it lies the rounding of 32-bit numbers, not a value between two steps."""


@dataclass(frozen=True, slots=True)
class Stored:
    """Whole numbers, and how to get the values back: `numbers * slope + intercept`.

    Attributes:
        numbers: unsigned 8 or 16 bits, or signed 16 bits.
        error: the largest difference between a value and what will be read back; 0 where nothing is lost.
    """

    numbers: NDArray[Any]
    slope: float = 1.0
    intercept: float = 0.0
    error: float = 0.0

    @property
    def rescaled(self) -> bool:
        """Whether the numbers are not the values themselves."""
        return (self.slope, self.intercept) != (1.0, 0.0)

    def wide(self) -> Stored:
        """The same in at least 16 bits, as CT and MR images ask for."""
        return replace(self, numbers=self.numbers.astype(np.uint16)) if self.numbers.dtype == np.uint8 else self

    def unsigned(self) -> Stored:
        """The same without sign, as films ask for."""
        if self.numbers.dtype.kind == "u":
            return self
        numbers = (self.numbers.astype(np.int32) + 32768).astype(np.uint16)
        return replace(self, numbers=numbers, intercept=self.intercept - 32768 * self.slope)


def stored_values(values: NDArray[Any], *, exact: bool = False) -> Stored:
    """The numbers to store. Whole numbers are kept; fractions lie on 65,536 even steps from the least to the largest.

    Args:
        values: of any shape; one scale is used for all of them, so that neighbouring slices do not step.
        exact: refuse values that 16 bits cannot hold instead of rounding them.
    """
    if values.dtype.kind not in "buif":
        raise UsageError(f"DICOM cannot hold values of kind {values.dtype}", remedy="Convert them to numbers first")
    if values.dtype.kind == "f":
        if not np.isfinite(values).all():
            raise UsageError(
                "DICOM cannot hold values that are not numbers (NaN or infinite)",
                remedy="Replace them first, or write .nii.gz, .nrrd or .mha",
            )
        whole = bool((values == np.rint(values)).all()) and float(np.abs(values).max()) < 2**53
        stored = _whole(values.astype(np.int64)) if whole else _even_steps(values)
    else:
        stored = _whole(values)
    stored = stored or _rounded(values)
    if exact and stored.error:
        raise UsageError(
            f"Rounding to 16 bits would change values by up to {stored.error:.3g}",
            remedy="Write .nii.gz, .nrrd or .mha, which hold them exactly, or allow the rounding",
        )
    return stored


def short_decimal(value: float) -> float:
    """The nearest number that the 16 characters of a DICOM decimal can say."""
    from pydicom.valuerep import format_number_as_ds

    return float(format_number_as_ds(float(value)))


def _whole(values: NDArray[Any]) -> Stored | None:
    """Whole numbers as they are, or counted from the least; None where they span more than 16 bits."""
    if values.dtype.str[1:] in {"u1", "u2", "i2"}:
        return Stored(values.astype(values.dtype.newbyteorder("="), copy=False))
    if values.dtype == np.bool_:
        return Stored(values.astype(np.uint8))
    low, high = int(values.min()), int(values.max())
    if low >= -32768 and high <= 32767:
        return Stored(values.astype(np.int16))
    if low >= 0 and high <= _LEVELS:
        return Stored(values.astype(np.uint16))
    step = 1
    if high - low > _LEVELS:
        step = int(np.gcd.reduce(np.unique(values).astype(object) - low))
    if high - low > _LEVELS * step or short_decimal(low) != low or short_decimal(step) != step:
        return None
    return Stored(((values - low) // step).astype(np.uint16), float(step), float(low))


def _even_steps(values: NDArray[Any]) -> Stored | None:
    """Fractions that were whole numbers times a slope before (PET, most parametric maps); None where they were not."""
    known = np.unique(values)
    low, high = float(known[0]), float(known[-1])
    if len(known) == 1:
        return _on(values, 1.0, low)
    steps = round((high - low) / float(np.diff(known.astype(np.float64)).min()))
    if steps > _LEVELS:
        return None
    slope = min(_slopes(known, steps), key=lambda one: _on(known, one, low).error)
    stored = _on(values, slope, low)
    return stored if stored.error <= _ROUNDING * max(abs(low), abs(high)) else None


def _slopes(known: NDArray[Any], steps: int) -> tuple[float, ...]:
    """What the slope may have been: from the ends, from all values together, and that as a 32-bit number."""
    rise = known.astype(np.float64) - float(known[0])
    numbers = np.rint(rise / (rise[-1] / steps))
    fitted = float(numbers @ rise / (numbers @ numbers))
    return float(rise[-1] / steps), fitted, float(np.float32(fitted))


def _rounded(values: NDArray[Any]) -> Stored:
    low, high = float(values.min()), float(values.max())
    return _on(values, (high - low) / _LEVELS, low)


def _on(values: NDArray[Any], slope: float, intercept: float) -> Stored:
    """Values on the steps of a slope, and what a reader of the same kind of number will differ by."""
    slope, intercept = short_decimal(slope), short_decimal(intercept)
    numbers = np.clip(np.rint((values - intercept) / slope), 0, _LEVELS).astype(np.uint16)
    back = numbers * np.float64(slope) + intercept
    kind = values.dtype if values.dtype.kind == "f" else np.dtype(np.float64)
    error = np.abs(back.astype(kind).astype(np.float64) - values.astype(np.float64)).max()
    return Stored(numbers, slope, intercept, float(error))
