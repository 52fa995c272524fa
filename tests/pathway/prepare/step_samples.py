"""Images on which preparation steps are tried: every kind, and every kind of trouble."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isocenter.core import registry
from isocenter.core.geometry import Geometry
from isocenter.core.image import Image, Intensity
from isocenter.pathway import prepare
from isocenter.pathway.prepare._shared import Step, StepSettings

TURN = np.array([[0.8, -0.6, 0.0], [0.6, 0.8, 0.0], [0.0, 0.0, 1.0]])
PLACE = Geometry.from_parts(origin=(-12.5, 30.0, 7.25), spacing=(0.5, 0.75, 2.0), direction=TURN)
"""Oblique, and of another spacing along each axis."""

RANDOM = np.random.default_rng(5)


def picture(array: Any, **other: Any) -> Image:
    """A single image of (channel,) row, column."""
    array = np.asarray(array)
    array = array[np.newaxis] if array.ndim == 2 else array
    return Image(**{"array": array, "axes": "CYX", "geometry": PLACE, **other})


def volume(array: Any, **other: Any) -> Image:
    """A volume of (channel,) slice, row, column."""
    array = np.asarray(array)
    array = array[np.newaxis] if array.ndim == 3 else array
    return Image(**{"array": array, "axes": "CZYX", "geometry": PLACE, **other})


def grey(*shape: int) -> NDArray[np.uint8]:
    return RANDOM.integers(0, 255, shape).astype(np.uint8)


def floats(*shape: int) -> NDArray[np.float32]:
    return RANDOM.normal(100, 30, shape).astype(np.float32)


def _troubled(shape: tuple[int, ...]) -> NDArray[np.float32]:
    array = floats(*shape)
    array.flat[:3] = np.nan, np.inf, -np.inf
    return array


PICTURES = {
    "grey": picture(grey(20, 30)),
    "unplaced": picture(grey(20, 30), geometry=Geometry.unknown()),
    "colour": picture(grey(3, 20, 30), intensity=Intensity.RGB),
    "sixteen bits": picture(grey(20, 30).astype(np.uint16) * 200),
    "signed": picture(RANDOM.integers(-900, 900, (20, 30)).astype(np.int16), intensity=Intensity.HU),
    "floating": picture(floats(20, 30)),
    "doubles": picture(floats(20, 30).astype(np.float64)),
    "two channels": picture(floats(2, 20, 30), intensity=Intensity.NAMED, channels=("one", "other")),
    "one pixel": picture(grey(1, 1)),
    "strip": picture(grey(1, 3000)),
    "column": picture(grey(2000, 1)),
    "even": picture(np.full((20, 30), 7, np.uint8)),
    "even and floating": picture(np.full((20, 30), 0.1, np.float32)),
    "not numbers": picture(_troubled((20, 30))),
    "no number at all": picture(np.full((20, 30), np.nan, np.float32)),
    "yes or no": picture(grey(20, 30) > 128),
}

VOLUMES = {
    "volume": volume(RANDOM.integers(-900, 900, (6, 20, 30)).astype(np.int16), intensity=Intensity.HU),
    "grey volume": volume(grey(6, 20, 30)),
    "two sequences": volume(floats(2, 6, 20, 30), intensity=Intensity.NAMED, channels=("t1", "t2")),
    "two slices": volume(floats(2, 20, 30)),
    "even volume": volume(np.full((6, 20, 30), -1000, np.int16)),
    "not numbers in space": volume(_troubled((6, 20, 30))),
    "turned view": volume(np.ascontiguousarray(floats(30, 20, 6)).transpose(2, 1, 0)),
}

SAMPLES = {**PICTURES, **VOLUMES}


def step(name: str) -> Step:
    made: Step = registry.get(prepare, name, "STEP")
    return made


def example(name: str, image: Image, **given: Any) -> StepSettings:
    """Settings of a step for an image: what is given, the first example of what must be given, the rest as it is."""
    settings = step(name).settings
    needed = {key: (field.examples or [None])[0] for key, field in settings.model_fields.items() if field.is_required()}
    if "Z" in image.axes and "shape" in needed:
        needed["shape"] = (5, *needed["shape"])
    return settings.model_validate({**needed, **given})


def applied(name: str, image: Image, **given: Any) -> Image:
    """What a step makes of an image, fitted on that image alone."""
    one = step(name)
    return one.apply(image, one.fit([image], example(name, image, **given)))


def ramp(shape: tuple[int, ...], geometry: Geometry = PLACE) -> Image:
    """An image of float32 whose value tells the place of the pixel in the patient: x + 2 y + 3 z in millimetres."""
    values = told(geometry, shape)
    return (volume if len(shape) == 3 else picture)(values.astype(np.float32), geometry=geometry)


def told(geometry: Geometry, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """What a ramp must show on a grid."""
    whole = shape if len(shape) == 3 else (1, *shape)
    z, y, x = np.meshgrid(*(np.arange(steps) for steps in whole), indexing="ij")
    values = geometry.points(np.stack([x, y, z], axis=-1)) @ np.array([1.0, 2.0, 3.0])
    return np.asarray(values.reshape(shape))


def edges(image: Image) -> NDArray[np.float64]:
    """The outer corners of the pixels at the corners of an image, in millimetres."""
    return image.geometry.points(list(product(*((-0.5, steps - 0.5) for steps in image.size))))
