"""What is looked for, and what looks like it: nodules, and vessels seen end on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from isocenter.data.phantoms._canvas import Canvas, Field, Points
from isocenter.data.phantoms._person import Person
from isocenter.data.phantoms._torso import Torso


@dataclass(frozen=True, slots=True)
class Disease:
    """What the lungs of an ill phantom hold.

    Attributes:
        diameters: of the smallest and of the largest nodule, in millimetres.
        counts: how likely one nodule is, how likely two are, and so on.
    """

    diameters: tuple[float, float]
    counts: tuple[float, ...]


EARLY = Disease(diameters=(4.0, 14.0), counts=(0.6, 0.28, 0.12))
"""A few small nodules: hard to find, also for people."""

SPREAD = Disease(diameters=(10.0, 30.0), counts=(0.1,) * 10)
"""One to ten nodules up to the size from which they are called masses, as metastases come."""


@dataclass(frozen=True, slots=True)
class Nodule:
    """A nodule that was put into a phantom.

    Attributes:
        centre: LPS millimetres (x, y, z).
        diameter: millimetres.
        contrast: Hounsfield units above the lung around it.
    """

    centre: tuple[float, float, float]
    diameter: float
    contrast: float


def paint_decoys(rng: np.random.Generator, canvas: Canvas, person: Person, torso: Torso, run: Field) -> None:
    """Vessels that run along the body: each looks like a nodule in one slice, and goes on in the next."""
    lines, radii = [], []
    for _ in range(int(rng.integers(5, 12))):
        middle = _place(rng, canvas, torso, run, room=6.0)
        if middle is None:
            continue
        level = np.array([1.0, 1.0, 0.0])
        lean = rng.normal(0, 0.2, 3) * level + (0, 0, rng.uniform(8, 18))
        width = rng.uniform(1.6, 3.2)
        lines.append([middle - lean, middle + rng.normal(0, 2.0, 3) * level, middle + lean])
        radii.append([width, width * 1.05, width * 0.7])
    if lines:
        corners, sizes = np.array(lines), np.array(radii)
        starts, ends = corners[:, :2].reshape(-1, 3), corners[:, 1:].reshape(-1, 3)
        widths = np.stack([sizes[:, :2], sizes[:, 1:]], axis=-1).reshape(-1, 2)
        canvas.paint(min(person.blood, 60.0), canvas.threads(starts, ends, widths) * torso.lung)


def paint_nodules(rng: np.random.Generator, canvas: Canvas, torso: Torso, run: Field, disease: Disease) -> list[Nodule]:
    """Nodules, solid or faint, as many and as wide as the disease makes them."""
    found = []
    for _ in range(int(rng.choice(np.arange(len(disease.counts)) + 1, p=disease.counts))):
        diameter = float(rng.uniform(*disease.diameters))
        solid = rng.random() < 0.7
        contrast = float(rng.uniform(650, 900) if solid else rng.uniform(260, 480))
        middle = _place(rng, canvas, torso, run, room=diameter / 2 + 2)
        if middle is not None:
            _paint_nodule(rng, canvas, middle, diameter, contrast)
            z, y, x = canvas.on_table(middle)
            found.append(Nodule((float(x), float(y), float(z)), diameter, contrast))
    return found


def _place(rng: np.random.Generator, canvas: Canvas, torso: Torso, run: Field, room: float) -> Points | None:
    """A place in the lung (x, y, z of the body) with so many millimetres of lung around it and no thick vessel."""
    for _ in range(200 if len(torso.spots) else 0):
        centre = canvas.in_body(torso.spots[rng.integers(len(torso.spots))]) + rng.uniform(-1, 1, 3)
        table = canvas.on_table(centre)
        where = canvas.block(table - room, table + room)
        if where is not None and torso.lung[where].min() > 0.6 and run[where].mean() < 0.12:
            return centre
    return None


def _paint_nodule(rng: np.random.Generator, canvas: Canvas, centre: Points, diameter: float, contrast: float) -> None:
    """A ball with bumps, drawn on a grid three times finer and averaged, so that a small one keeps its volume."""
    table = canvas.on_table(centre)
    where = canvas.block(table - diameter, table + diameter)
    if where is None:
        return
    axes = []
    for axis, coordinates in enumerate((canvas.z, canvas.rows, canvas.columns)):
        fine = coordinates[where[axis]][:, None] + (np.arange(3) - 1) * canvas.spacing[axis] / 3
        axes.append(fine.ravel() - table[axis])
    z, y, x = axes[0][:, None, None], axes[1][None, :, None], axes[2][None, None, :]
    bumps = sum(
        rng.uniform(0, 0.09) * np.cos(count * np.arctan2(y, x) + rng.uniform(0, 6.28) + rng.uniform(-0.2, 0.2) * z)
        for count in (2, 3, 5)
    )
    stretch = rng.uniform(0.88, 1.12)
    radius = np.sqrt((x * stretch) ** 2 + (y / stretch) ** 2 + z**2)
    fill = np.clip(0.5 - (radius - diameter / 2 * (1 + bumps)) / 0.9, 0, 1)
    sizes = [extent // 3 for extent in fill.shape]
    cover = fill.reshape(sizes[0], 3, sizes[1], 3, sizes[2], 3).mean(axis=(1, 3, 5))
    part = canvas.array[where]
    part += (cover * contrast).astype(np.float32)
    np.minimum(part, 120, out=part, where=cover > 0)
