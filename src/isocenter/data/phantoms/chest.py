"""A made-up chest on a made-up scanner: procedural anatomy in Hounsfield units."""

from __future__ import annotations

import numpy as np

from isocenter.core.geometry import Geometry
from isocenter.core.image import Image, Intensity
from isocenter.data.phantoms._canvas import Canvas
from isocenter.data.phantoms._lesions import EARLY, Disease, Nodule, paint_decoys, paint_nodules
from isocenter.data.phantoms._person import Person, Protocol
from isocenter.data.phantoms._physics import paint_table, reconstruct
from isocenter.data.phantoms._skeleton import paint_bones
from isocenter.data.phantoms._torso import paint_lungs, paint_trunk
from isocenter.data.phantoms._vessels import paint_airways, paint_heart, paint_lung_vessels

SHAPE = (40, 128, 128)
_COVERED = 220.0
"""How much of the body a whole scan covers, in millimetres from bottom to top."""


def make_chest(
    rng: np.random.Generator,
    *,
    nodule: bool,
    shape: tuple[int, int, int] = SHAPE,
    person: Person | None = None,
    protocol: Protocol | None = None,
    disease: Disease = EARLY,
) -> tuple[Image, list[Nodule]]:
    """A chest CT that belongs to nobody, with or without nodules in the lungs.

    The same generator state gives the same body with and without nodules: nothing but the nodules differs.

    Args:
        rng: the only source of chance.
        nodule: whether nodules are put in.
        shape: slices, rows, columns.
        person: who is scanned; drawn if not given.
        protocol: how; drawn if not given, with slices thick enough to cover the lungs.
        disease: how many nodules there are, and how wide.

    Returns:
        The image (CZYX, int16 Hounsfield units, LPS) and its nodules.
    """
    seeds = rng.spawn(3)
    person = person or Person.drawn(rng)
    protocol = protocol or Protocol.drawn(rng, thickness=_COVERED / shape[0])
    canvas = _canvas(rng, shape, person, protocol)
    torso = paint_trunk(rng, canvas, person)
    paint_lungs(rng, canvas, person, torso)
    run = paint_lung_vessels(rng, canvas, person, torso)
    paint_decoys(rng, canvas, person, torso, run)
    paint_heart(canvas, person, torso)
    paint_airways(rng, canvas, person)
    nodules = paint_nodules(seeds[0], canvas, torso, run, disease) if nodule else []
    paint_bones(seeds[1], canvas, person)
    touched = (torso.surface < 0).any(axis=(0, 2))
    paint_table(canvas, float(canvas.rows[touched][-1]))
    array = reconstruct(seeds[2], canvas, person, protocol, torso).astype(np.int16)
    image = Image(
        array=array[np.newaxis],
        axes="CZYX",
        geometry=_geometry(canvas),
        intensity=Intensity.HU,
        modality="CT",
    )
    return image, nodules


def _canvas(rng: np.random.Generator, shape: tuple[int, int, int], person: Person, protocol: Protocol) -> Canvas:
    """A field of view that just holds the body, laid over the middle of the lungs."""
    width = 2 * (person.half_width + 1.3 * person.muscle + person.fat) + rng.uniform(18, 40)
    pixel = round(float(width) / min(shape[1:]), 4)
    middle = 0.42 * person.height + rng.normal(0, 6)
    bottom = float(middle - (shape[0] - 1) / 2 * protocol.thickness)
    return Canvas.blank(shape, (protocol.thickness, pixel, pixel), bottom=bottom, turn=person.turn, shift=person.shift)


def _geometry(canvas: Canvas) -> Geometry:
    """The canvas in the patient: x to the left, y to the back, z to the head."""
    z, y, x = canvas.spacing
    return Geometry.from_parts(
        origin=(float(canvas.columns[0]), float(canvas.rows[0]), float(canvas.z[0])),
        spacing=(x, y, z),
        direction=np.eye(3),
    )
