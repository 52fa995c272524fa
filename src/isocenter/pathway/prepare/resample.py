"""Pixels get one size in millimetres, so that the same organ has the same extent whatever scanner made the image."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Annotated

import numpy as np
from pydantic import Field

from isocenter.core.errors import UsageError
from isocenter.core.image import Image
from isocenter.pathway.prepare._shared import Step, StepSettings, regridded, space

_MOST = 2**30
"""More voxels than any scan that a model looks at has: a slip in the unit, not a wish."""


class Settings(StepSettings):
    """How large a pixel becomes."""

    spacing: Annotated[tuple[Annotated[float, Field(gt=0)], ...], Field(min_length=2, max_length=3)] | None = None
    """Millimetres along columns, rows (and slices) of the image; learned as the middle over training images.

    The extent of the image is kept, so that the true distance is the nearest one that divides it evenly.
    """


def _fit(images: Sequence[Image], settings: Settings) -> Settings:
    # an image that does not say is refused when its turn comes, not here
    known = [_spacing(image) for image in images if image.spacing and len(space(image)) == len(space(images[0]))]
    if settings.spacing is not None or not known:
        return settings
    middle = np.median(np.asarray(known), axis=0)
    return settings.model_copy(update={"spacing": tuple(round(float(value), 4) for value in middle)})


def _apply(image: Image, settings: Settings) -> Image:
    spacing = _spacing(image)
    wanted = settings.spacing
    if wanted is None or len(wanted) != len(spacing):
        raise UsageError(
            f"The step `resample` needs {len(spacing)} distances for this image, got {wanted or 'none'}",
            remedy="Set its `spacing` in millimetres along columns, rows and, for volumes alone, slices",
        )
    steps = reversed(space(image))
    extent = [max(1, round(n * given / new)) for n, given, new in zip(steps, spacing, wanted, strict=True)]
    if prod(extent) > _MOST:
        raise UsageError(
            f"At a spacing of {wanted} mm the image would have {prod(extent):,} pixels",
            why=f"its own spacing is {tuple(round(value, 4) for value in spacing)} mm",
            remedy="Choose a wider spacing",
        )
    return regridded(image, extent[::-1])


def _spacing(image: Image) -> tuple[float, ...]:
    if image.spacing is None:
        raise UsageError(
            "An image must say how large its pixels are to be resampled to millimetres, got one that does not",
            remedy="Give the file that the scanner wrote (DICOM, NIfTI), or use the step `resize` instead",
        )
    return image.spacing[: len(space(image))]


STEP = Step(settings=Settings, apply=_apply, fit=_fit)
