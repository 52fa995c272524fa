"""The preparation of a case: its channels laid together, then step after step, the same in training and at work."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from isocenter.core import registry
from isocenter.core.errors import UsageError
from isocenter.core.image import Image, Intensity
from isocenter.core.recipe import InputRecipe, StepRecipe
from isocenter.pathway import prepare
from isocenter.pathway.prepare._shared import Step, StepSettings


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
        image, missing = assembled(channels, self._wanted.channels)
        for one in self._steps:
            image = one.step.apply(image, one.settings)
        array = _stored(image.array, self._wanted.stored)
        expected = (len(self._wanted.channels), *self._wanted.shape)
        if array.shape != expected:
            raise UsageError(
                f"A prepared image must have the shape {expected}, got {array.shape}",
                remedy="Let the recipe's preparation end with a step that sets the size, such as `resize`",
            )
        return Prepared(array, image, missing)


def fit_steps(
    steps: Sequence[StepRecipe], cases: Sequence[Mapping[str, Image]], wanted: Sequence[str]
) -> tuple[tuple[StepRecipe, ...], list[Image]]:
    """Let each step learn from training cases, one after the other.

    Returns:
        The completed steps, and the images after the last one, for the mean and deviation of the input.
    """
    images = [assembled(case, wanted)[0] for case in cases]
    fitted = []
    for given in steps:
        ready = _ready(given)
        settings = ready.step.fit(images, ready.settings)
        images = [ready.step.apply(image, settings) for image in images]
        fitted.append(StepRecipe(step=given.step, settings=settings.model_dump(mode="json")))
    return tuple(fitted), images


def assembled(channels: Mapping[str, Image], wanted: Sequence[str]) -> tuple[Image, tuple[str, ...]]:
    """Lay the wanted channels together in their order; a missing one is blank and told.

    A wanted channel is a channel of one of the images. Where an image has several, its name and theirs are joined by a
    dot in case of doubt; a single image with a single channel fits a single wanted channel under any name.
    """
    parts = channel_arrays(channels)
    if len(wanted) == 1 and len(parts) == 1:
        name, image = next(iter(parts.items()))
        return (image if name == wanted[0] else replace(image, channels=tuple(wanted))), ()
    found = {name: parts[name] for name in wanted if name in parts}
    if not found:
        raise UsageError(
            f"None of the channels {', '.join(wanted)} is there",
            why=f"the case has {', '.join(parts) or 'no image'}",
            remedy="Give a case with the channels that the model was trained on",
        )
    first = next(iter(found.values()))
    for name, image in found.items():
        if image.array.shape[1:] != first.array.shape[1:]:
            raise UsageError(
                f"The channels of a case must lie on one grid; {name} has {image.array.shape[1:]}",
                why=f"another has {first.array.shape[1:]}",
                remedy="Register and resample them first",
            )
    dtype = np.result_type(*(image.array.dtype for image in found.values()))
    blank = np.zeros(first.array.shape[1:], dtype)
    array = np.stack([found[name].array[0].astype(dtype, copy=False) if name in found else blank for name in wanted])
    intensity = first.intensity if len({image.intensity for image in found.values()}) == 1 else Intensity.NAMED
    image = replace(first, array=array, channels=tuple(wanted), intensity=intensity)
    return image, tuple(name for name in wanted if name not in found)


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


def _ready(given: StepRecipe) -> _Ready:
    step: Step = registry.get(prepare, given.step, "STEP")
    try:
        return _Ready(given.step, step, step.settings.model_validate(given.settings))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise UsageError(
            f"`{place}` of the preparation step `{given.step}` must fit its rule, got {first.get('input')!r}",
            why=first["msg"],
        ) from error


def _stored(array: NDArray[Any], stored: str) -> NDArray[Any]:
    if stored == "uint8":
        if array.dtype == np.uint8:
            return np.ascontiguousarray(array)
        return np.ascontiguousarray(np.clip(np.rint(array), 0, 255).astype(np.uint8))
    return np.ascontiguousarray(array.astype(np.float32, copy=False))
