"""From stored numbers to measured ones: rescale, lookup tables, the file's window, and what is bright."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from isocenter.data.formats.dicom.enhanced import number
from isocenter.data.formats.dicom.records import Common, Slice

Array = NDArray[Any]
Rescale = tuple[float, float] | None

PARAMETRIC_MAP = "1.2.840.10008.5.1.4.1.1.30"


def is_colour(common: Common) -> bool:
    """Whether a picture has three colour channels once it is read."""
    return common.photometric == "PALETTE COLOR" or (common.samples or 1) >= 3


def stored_dtype(common: Common) -> np.dtype[Any]:
    """The type of the numbers in the file."""
    if common.pixels in ("float", "double"):
        return np.dtype("f4" if common.pixels == "float" else "f8")
    if common.photometric == "PALETTE COLOR":
        return np.dtype("u1")
    allocated = common.bits_allocated or 8
    width = next((bytes_ for bytes_ in (1, 2, 4, 8) if allocated <= bytes_ * 8), 8)
    return np.dtype(f"{'i' if common.signed == 1 and not is_colour(common) else 'u'}{width}")


def stored_range(common: Common) -> tuple[int, int]:
    """The least and the largest number that the stored bits can hold."""
    bits = common.bits_stored or common.bits_allocated or 8
    return (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if common.signed == 1 else (0, (1 << bits) - 1)


def scaled_dtype(common: Common, rescale: Rescale) -> np.dtype[Any]:
    """The type of the numbers after rescaling: whole where all of it is whole."""
    stored = stored_dtype(common)
    if common.modality_lut:
        return np.dtype("i4")
    if rescale is None or rescale == (1.0, 0.0) or is_colour(common) or stored.kind == "f":
        return stored
    if not all(float(value).is_integer() for value in rescale):
        return np.dtype("f4")
    ends = [end * rescale[0] + rescale[1] for end in stored_range(common)]
    for name in ("i2", "i4"):
        if np.iinfo(name).min <= min(ends) and max(ends) <= np.iinfo(name).max:
            return np.dtype(name)
    return np.dtype("f4")


def rescale_of(one: Slice) -> Rescale:
    """Slope and intercept of a slice; the scaling of a dose counts as its slope."""
    scaling = one.common.dose_scaling
    if scaling:
        return (scaling, 0.0)
    if is_colour(one.common):
        return None
    if one.common.real_world and (is_philips_mr(one.common) or one.common.sop_class == PARAMETRIC_MAP):
        return one.common.real_world
    if one.common.philips_scale and is_philips_mr(one.common):
        slope, intercept = one.rescale or (1.0, 0.0)
        return (1 / one.common.philips_scale, intercept / (slope * one.common.philips_scale)) if slope else one.rescale
    return one.rescale


def is_philips_mr(common: Common) -> bool:
    """Philips MR stores numbers that compare only once its own scale, or the real-world line, is applied."""
    return common.modality == "MR" and "PHILIPS" in (common.manufacturer or "").upper()


def dtype_of(slices: Collection[Slice]) -> np.dtype[Any]:
    """One type that holds every slice."""
    if len(slices) == 1:
        (only,) = slices
        return scaled_dtype(only.common, rescale_of(only))
    sources = {(id(one.common), rescale_of(one)): one.common for one in slices}
    kinds = {scaled_dtype(common, rescale) for (_, rescale), common in sources.items()}
    if len(kinds) == 1:
        return kinds.pop()
    found = np.result_type(*kinds)
    stored = {stored_dtype(one.common) for one in slices}
    return np.dtype("f4") if found == np.float64 and np.dtype("f8") not in stored else found


def measured(frame: Array, one: Slice, dataset: Any, dtype: np.dtype[Any]) -> Array:
    """The numbers that a frame stands for."""
    if one.common.modality_lut:
        from pydicom.pixels.processing import apply_modality_lut

        return np.asarray(apply_modality_lut(frame, dataset)).astype(dtype)
    rescale = rescale_of(one)
    if rescale is None or rescale == (1.0, 0.0):
        return frame.astype(dtype, copy=False)
    if dtype.kind in "iu":
        return (frame.astype(np.int64) * int(rescale[0]) + int(rescale[1])).astype(dtype)
    return (frame.astype(np.float64) * rescale[0] + rescale[1]).astype(dtype)


def inverted(values: Array, one: Slice, dataset: Any) -> Array:
    """The same numbers turned round within their range, so that larger is brighter."""
    low, high = _ends(values, one, dataset)
    wide = values.astype(np.float64 if values.dtype.kind == "f" else np.int64)
    return (low + high - wide).astype(values.dtype)


def _ends(values: Array, one: Slice, dataset: Any) -> tuple[Any, Any]:
    if one.common.modality_lut:
        table = np.asarray(dataset.ModalityLUTSequence[0].LUTData, dtype=np.int64)
        return int(table.min()), int(table.max())
    if one.common.pixels != "integer":
        return values.min(), values.max()
    slope, intercept = rescale_of(one) or (1.0, 0.0)
    low, high = (end * slope + intercept for end in stored_range(one.common))
    return (low, high) if values.dtype.kind == "f" else (int(low), int(high))


class Window(NamedTuple):
    """The file's own window: which values become black and white, and how those between follow."""

    center: float
    width: float
    function: str = "LINEAR"

    def apply(self, values: Array) -> Array:
        """Values from 0 to 255."""
        given = values.astype(np.float64)
        if self.function == "SIGMOID":
            shown = 1 / (1 + np.exp(np.clip(-4 * (given - self.center) / self.width, -700, 700)))
        elif self.function == "LINEAR_EXACT" or self.width <= 1:
            shown = (given - self.center) / max(self.width, 1e-9) + 0.5
        else:
            # The standard's linear function counts whole grey levels, hence the halves and ones.
            shown = (given - (self.center - 0.5)) / (self.width - 1) + 0.5
        return np.rint(np.clip(shown, 0, 1) * 255).astype(np.uint8)


def window_of(dataset: Any, frame: int) -> Window | None:
    """The first window that the file gives for a frame."""
    for source in _window_sources(dataset, frame):
        center, width = _first_number(source, "WindowCenter"), _first_number(source, "WindowWidth")
        if center is not None and width is not None and width > 0:
            return Window(center, width, str(source.get("VOILUTFunction") or "LINEAR"))
    return None


def _window_sources(dataset: Any, frame: int) -> Iterable[Any]:
    per_frame = dataset.get("PerFrameFunctionalGroupsSequence") or ()
    shared = dataset.get("SharedFunctionalGroupsSequence") or ()
    for groups in ([per_frame[frame]] if frame < len(per_frame) else []) + list(shared[:1]):
        found = groups.get("FrameVOILUTSequence")
        if found:
            yield found[0]
    yield dataset


def _first_number(source: Any, name: str) -> float | None:
    value = source.get(name)
    if value is not None and not isinstance(value, int | float | str) and hasattr(value, "__len__"):
        try:
            return float(value[0]) if len(value) else None
        except (TypeError, ValueError):
            return None
    return number(source, name)


class Table(NamedTuple):
    """The file's own table from values to grey levels: where it begins, and the levels."""

    start: int
    levels: Array

    def apply(self, values: Array) -> Array:
        """Values from 0 to 255."""
        index = np.clip(np.rint(values.astype(np.float64)) - self.start, 0, len(self.levels) - 1).astype(np.int64)
        span = max(float(self.levels.max() - self.levels.min()), 1.0)
        return np.rint((self.levels[index] - self.levels.min()) / span * 255).astype(np.uint8)


def table_of(dataset: Any) -> Table | None:
    """The first VOI lookup table of a file."""
    tables = dataset.get("VOILUTSequence")
    if not tables:
        return None
    data = tables[0].LUTData
    levels = np.frombuffer(data, np.uint16) if isinstance(data, bytes) else np.asarray(data)
    return Table(int(tables[0].LUTDescriptor[1]), levels.astype(np.float64))
