"""Rules of the preparation: how every case is brought to one grid with as little change as its pixels allow."""

from __future__ import annotations

import math

from isocenter.core.fingerprint import ChannelFacts, Fingerprint
from isocenter.core.recipe import StepRecipe
from isocenter.core.words import listed
from isocenter.learning.planning.reasons import Reasons
from isocenter.learning.planning.wishes import Wishes

SMALL_SIDE = 64
"""Images up to this size are taken as they are."""

MIDDLE_SIDE = 128
"""The longest side that larger images are brought to."""

LARGEST_VOLUME = 48**3
"""Voxels of a prepared volume on a processor; eight times as many on a GPU."""

UNITS = ("hu", "suv")
"""Meanings of values that are the same on every scanner: Hounsfield units, standardised uptake."""

COLOURS = ("red", "green", "blue", "alpha")


def preparation_for(
    fingerprint: Fingerprint, wishes: Wishes, reasons: Reasons
) -> tuple[tuple[StepRecipe, ...], tuple[int, ...], str]:
    """Bring every case to one grid with as little change as its pixels allow.

    Stands on: images of 64 pixels and less lose by any resampling; on larger ones the published MedMNIST+ series shows
    no gain beyond 128 pixels for most sets; 8-bit pixels stay 8-bit, so that nothing is lost and the cache is small.
    """
    volume = fingerprint.dimensions == 3
    steps = [StepRecipe(step="orient", settings={"dimensions": fingerprint.dimensions})]
    eight_bit = all(set(one.dtypes) == {"uint8"} for one in fingerprint.channels)
    if any(_colour(one.name) for one in fingerprint.channels):
        coloured = any(one.colours == 3 for one in fingerprint.channels)
        steps.append(StepRecipe(step="colour" if coloured else "grey"))
        if not coloured:
            reasons.note("preparation.grey", "The colour images hold the same value in every colour.")
    if volume and fingerprint.spacing_known == 1.0 and _uneven(fingerprint):
        spacing = [fingerprint.spacing[axis].middle for axis in "xyz"]
        steps.append(StepRecipe(step="resample", settings={"spacing": spacing}))
        reasons.note("preparation.resample", "Spacing differs between scans: all are brought to the middle one.")
    stored = "uint8"
    if not eight_bit:
        steps.append(_intensity_step(fingerprint.channels, reasons))
        stored = "float32" if steps[-1].settings.get("scale") == "unit" else "uint8"
    shape = shape_for(fingerprint, wishes, reasons)
    steps.append(StepRecipe(step="resize", settings={"shape": list(shape), "method": _manner(fingerprint, reasons)}))
    return tuple(steps), shape, stored


def shape_for(fingerprint: Fingerprint, wishes: Wishes, reasons: Reasons) -> tuple[int, ...]:
    """The prepared size: that of small images as it is, at most 128 pixels of larger ones, volumes by their voxels."""
    axes = "xyz"[: fingerprint.dimensions]
    middle = [fingerprint.sizes[axis].middle for axis in axes]
    longest = max(middle)
    if wishes.size:
        factor = wishes.size / longest
        reasons.note("input.shape", "The size was asked for.")
    elif fingerprint.dimensions == 3:
        allowed = LARGEST_VOLUME * (8 if fingerprint.machine.gpu else 1)
        factor = min(1.0, (allowed / math.prod(middle)) ** (1 / 3))
        reasons.note("input.shape", f"The middle size of the volumes, kept to {allowed:,} voxels for this machine.")
    else:
        factor = 1.0 if longest <= SMALL_SIDE else min(1.0, MIDDLE_SIDE / longest)
        kept = (
            "the images are small and taken as they are" if factor == 1.0 else "more pixels cost more than they bring"
        )
        reasons.note("input.shape", f"Middle size {'x'.join(f'{one:.0f}' for one in middle)}: {kept}.")
    return tuple(max(8, round(one * factor)) for one in reversed(middle))


def channel_names(fingerprint: Fingerprint, steps: tuple[StepRecipe, ...]) -> tuple[str, ...]:
    """The channels after colours were joined or parted; each of several images carries its name before a dot."""
    used = {one.step for one in steps}
    names = [one.name for one in fingerprint.channels]
    if not used & {"grey", "colour"}:
        return tuple(names)
    images = list(dict.fromkeys(name.rpartition(".")[0] if _colour(name) else name for name in names))
    alone = len(images) == 1 or not any("." in name for name in names)
    if "grey" in used:
        return ("intensity",) if alone else tuple(images)
    return COLOURS[:3] if alone else tuple(f"{image}.{colour}" for image in images for colour in COLOURS[:3])


def _uneven(fingerprint: Fingerprint) -> bool:
    """Whether spacing differs by more than a tenth between the scans of a cohort."""
    return any(one.high > 1.1 * one.low for one in fingerprint.spacing.values())


def _manner(fingerprint: Fingerprint, reasons: Reasons) -> str:
    """Stretch where all images have nearly one shape; else keep the aspect and pad."""
    sizes = fingerprint.sizes
    ratios = [sizes["x"].low / sizes["y"].high, sizes["x"].high / sizes["y"].low]
    if ratios[1] / max(ratios[0], 1e-6) < 1.3:
        return "stretch"
    reasons.note("preparation.resize", "The images have different shapes: their aspect is kept and the rest filled up.")
    return "fit"


def _intensity_step(channels: tuple[ChannelFacts, ...], reasons: Reasons) -> StepRecipe:
    """Units mean the same on every scanner; values without one are scaled by what each image holds."""
    own = [one.intensity not in UNITS for one in channels]
    if not any(own):
        reasons.note("preparation.window", "Values with a unit, between percentiles of the training cases.")
        return StepRecipe(step="window", settings={"scale": "unit"})
    if all(own) or any(_colour(one.name) for one in channels):
        reasons.note("preparation.window", "Values without a unit: each image between percentiles of its own.")
        return StepRecipe(step="window", settings={"each_image": True})
    without = listed([one.name for one, alone in zip(channels, own, strict=True) if alone])
    reasons.note("preparation.window", f"{without}: no unit, each image between percentiles of its own.")
    return StepRecipe(step="window", settings={"each_image": own, "scale": "unit"})


def _colour(name: str) -> bool:
    return name.rpartition(".")[2] in COLOURS
