"""The contract of a preparation step: settings, what it learns from training cases, and what it does to an image.

A step never sees a file, a case or a split. `fit` is given prepared training images (already through the steps before
it) and returns completed settings; `apply` is given one image and completed settings and returns an image. Geometry
follows the pixels: a step that changes the grid returns the geometry of the new grid, so that a result can be put
back on the old one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict

from isocenter.core.image import Image


class StepSettings(BaseModel):
    """The base of a step's settings: frozen, documented per field, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


def as_given(images: Sequence[Image], settings: Any) -> Any:
    """What a step learns that has nothing to learn."""
    del images
    return settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step of the way.

    Attributes:
        settings: the model of its settings.
        apply: an image and completed settings in, an image out; never changes the image that it was given.
        fit: training images and settings in, completed settings out.
    """

    settings: type[StepSettings]
    apply: Callable[[Image, Any], Image]
    fit: Callable[[Sequence[Image], Any], Any] = as_given
