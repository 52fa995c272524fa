"""From files to the images in them: the step that describing and reading share, so that both see the same geometry."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

from isocenter.core.errors import Unreadable
from isocenter.core.image import Intensity
from isocenter.data.formats.dicom import enhanced, mosaic, multiframe
from isocenter.data.formats.dicom.records import Common, Slice
from isocenter.data.formats.dicom.series import Stack
from isocenter.data.formats.dicom.suv import Uptake, uptake
from isocenter.data.formats.dicom.values import PARAMETRIC_MAP, dtype_of, is_colour, is_philips_mr

SEGMENTATIONS = frozenset(
    ("1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7")  # Segmentation, Label Map Segmentation
)
STRUCTURES = "1.2.840.10008.5.1.4.1.1.481.3"
_MEDIA_DIRECTORY = "1.2.840.10008.1.3.10"
_PET = frozenset(("PT",))


def refuse_without_pixels(record: Slice) -> None:
    """Refuse a file that is no image, by the name of what it is."""
    common = record.common
    if common.pixels is None:
        name = words_of(common.sop_class)
        said = f"is {name}, which holds no pixels" if name else "holds no pixels"
        raise Unreadable(record.path, why=said)
    if not common.rows or not common.columns:
        raise Unreadable(record.path, why="does not say how many rows and columns its pixels have")


def words_of(sop_class: str | None) -> str:
    """What a SOP class is called; empty where nobody knows it."""
    if sop_class is None:
        return ""
    if sop_class == _MEDIA_DIRECTORY:
        return "a DICOMDIR, the index of other files"
    from pydicom.uid import UID

    name = str(UID(sop_class).name)
    if name == sop_class:
        return f"of an unknown class ({sop_class})"
    short = name.removesuffix(" Storage")
    spelt = len(short.split()[0]) <= 3 and short.split()[0].isupper()
    article = "an" if short[0] in ("AEFHILMNORSX" if spelt else "AEIOU") else "a"
    return f"{article} {short} object"


def is_plain(common: Common) -> bool:
    """Whether a file holds one picture and nothing more has to be looked up in it."""
    return (common.frames or 1) == 1 and not _has_groups(common) and not mosaic.is_mosaic(common)


def _has_groups(common: Common) -> bool:
    return common.functional_groups or common.sop_class in enhanced.MUST_BE_PLACED


def expanded(dataset: Any, record: Slice) -> list[Slice]:
    """The slices of one file that is not plain."""
    if _has_groups(record.common):
        slices = enhanced.expand(dataset, record)
        if any(one.position is not None for one in slices):
            return slices
        return _unplaced(slices)
    if mosaic.is_mosaic(record.common) and (record.common.frames or 1) == 1:
        return mosaic.expand(dataset, record) if mosaic.is_tiled(dataset, record) else [record]
    return multiframe.expand(dataset, record)


def _unplaced(slices: list[Slice]) -> list[Slice]:
    """Frames that lie nowhere in particular: over time, at their own times or at those of the frame rate."""
    if len(slices) == 1:
        return slices
    stamps = [one.moment.acquisition_time for one in slices]
    times = multiframe.frame_times(slices[0].common, len(slices))
    known = [stamp for stamp in stamps if stamp is not None]
    if len(known) == len(slices) and all(later > earlier for earlier, later in pairwise(known)):
        times = tuple(round(stamp - known[0], 6) for stamp in known)
    return [
        replace(one, moment=one.moment._replace(trigger_time=times[index] if times else None))
        for index, one in enumerate(slices)
    ]


def meaning(stack: Stack) -> Uptake:
    """What the values of an image mean, and by what to multiply them first."""
    common = stack.first.common
    if is_colour(common):
        return Uptake(1.0, Intensity.RGB, "")
    if common.modality in _PET and common.pixels == "integer":
        return uptake(stack.all_slices)
    if common.sop_class in (PARAMETRIC_MAP, multiframe.RT_DOSE):
        return Uptake(1.0, Intensity.QUANTITY, "")
    if common.modality == "CT":
        return _hounsfield(stack)
    if is_philips_mr(common) and (common.real_world or common.philips_scale):
        how = "the real-world mapping" if common.real_world else "the private scale slope (2005,100E)"
        return Uptake(1.0, Intensity.RAW, f"values are the precise ones of Philips, by {how}, not the displayed ones")
    return Uptake(1.0, Intensity.RAW, "")


def _hounsfield(stack: Stack) -> Uptake:
    common = stack.first.common
    if (common.rescale_type or "HU").upper() not in ("HU", "US"):
        return Uptake(1.0, Intensity.QUANTITY, f"values are {common.rescale_type}, not Hounsfield units")
    if stack.first.rescale is None and not common.modality_lut:
        if common.signed == 1:
            return Uptake(1.0, Intensity.HU, "no rescale tags: stored values taken for Hounsfield units")
        return Uptake(1.0, Intensity.RAW, "no rescale tags: values are not Hounsfield units")
    return Uptake(1.0, Intensity.HU, "")


def dtype_name(stack: Stack, factor: float) -> str:
    """The type of the numbers as they will be read."""
    return "float32" if factor != 1.0 else dtype_of(stack.all_slices).name


def channels_of(stack: Stack) -> int:
    """How many channels an image has."""
    return 3 if is_colour(stack.first.common) else 1


def axes_of(stack: Stack) -> tuple[str, tuple[int, ...]]:
    """The axes and the shape of an image as it will be read."""
    columns, rows, depth = stack.size
    times = len(stack.slices)
    axes = "C" + ("T" if times > 1 else "") + ("Z" if depth > 1 else "") + "YX"
    steps = {"C": channels_of(stack), "T": times, "Z": depth, "Y": rows, "X": columns}
    return axes, tuple(steps[axis] for axis in axes)
