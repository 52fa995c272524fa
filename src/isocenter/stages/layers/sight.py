"""How much of an image a place of the last map sees, what it heeds, and whether that covers what is to be found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from isocenter.core.anatomy import ReceptiveField
from isocenter.core.words import counted
from isocenter.drawing.look import share
from isocenter.pathway.preparation import Prepared
from isocenter.stages.layers.material import Material
from isocenter.stages.layers.results import Objects, Sight
from isocenter.stages.layers.subject import Subject

if TYPE_CHECKING:
    from isocenter.learning.anatomy import Anatomy

NOISES = 8
"""Images of noise, where there are no others."""

COVERED = 0.9
"""From this share of the objects on it is said that what a place heeds covers them."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What a place of the last map sees, and the strength with which each pixel moves it."""

    sight: Sight
    strength: NDArray[np.float64]


def seen(subject: Subject, found: Anatomy, given: Prepared | None, material: Material | None) -> Seen | None:
    """How far the middle place of the last map sees; None where there are no places."""
    theory, network = found.receptive_field, subject.network
    if network is None or theory is None or prod(found.last[1:]) == 1 or subject.recipe.input.features:
        return None
    from isocenter.learning.inside import effective_field, extent_of, heeded

    pixels, by = _images(subject, given, material)
    strength = effective_field(network, pixels)
    effective = extent_of(heeded(strength)) if strength.any() else None
    objects = None if material is None else material.objects(effective)
    sight = Sight(
        map=found.last,
        theory=theory,
        effective=effective,
        by=by,
        images=len(pixels),
        objects=objects,
        words=_words(theory, subject.recipe.input.shape, effective, objects),
    )
    return Seen(sight, strength)


def _images(
    subject: Subject, given: Prepared | None, material: Material | None
) -> tuple[NDArray[np.float32], Literal["image", "cohort", "noise"]]:
    if given is not None:
        return given.array[None].astype(np.float32), "image"
    if material is not None:
        return np.stack([one.array for one in material.prepared]).astype(np.float32), "cohort"
    from isocenter.learning.build import input_form
    from isocenter.learning.inside import noise

    return noise(input_form(subject.recipe), NOISES), "noise"


def _words(
    theory: ReceptiveField, shape: Sequence[int], effective: float | None, objects: Objects | None
) -> tuple[str, ...]:
    """What it comes to, in sentences."""
    if theory.whole:
        could = "can see the whole image"
    else:
        extents = [extent if size is None else size for size, extent in zip(theory.size, shape, strict=True)]
        could = f"can see {times(extents)} pixels, where the image has {times(shape)}"
    if effective is None:
        return (f"A place of the last map {could}; no pixel of what it was shown moved it.",)
    across = "across" if len(shape) == 2 else "across in each direction"
    return f"A place of the last map {could}; it heeds about {effective:.0f} {across}.", _judged(objects)


def _judged(objects: Objects | None) -> str:
    """Whether what a place heeds covers what there is to be seen, as far as anybody told."""
    if objects is None or objects.covered is None:
        return "How large the things are that it is to find is not known here: no cohort is at hand."
    cases, part = counted(objects.cases, "case"), objects.covered
    extents = times([round(one) for one in objects.extents])
    if objects.kind == "foreground":
        verdict = "all of that" if part >= COVERED else "a part of that, and the head puts the parts together"
        return (
            f"Nothing is outlined in this cohort, so that the size of what it is to find is not known. What is imaged "
            f"is typically {extents} pixels ({cases}): a place heeds {verdict}."
        )
    told = "outlined" if objects.kind == "masks" else "boxed"
    verdict = "It covers them" if part >= COVERED else "It covers a part of them, and the head puts the parts together"
    held = share(round(1000 * part), 1000)
    return (
        f"{verdict}: of {counted(objects.count, f'{told} object')} in {cases}, typically {extents} pixels, {held} "
        f"are no longer than that."
    )


def times(extents: Sequence[int]) -> str:
    """`224 x 224`."""
    return " x ".join(str(extent) for extent in extents)
