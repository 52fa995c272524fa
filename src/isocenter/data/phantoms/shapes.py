"""Made-up pictures and volumes with a class that can be learned: what tells is a blob's outline, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isocenter.core.geometry import Geometry
from isocenter.core.image import Image
from isocenter.core.progress import Progress, Silent, tracked
from isocenter.data.files import writer_for

_LOBES = (0, 3, 5, 2, 7, 4, 9, 6)
"""Lobes of the outline, class by class: a circle first."""

_DEPTH = 0.42
"""How far the lobes reach beyond the mean radius, as a share of it."""

_WAVES = 5
_NOISE = 14.0


def write_pictures(
    folder: str | Path,
    *,
    cases: int = 60,
    classes: Sequence[str] = ("round", "lobed"),
    seed: int = 0,
    size: int = 28,
    dimensions: int = 2,
    progress: Progress | None = None,
) -> Path:
    """Write a folder of images for each class: grey PNG pictures, or NIfTI volumes.

    Each image shows one blob in a cloudy, noisy field. Its place, size, turn, and whether it is brighter or darker than
    the field are drawn by chance; the number of its lobes is the class. Mean and spread of the grey values tell
    nothing. The same numbers give the same files, byte for byte.

    Args:
        folder: where to write; made if it is not there.
        cases: how many images, dealt to the classes in turn.
        classes: names of the folders, at most eight.
        seed: the only source of chance.
        size: pixels along each side.
        dimensions: 2 for pictures, 3 for volumes.
        progress: told of each image.

    Returns:
        The folder.
    """
    if not 2 <= len(classes) <= len(_LOBES):
        raise ValueError(f"there must be two to {len(_LOBES)} classes, got {len(classes)}")
    place = Path(folder)
    for name in classes:
        (place / name).mkdir(parents=True, exist_ok=True)
    ending = ".png" if dimensions == 2 else ".nii"
    form = writer_for(place / f"image{ending}")
    assert form.write is not None
    for number in tracked(range(cases), progress or Silent(), "Making phantom pictures", cases):
        kind = number % len(classes)
        array = _drawn(np.random.default_rng([seed, number]), _LOBES[kind], (size,) * dimensions)
        form.write(_image(array), place / classes[kind] / f"{number:05d}{ending}")
    return place


def _image(array: NDArray[np.uint8]) -> Image:
    if array.ndim == 2:
        return Image(array=array[np.newaxis], axes="CYX", geometry=Geometry.unknown())
    geometry = Geometry.from_parts(origin=(0, 0, 0), spacing=(1, 1, 1), direction=np.eye(3))
    return Image(array=array[np.newaxis], axes="CZYX", geometry=geometry, modality="MR")


def _drawn(rng: np.random.Generator, lobes: int, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """One image: ([slice,] row, column)."""
    grid = np.stack(np.meshgrid(*(np.linspace(-1, 1, steps) for steps in shape), indexing="ij"))
    field = 128 + 30 * rng.uniform(0.5, 1.0) * _clouds(rng, grid) + rng.normal(0, _NOISE, shape)
    blob = rng.choice((-1.0, 1.0)) * rng.uniform(45, 75) * _blob(rng, grid, lobes, edge=3 / shape[0])
    return np.asarray(np.clip(np.rint(field + blob), 0, 255), np.uint8)


def _clouds(rng: np.random.Generator, grid: NDArray[Any]) -> NDArray[Any]:
    """A smooth field between about -1 and 1: a few long waves that run across one another."""
    total = np.zeros(grid.shape[1:])
    for _ in range(_WAVES):
        direction = rng.normal(0, 2.5, len(grid))
        total += np.cos(np.tensordot(direction, grid, axes=1) + rng.uniform(0, 2 * np.pi))
    return np.asarray(total / np.sqrt(_WAVES))


def _blob(rng: np.random.Generator, grid: NDArray[Any], lobes: int, *, edge: float) -> NDArray[Any]:
    """1 inside a lobed outline, 0 outside, with a soft edge; all numbers of lobes have the same mean area."""
    offset = grid - rng.uniform(-0.25, 0.25, (len(grid), *([1] * (grid.ndim - 1))))
    distance = np.sqrt((offset**2).sum(axis=0))
    angle = np.arctan2(offset[-2], offset[-1])
    depth = _DEPTH if lobes else 0.0
    radius = rng.uniform(0.42, 0.58) / np.sqrt(1 + depth**2 / 2)
    outline = radius * (1 + depth * np.cos(lobes * angle + rng.uniform(0, 2 * np.pi)))
    if len(grid) == 3:  # a body with ridges from pole to pole: across it, the outline is that of the picture
        flat = np.sqrt((offset[1:] ** 2).sum(axis=0)) / np.maximum(distance, 1e-6)
        outline = radius + (outline - radius) * flat
    return np.asarray(np.clip((outline - distance) / edge + 0.5, 0, 1))
