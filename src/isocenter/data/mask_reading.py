"""From what a reader drew to a label map: each class by its number, whatever the file's own values are."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from isocenter.core.errors import GeometryRefused, Unreadable
from isocenter.core.image import Image, ImageFacts, Intensity
from isocenter.core.labels import MaskValue
from isocenter.core.words import listed
from isocenter.data.files import describe, read_facts
from isocenter.data.formats._shared import ReadOptions
from isocenter.data.mask_values import codes, is_background, read_mask

_TOLERANCE = 0.1
"""How far a voxel of the mask may lie from one of the image, as a part of a voxel."""


def read_mask_value(value: MaskValue) -> Image:
    """A mask as a label map: 0 is background, the classes follow from 1 in the order of the file's own values.

    Values that lie between two known ones count as the nearest where ingest found such noise, as JPEG leaves it; any
    other unknown value raises `Unreadable`, since it may be a class that nobody has named. Regions that may overlap
    come as one channel each, holding 1 where the region is.
    """
    parts = _facts(value)
    if len(parts[0].channels) > 1 and parts[0].role == "mask":
        return _regions(parts[0], value)
    image, *others = [_label_map(facts, value) for facts in parts]
    for other in others:
        if other.array.shape != image.array.shape:
            raise _elsewhere("the files of one mask differ in size")
        image = replace(image, array=np.where(other.array != 0, other.array, image.array))
    return image


def _label_map(facts: ImageFacts, value: MaskValue) -> Image:
    image = read_mask(facts)
    known = sorted(value.mapping)
    names = [value.mapping[number] for number in known]
    if not known:
        return replace(image, intensity=Intensity.LABEL)
    pixels = codes(image)
    numbers = _numbers(known, names)
    classes = {int(number): name for number, name in zip(numbers, names, strict=True) if number}
    if known[0] != 0:
        known, numbers = [0, *known], np.concatenate([[0], numbers])
    if not value.noisy:
        _refuse_unknown(facts.files[0], pixels, known)
    array = numbers[_nearest(pixels, np.asarray(known))].reshape((1, *pixels.shape))
    return replace(image, array=array, channels=("label",), intensity=Intensity.LABEL, classes=classes)


def _refuse_unknown(path: str, pixels: NDArray[np.int64], known: list[int]) -> None:
    strange = np.unique(pixels[~np.isin(pixels, known)]).tolist()
    if strange:
        values = listed([str(one) for one in strange], most=3)
        raise Unreadable(
            path,
            why=f"pixel value {values} is not among those that ingest understood ({listed([str(n) for n in known])})",
            remedy="Run ingest again where the mask was changed; else correct the mask",
        )


def _facts(value: MaskValue) -> list[ImageFacts]:
    """The image in each of the files: regions of one mask may lie in files of their own."""
    found = describe(Path(path) for path in value.files)
    fitting = [image for image in found.images if image.part == value.part]
    if not fitting:
        reason = found.refused[0].reason if found.refused else "the mask is no longer in the file."
        raise Unreadable(f"{value.files[0]}", why=reason)
    return fitting


def _regions(facts: ImageFacts, value: MaskValue) -> Image:
    image = read_facts(facts, ReadOptions())
    if value.channel is None or value.channel not in image.channels:
        return image
    place = image.channels.index(value.channel)
    return replace(image, array=image.array[place : place + 1], channels=(value.channel,))


def _numbers(known: list[int], names: list[str]) -> NDArray[np.int64]:
    """The class number of each known value: 0 for background, the others counted from 1; one name has one number."""
    order: dict[str, int] = {}
    for number, name in zip(known, names, strict=True):
        if not is_background(number, name):
            order.setdefault(name, len(order) + 1)
    return np.asarray([order.get(name, 0) for name in names], dtype=np.int64)


def _nearest(pixels: NDArray[np.int64], known: NDArray[np.int64]) -> NDArray[np.int64]:
    """The position of the nearest known value of every pixel."""
    right = np.clip(np.searchsorted(known, pixels), 1, len(known) - 1) if len(known) > 1 else np.zeros_like(pixels)
    left = np.maximum(right - 1, 0)
    closer = np.abs(pixels - known[left]) <= np.abs(known[right] - pixels)
    return np.asarray(np.where(closer, left, right), dtype=np.int64)


def laid_on(mask: Image, image: Image) -> Image:
    """The mask on the very grid of the image it was drawn on; a mask of a part of the slices is filled up with 0.

    Raises:
        GeometryRefused: where the mask's voxels do not lie on voxels of the image.
    """
    if "Z" in mask.axes and "Z" not in image.axes and mask.extent("Z") == 1:
        mask = replace(mask, array=mask.array.squeeze(mask.axes.index("Z")), axes=mask.axes.replace("Z", ""))
    if not (mask.geometry.placed and image.geometry.placed) or "Z" not in mask.axes or "Z" not in image.axes:
        if mask.size != image.size:
            raise _elsewhere(f"it has {_by(mask.size)} pixels and the image {_by(image.size)}")
        return mask
    turned = mask.oriented(image.geometry.orientation)
    first = image.geometry.indices(turned.geometry.origin)
    last = image.geometry.indices(turned.geometry.points([step - 1 for step in turned.size]))
    start = np.round(first).astype(int)
    expected = start + np.asarray(turned.size) - 1
    if max(np.abs(first - start).max(), np.abs(last - expected).max()) > _TOLERANCE:
        raise _elsewhere("its voxels lie between those of the image")
    if (start < 0).any() or (expected >= np.asarray(image.size)).any():
        raise _elsewhere("it reaches beyond the image")
    columns, rows, slices = (slice(low, high + 1) for low, high in zip(start, expected, strict=True))
    array = np.zeros((*turned.array.shape[:-3], *image.size[::-1]), dtype=turned.array.dtype)
    array[..., slices, rows, columns] = turned.array
    return replace(turned, array=array, geometry=image.geometry)


def _elsewhere(why: str) -> GeometryRefused:
    return GeometryRefused("The mask does not lie on its image", why=why, remedy="Resample it onto the image's grid")


def _by(size: tuple[int, int, int]) -> str:
    return " x ".join(str(step) for step in size)
