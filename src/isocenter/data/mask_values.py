"""What the pixel values of masks stand for: 0 and 255, numbers with gaps, palettes, colours, and JPEG noise."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from isocenter.core.errors import Unreadable
from isocenter.core.image import Image, ImageFacts
from isocenter.core.words import listed
from isocenter.data.files import read_facts
from isocenter.data.formats._shared import ReadOptions

MOST_FILES = 1000
"""At most so many masks of a group are read to learn its values."""

FEWEST_FILES = 8
"""So many are read however large they are."""

MOST_VALUES = 64
"""A mask with more different values than these, noise apart, numbers its objects."""

_NOISE = 24
"""JPEG blurs an edge by about so many grey levels; smoothing leaves values in between as well."""

_CLEAN = 0.95
"""At least so large a share of pixels lies near a few values in a mask that was saved with losses."""

_SHARP, _SHARP_SMALL = 0.5, 0.25
"""Of the pixels near a true value at least this share is within 2 of it; the greys of a photograph spread wider.

Structures as small as `_SMALL` of the image are mostly edge, where JPEG blurs, and may reach the second share only.
"""

_SMALL = 0.1

_MOST_PIXELS = 300_000_000


@dataclass(frozen=True)
class Values:
    """The pixel values of a group of masks.

    Attributes:
        counts: value to number of pixels, noise gathered into the nearest true value.
        noisy: whether values between the true ones were found, as JPEG and smoothing leave them.
        many: whether there are too many values to be classes: each object has a number of its own.
        colour: whether the values are colours, as 0xRRGGBB.
        files: how many masks were read.
        of: how many there are.
    """

    counts: Mapping[int, int]
    noisy: bool = False
    many: bool = False
    colour: bool = False
    files: int = 0
    of: int = 0

    @property
    def loose(self) -> bool:
        """Whether masks may hold values that are no class of their own: noise, or numbers of objects."""
        return self.noisy or self.many

    def mapping(self, name: str, known: Mapping[int, str] | None = None) -> dict[int, str]:
        """Pixel value to class name; background is left out.

        Args:
            name: what a mask of one class shows.
            known: names that a header or a document gives to values.
        """
        if known:
            unnamed = {} if self.loose else {value: self.spelled(value) for value in self.counts if value != 0}
            return {
                value: word for value, word in sorted((unnamed | dict(known)).items()) if not is_background(value, word)
            }
        if self.many:
            return {min((value for value in self.counts if value), default=1): name}
        classes = [value for value in sorted(self.counts) if value != 0]
        if not classes:
            return {1: name}
        if len(classes) == 1:
            return {classes[0]: name}
        return {value: self.spelled(value) for value in classes}

    def spelled(self, value: int) -> str:
        """A value as people write it: a number, or a colour as #RRGGBB."""
        return f"#{value:06X}" if self.colour else str(value)

    def sentence(self, mapping: Mapping[int, str]) -> str:
        """`pixel values 0 and 255: background and vessels`."""
        full = ({} if 0 in mapping or 0 not in self.counts else {0: "background"}) | dict(mapping)
        part = f"; learnt from {self.files:,} of {self.of:,} masks" if self.files < self.of else ""
        if self.many:
            return f"each object has a pixel value of its own; all above 0 count as {listed([*mapping.values()])}{part}"
        values = listed([self.spelled(value) for value in sorted(full)], most=20)
        names = listed([full[value] for value in sorted(full)], most=20)
        noise = "; values in between, as JPEG leaves them, count as the nearest" if self.noisy else ""
        return f"pixel value{'s' if len(full) > 1 else ''} {values}: {names}{noise}{part}"


def is_background(value: int, name: str) -> bool:
    """Whether a value with a name is the background."""
    return value == 0 and name.strip().lower() in {"background", "bg", "unlabeled", "unlabelled", "clear label", "none"}


def codes(image: Image) -> NDArray[np.int64]:
    """The pixels of a mask as whole numbers (without the channel axis); colours become 0xRRGGBB."""
    array = image.array[:3] if image.array.shape[0] == 4 else image.array
    if array.shape[0] == 3:
        red, green, blue = (array[channel].astype(np.int64) for channel in range(3))
        if (red == green).all() and (green == blue).all():
            return np.asarray(red)
        return np.asarray((red << 16) | (green << 8) | blue)
    return np.asarray(np.rint(np.nan_to_num(array[0]))).astype(np.int64)


def read_mask(facts: ImageFacts) -> Image:
    """A mask with the numbers that its file keeps; a palette image gives its indices, not its colours."""
    if math.prod(facts.shape) > _MOST_PIXELS:
        raise Unreadable(f"{facts.files[0]}", why="has more pixels than a mask that is looked through")
    return read_facts(facts, ReadOptions(indices=True))


def learn(masks: Sequence[ImageFacts]) -> Values:
    """The values of a group of masks: of all of them, or of some evenly spread where they are many or large.

    Damaged ones are passed over.
    """
    counts: Counter[int] = Counter()
    read = 0
    for mask in spread(masks, _affordable(masks)):
        try:
            counts.update(_count(codes(read_mask(mask))))
        except Unreadable:
            continue
        read += 1
    return replace(_tidied(counts, read), of=len(masks))


def _affordable(masks: Sequence[ImageFacts]) -> int:
    """How many of the masks may be read without much waiting."""
    pixels = sum(math.prod(mask.shape) for mask in masks) / max(len(masks), 1)
    return max(FEWEST_FILES, min(MOST_FILES, int(_MOST_PIXELS / max(pixels, 1))))


def look_like_masks(images: Sequence[ImageFacts], *, most: int = 4) -> bool:
    """Whether a sample of images holds a few values only, as masks do."""
    read = 0
    for image in spread(images, most):
        try:
            array = codes(read_mask(image))
        except Unreadable:
            continue
        read += 1
        found = _tidied(_count(array), 1)
        crowded = found.many or len(found.counts) > max(4, array.size // 100)
        if crowded and not _numbers_objects(array):
            return False
    return read > 0


def spread(images: Sequence[ImageFacts], most: int) -> list[ImageFacts]:
    """At most `most` of the images, evenly spread."""
    if len(images) <= most:
        return list(images)
    return [images[place] for place in np.linspace(0, len(images) - 1, most).round().astype(int)]


def _count(array: NDArray[np.int64]) -> Counter[int]:
    if array.size and array.min() >= 0 and array.max() <= 0xFFFF:
        frequent = np.bincount(array.ravel())
        values = frequent.nonzero()[0]
        numbers = frequent[values]
    else:
        values, numbers = np.unique(array, return_counts=True)
    return Counter(dict(zip(values.tolist(), numbers.tolist(), strict=True)))


def _tidied(counts: Counter[int], files: int) -> Values:
    """Gather the noise around true values, where there is some."""
    colour = bool(counts) and max(counts) > 0xFFFF
    if len(counts) <= 2 or _evenly_few(counts):
        return Values(dict(counts), colour=colour, files=files)
    if not colour and max(counts) <= 255 and min(counts) >= 0:
        gathered = _gathered(counts)
        if gathered is not None:
            return Values(gathered, noisy=True, files=files)
    return Values(dict(counts), many=len(counts) > MOST_VALUES, colour=colour, files=files)


def _gathered(counts: Counter[int]) -> dict[int, int] | None:
    """Every pixel counted for the nearest true value; None where the values spread as in a photograph."""
    true = _peaks(counts)
    gathered = dict.fromkeys(true, 0)
    near: Counter[int] = Counter()
    sharp: Counter[int] = Counter()
    for value, number in counts.items():
        nearest = min(true, key=lambda one: abs(one - value))
        gathered[nearest] += number
        near[nearest] += number if abs(nearest - value) <= _NOISE else 0
        sharp[nearest] += number if abs(nearest - value) <= 2 else 0
    wanted = {value: _SHARP if near[value] > _SMALL * counts.total() else _SHARP_SMALL for value in true}
    clean = near.total() >= _CLEAN * counts.total()
    return gathered if clean and all(sharp[value] >= wanted[value] * near[value] for value in true) else None


def _evenly_few(counts: Counter[int]) -> bool:
    """Few values, and none of them as rare and as close to another as noise is."""
    if len(counts) > MOST_VALUES:
        return False
    if max(counts) <= _NOISE:
        return True
    total = sum(counts.values())
    close = [value for value in counts if any(0 < abs(value - other) <= 2 for other in counts)]
    return len(close) <= len(counts) // 2 or all(counts[value] > 0.002 * total for value in close)


def _peaks(counts: Counter[int]) -> list[int]:
    """Values that many pixels have, each the commonest of its neighbourhood."""
    total = sum(counts.values())
    peaks: list[int] = []
    for value, number in counts.most_common():
        if number < 0.002 * total and len(peaks) >= 2:
            break
        if all(abs(value - peak) > 2 * _NOISE for peak in peaks):
            peaks.append(value)
    return sorted(peaks)


def _numbers_objects(array: NDArray[np.int64]) -> bool:
    """Whether many values are numbered objects on a background: 0 is common, each value fills one patch."""
    flat = array.reshape(-1, array.shape[-1])
    inside = flat[:, :-1] != 0
    if not inside.any():
        return False
    alike = ((flat[:, 1:] == flat[:, :-1]) & inside).sum() / inside.sum()
    return bool((array == 0).mean() > 0.05 and alike > 0.7)
