"""Volumes are turned to one orientation, and what is not of the expected kind (image or volume) is refused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from pydantic import field_validator

from isocenter.core.errors import UsageError
from isocenter.core.geometry import Geometry
from isocenter.core.image import Image
from isocenter.pathway.prepare._shared import Step, StepSettings


class Settings(StepSettings):
    """Which way volumes lie, and whether they are expected at all."""

    orientation: str = "LPS"
    """Towards which sides of the patient columns, rows and slices run, such as LPS or RAS."""
    dimensions: Literal[2, 3] | None = None
    """2 for single images, 3 for volumes; learned as what most training images are."""

    @field_validator("orientation")
    @classmethod
    def _sides(cls, given: str) -> str:
        Geometry.unknown().steps_to(given)
        return given.upper()


def _fit(images: Sequence[Image], settings: Settings) -> Settings:
    if settings.dimensions is not None:
        return settings
    volumes = sum(image.extent("Z") > 1 for image in images)
    return settings.model_copy(update={"dimensions": 3 if 2 * volumes > len(images) else 2})


def _apply(image: Image, settings: Settings) -> Image:
    image = _still(image)
    slices = image.extent("Z")
    if settings.dimensions == 3 and slices == 1:
        raise UsageError(
            "A volume is needed, got a single image",
            remedy="Give the whole series of slices, or a model that was trained on single images",
        )
    if settings.dimensions == 2 and slices > 1:
        raise UsageError(
            f"A single image is needed, got a volume of {slices} slices",
            remedy="Give one slice as an image of its own, or a model that was trained on volumes",
        )
    if "Z" not in image.axes:
        return image
    if slices == 1:
        return _without(image, "Z")
    # which way an image lies that nobody placed is unknown, so that there is nothing to turn it by
    return image.oriented(settings.orientation) if image.geometry.placed else image


def _still(image: Image) -> Image:
    if "T" not in image.axes:
        return image
    if image.extent("T") > 1:
        raise UsageError(
            f"A model looks at one moment, got {image.extent('T')} frames",
            remedy="Give the frame to be judged as an image of its own, or each frame as a case",
        )
    return _without(image, "T")


def _without(image: Image, axis: str) -> Image:
    """The image without an axis that has one step alone."""
    array = image.array.squeeze(axis=image.axes.index(axis))
    times = None if axis == "T" else image.times
    return replace(image, array=array, axes=image.axes.replace(axis, ""), times=times)


STEP = Step(settings=Settings, apply=_apply, fit=_fit, each=True)
