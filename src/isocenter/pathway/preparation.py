"""The preparation of a case: its channels laid together, then step after step, the same in training and at work."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import product, takewhile
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from isocenter.core import registry
from isocenter.core.errors import UsageError
from isocenter.core.image import Image, Intensity
from isocenter.core.recipe import InputRecipe, StepRecipe
from isocenter.core.registry import unknown
from isocenter.pathway import prepare
from isocenter.pathway.prepare._shared import Step, StepSettings, finite

Given = TypeVar("Given")
Made = TypeVar("Made")


@dataclass(frozen=True, slots=True)
class Prepared:
    """What a model is given, and what is needed to put its answer back.

    Attributes:
        array: channel, [slice,] row, column; of the dtype that the recipe stores.
        image: the same with its geometry after the last step.
        missing: channels that the case does not have and that are blank.
    """

    array: NDArray[Any]
    image: Image
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Ready:
    name: str
    step: Step
    settings: StepSettings


class Preparation:
    """The fitted way of an image."""

    def __init__(self, steps: Sequence[StepRecipe], wanted: InputRecipe) -> None:
        self._steps = [_ready(one) for one in steps]
        self._wanted = wanted

    @property
    def key(self) -> str:
        """A text that names the preparation with all its settings: the same text, the same arrays."""
        steps = [[one.name, one.settings.model_dump(mode="json")] for one in self._steps]
        wanted = [self._wanted.channels, self._wanted.shape, self._wanted.stored]
        return json.dumps([steps, wanted], sort_keys=True)

    def apply(self, channels: Mapping[str, Image]) -> Prepared:
        """Prepare one case.

        Args:
            channels: channel name to image, as read; all on one grid.
        """
        apart, together = _parted(self._steps)
        for one in apart:
            channels = {name: one.step.apply(image, one.settings) for name, image in channels.items()}
        image, missing = assembled(channels, self._wanted.channels)
        for one in together:
            image = one.step.apply(image, one.settings)
        expected = self._wanted.array_shape
        if image.array.shape != expected:
            raise UsageError(
                f"A prepared image must have the shape {expected}, got {image.array.shape}",
                remedy="Let the recipe's preparation end with a step that sets the size, such as `resize`",
            )
        image = _blanked(image, [self._wanted.channels.index(name) for name in missing])
        return Prepared(_stored(image.array, self._wanted.stored), image, missing)


def fit_steps(
    steps: Sequence[StepRecipe], cases: Sequence[Mapping[str, Image]], wanted: Sequence[str]
) -> tuple[tuple[StepRecipe, ...], list[Image]]:
    """Let each step learn from training cases, one after the other.

    A case that a step refuses is left out from there on, as it will be when the cases are prepared.

    Returns:
        The completed steps, and the images after the last one, for the mean and deviation of the input.
    """
    apart, together = _parted([_ready(one) for one in steps])
    fitted = []
    for one in apart:
        settings = one.step.fit([image for case in cases for image in case.values()], one.settings)
        cases = _bearing(cases, partial(_each, one.step, settings))
        fitted.append(_completed(one, settings))
    images = _bearing(cases, lambda case: assembled(case, wanted)[0])
    for one in together:
        settings = one.step.fit(images, one.settings)
        images = _bearing(images, partial(_one, one.step, settings))
        fitted.append(_completed(one, settings))
    return tuple(fitted), images


def assembled(channels: Mapping[str, Image], wanted: Sequence[str]) -> tuple[Image, tuple[str, ...]]:
    """Lay the wanted channels together in their order; a missing one is blank and told.

    A wanted channel is a channel of one of the images. Where an image has several, its name and theirs are joined by a
    dot in case of doubt; a single image with a single channel fits a single wanted channel under any name. What is not
    a number becomes the lowest value of its channel.
    """
    parts = channel_arrays(channels)
    if len(parts) == 1 and len(channels) == 1 and (alone := next(iter(channels))) in wanted:
        parts = {alone: channels[alone]}  # the one that is left of several channels goes by the name of its image
    if len(wanted) == 1 and len(parts) == 1:
        name, image = next(iter(parts.items()))
        image = image if name == wanted[0] else replace(image, channels=tuple(wanted))
        return _sound(image), ()
    found = {name: parts[name] for name in wanted if name in parts}
    if not found:
        raise UsageError(
            f"None of the channels {', '.join(wanted)} is there",
            why=f"the case has {', '.join(parts) or 'no image'}",
            remedy="Give a case with the channels that the model was trained on",
        )
    first = _on_one_grid(found)
    if len(channels) == 1 and tuple(parts) == tuple(wanted):
        return _sound(next(iter(channels.values()))), ()
    dtype = np.result_type(*(image.array.dtype for image in found.values()))
    array = np.zeros((len(wanted), *first.array.shape[1:]), dtype)
    for position, name in enumerate(wanted):
        if name in found:
            array[position] = found[name].array[0]
    intensity = first.intensity if len({image.intensity for image in found.values()}) == 1 else Intensity.NAMED
    image = replace(first, array=array, channels=tuple(wanted), intensity=intensity)
    return _sound(image), tuple(name for name in wanted if name not in found)


def channel_arrays(channels: Mapping[str, Image]) -> dict[str, Image]:
    """Every channel as an image of its own, under its name; `image.channel` where images have several."""
    several = len(channels) > 1
    parts: dict[str, Image] = {}
    for name, image in channels.items():
        if len(image.channels) == 1:
            parts[name if several else image.channels[0]] = image
            continue
        for position, channel in enumerate(image.channels):
            label = f"{name}.{channel}" if several else channel
            parts[label] = replace(image, array=image.array[position : position + 1], channels=(channel,))
    return parts


def _on_one_grid(found: Mapping[str, Image]) -> Image:
    """The first of several channels, after making sure that a pixel is the same place in all of them."""
    name, first = next(iter(found.items()))
    for other, image in found.items():
        apart = _millimetres_apart(first, image)
        if image.axes != first.axes or image.array.shape[1:] != first.array.shape[1:]:
            why = f"{name} has the extent {first.array.shape[1:]}, {other} {image.array.shape[1:]}"
        elif apart > min(first.geometry.spacing) / 2:
            why = f"{name} and {other} lie up to {apart:.1f} mm apart"
        else:
            continue
        raise UsageError(
            "The channels of a case must lie on one grid",
            why=why,
            remedy="Register and resample them onto the grid of one of them first",
        )
    return first


def _millimetres_apart(one: Image, other: Image) -> float:
    """How far the corners of two grids of one extent lie apart; 0 where one of them has no known place."""
    if one.size != other.size or not (one.geometry.placed and other.geometry.placed):
        return 0.0
    corners = list(product(*((0, steps - 1) for steps in one.size)))
    apart = one.geometry.points(corners) - other.geometry.points(corners)
    return float(np.linalg.norm(apart, axis=1).max())


def _ready(given: StepRecipe) -> _Ready:
    step: Step = registry.get(prepare, given.step, "STEP")
    try:
        return _Ready(given.step, step, step.settings.model_validate(given.settings))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        if first["type"] == "extra_forbidden":
            near = unknown("setting", place, step.settings.model_fields)
            raise UsageError(
                f"The preparation step `{given.step}` has no setting `{place}`", remedy=near.remedy
            ) from error
        rule = f"`{place}` of the preparation step" if place else "The settings of the preparation step"
        raise UsageError(
            f"{rule} `{given.step}` must fit their rule, got {first.get('input')!r}", why=first["msg"]
        ) from error


def _parted(steps: Sequence[_Ready]) -> tuple[Sequence[_Ready], Sequence[_Ready]]:
    """The steps that work on every image of a case by itself, and those that work on all channels laid together."""
    count = sum(1 for _ in takewhile(lambda one: one.step.each, steps))
    return steps[:count], steps[count:]


def _one(step: Step, settings: StepSettings, image: Image) -> Image:
    return step.apply(image, settings)


def _each(step: Step, settings: StepSettings, case: Mapping[str, Image]) -> Mapping[str, Image]:
    return {name: step.apply(image, settings) for name, image in case.items()}


def _bearing(given: Sequence[Given], work: Callable[[Given], Made]) -> list[Made]:
    """What becomes of those that are not refused; the refusal itself where all of them are."""
    made: list[Made] = []
    refusal: UsageError | None = None
    for one in given:
        try:
            made.append(work(one))
        except UsageError as error:
            refusal = error
    if refusal is not None and not made:
        raise refusal
    return made


def _completed(one: _Ready, settings: StepSettings) -> StepRecipe:
    return StepRecipe(step=one.name, settings=settings.model_dump(mode="json"))


def _sound(image: Image) -> Image:
    array = finite(image.array)
    return image if array is image.array else replace(image, array=array)


def _blanked(image: Image, missing: Sequence[int]) -> Image:
    """The image with missing channels 0 throughout, whatever the steps made of them."""
    if not missing:
        return image
    array = image.array.copy()
    array[list(missing)] = 0
    return replace(image, array=array)


def _stored(array: NDArray[Any], stored: str) -> NDArray[Any]:
    if stored == "float32":
        return np.ascontiguousarray(array, dtype=np.float32)
    if array.dtype != np.uint8:
        low, high = float(array.min()), float(array.max())
        if low < -0.5 or high > 255.5:
            raise UsageError(
                f"Prepared values must lie between 0 and 255 to be stored as uint8, got {low:g} to {high:g}",
                remedy="Let a step `window` stand in the recipe's preparation, or store them as float32",
            )
        array = np.clip(np.rint(array), 0, 255).astype(np.uint8)
    return np.ascontiguousarray(array)
