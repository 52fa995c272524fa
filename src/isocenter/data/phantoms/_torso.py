"""The trunk: skin, fat, muscle, the space of the lungs, diaphragm, mediastinum and what fills them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isocenter.data.phantoms._canvas import Canvas, Field, Points, smooth_noise
from isocenter.data.phantoms._person import Person

SKIN, FAT, MUSCLE, LIVER, SPLEEN, GLAND = 5.0, -100.0, 52.0, 62.0, 50.0, 25.0
_OUTLINE = 2.2
"""Exponent of the ellipse that the rib cage follows: a little squarer than 2."""


@dataclass(frozen=True, slots=True)
class Torso:
    """The shapes that organs are placed by.

    Attributes:
        depth: signed distance to the wall of the chest's inside, in millimetres, negative inside.
        lung: how much of each voxel is lung.
        spots: indices (z, y, x) of voxels that are nothing but lung.
        surface: signed distance to the skin.
    """

    depth: Field
    lung: Field
    spots: NDArray[np.int64]
    surface: Field


def cage(person: Person, z: Field | float) -> tuple[Field, Field, Field]:
    """Half width, half depth and the middle (towards the back) of the space inside the ribs at a height."""
    level = np.asarray(z, dtype=np.float32) / person.height
    bullet = 1 - np.clip((level - 0.2) / 0.88, 0, 1) ** 2.5
    flare = 1 - 0.06 * np.clip(0.2 - level, 0, 1)
    width = person.half_width * np.maximum(bullet, 0.02) ** 0.62 * flare
    depth = person.half_depth * np.maximum(bullet, 0.02) ** 0.5 * flare
    middle = person.kyphosis * np.clip(level, 0, 1.1) ** 2 + 6 * np.clip(level, 0, 1.1)
    return width.astype(np.float32), depth.astype(np.float32), middle.astype(np.float32)


def on_cage(person: Person, angle: Any, z: Any, beyond: Any) -> Points:
    """Points (x, y, z) of the rib cage at angles in degrees (0 to the left, 90 to the back), moved outwards."""
    width, depth, middle = cage(person, z)
    turn = np.radians(np.asarray(angle, dtype=float))
    cosine, sine = np.cos(turn), np.sin(turn)
    bulge = (np.abs(cosine) / width) ** _OUTLINE + (np.abs(sine) / depth) ** _OUTLINE
    radius = bulge ** (-1 / _OUTLINE) + beyond
    return np.stack(np.broadcast_arrays(radius * cosine, radius * sine + middle, z), axis=-1)


def paint_trunk(rng: np.random.Generator, canvas: Canvas, person: Person) -> Torso:
    """Paint skin, fat, muscle and organs, and find where the lungs are."""
    width, depth, middle = cage(person, canvas.heights)
    across, back = np.abs(canvas.x), canvas.y - middle
    reach = np.sqrt(canvas.x**2 + back**2) + 1e-3
    bulge = ((across / width) ** _OUTLINE + (np.abs(back) / depth) ** _OUTLINE) ** (1 / _OUTLINE)
    inside = np.asarray(reach * (1 - 1 / np.maximum(bulge, 0.05)), dtype=np.float32)
    behind, aside = (np.asarray(way / reach, dtype=np.float32) for way in (back, across))
    muscle = _muscle(canvas, person, behind, aside, across, width, depth)
    fat = _fat(rng, canvas, person, behind, aside)
    grain = smooth_noise(rng, canvas, 9)
    surface = inside - muscle - fat
    canvas.paint(SKIN, canvas.inside(surface - 2))
    canvas.paint(FAT + 6 * grain, canvas.inside(surface))
    canvas.paint(MUSCLE + 7 * grain, canvas.inside(inside - muscle))
    _marble(rng, canvas, inside, muscle, behind)
    if person.breast:
        _glands(rng, canvas, person)
    dome = _diaphragm(canvas, person)
    lung = _lungs(canvas, person, inside, dome)
    canvas.paint(FAT + 8 * grain, canvas.inside(inside))
    _belly(canvas, person, inside, dome, grain)
    return Torso(inside, lung, np.argwhere(lung > 0.98), surface)


def _muscle(
    canvas: Canvas, person: Person, behind: Field, aside: Field, across: Field, width: Field, depth: Field
) -> Field:
    """How thick the wall of muscle is: ribs' muscles all around, pectorals, back and shoulders where they are."""
    level = canvas.heights / person.height
    front, rear = np.clip(-behind, 0, 1), np.clip(behind, 0, 1)
    upper = np.exp(-(((level - 0.78) / 0.24) ** 2))
    pectorals = 1.15 * upper * np.exp(-(((across - 70) / 48) ** 2)) * np.clip(front * 2.2, 0, 1)
    latissimus = 0.9 * np.exp(-(((level - 0.6) / 0.35) ** 2)) * np.exp(-(((behind - 0.45) / 0.42) ** 2)) * aside
    around = 1 + pectorals + latissimus
    flat = 17 * np.exp(-((across / 58) ** 2)) + 11 * np.exp(-(((across - 92) / 36) ** 2))
    spinal = (flat - 3 * np.exp(-((across / 9) ** 2))) * np.clip(rear * 2.4 - 0.7, 0, 1)
    missing_width = np.maximum(person.half_width - width, 0) * (0.86 + 0.1 * upper)
    missing_depth = np.maximum(person.half_depth - depth, 0) * 0.5
    missing = missing_width * aside**2 + missing_depth * (1 - aside**2)
    return np.asarray(person.muscle * around + spinal + missing, np.float32)


def _fat(rng: np.random.Generator, canvas: Canvas, person: Person, behind: Field, aside: Field) -> Field:
    level = canvas.heights / person.height
    front = np.clip(-behind, 0, 1)
    lumps = 1 + 0.12 * np.cos(2 * np.arctan2(canvas.y, canvas.x) + rng.uniform(0, 6.28))
    layer = person.fat * (0.55 + 0.35 * aside + 0.25 * front) * lumps * (1.12 - 0.3 * np.clip(level, 0, 1))
    if person.breast:
        where = np.exp(-(((level - 0.36) / 0.2) ** 2)) * np.exp(-(((np.abs(canvas.x) - 74) / 40) ** 2))
        layer = layer + person.breast * where * np.clip(front * 2.2 - 0.2, 0, 1)
    return np.asarray(layer, np.float32)


def _marble(rng: np.random.Generator, canvas: Canvas, inside: Field, muscle: Field, behind: Field) -> None:
    """Broken sheets of fat between the layers of muscle, where the wall is thick enough to have layers."""
    wave = smooth_noise(rng, canvas, 34)
    sheet = np.abs(inside - muscle * (0.5 + 0.13 * wave + 0.1 * behind)) - 1.3
    thick = np.clip((muscle - 13) / 8, 0, 1) * np.clip(0.75 + 0.6 * wave, 0, 1)
    canvas.paint(-70.0, 0.9 * thick * canvas.inside(sheet))


def _glands(rng: np.random.Generator, canvas: Canvas, person: Person) -> None:
    level = 0.36 * person.height
    for side in (-1, 1):
        skin = on_cage(person, -52 if side > 0 else -128, level, person.muscle + person.fat * 0.5)
        ball = canvas.egg(
            (skin[0], skin[1] - person.breast * 0.35, level + rng.uniform(-6, 6)),
            (person.breast * rng.uniform(0.6, 0.9), person.breast * 0.42, person.breast * 0.9),
            turn=side * 0.4,
        )
        patchy = smooth_noise(rng, canvas, 10)
        canvas.paint(GLAND, (canvas.array < -60) * (canvas.array > -140) * canvas.inside(ball + 4 * patchy) * 0.85)


def _diaphragm(canvas: Canvas, person: Person) -> Field:
    """How far a voxel lies below the diaphragm: two domes, the right higher, deep recesses behind and beside."""
    x, y = canvas.x / person.half_width, canvas.y / person.half_depth
    right = 16 - 62 * ((x + 0.47) / 0.56) ** 2 - 46 * ((y + 0.12) / 0.8) ** 2
    left = 2 - 62 * ((x - 0.5) / 0.54) ** 2 - 46 * ((y + 0.08) / 0.8) ** 2
    middle = -4 - 40 * (x / 0.4) ** 2 - 30 * ((y + 0.4) / 0.7) ** 2
    return np.asarray(canvas.heights - np.maximum(np.maximum(right, left), middle), np.float32)


def _lungs(canvas: Canvas, person: Person, inside: Field, dome: Field) -> Field:
    """The lungs fill the space inside the ribs that diaphragm, mediastinum, heart and spine leave."""
    lung = canvas.inside(inside + 3.0) * canvas.inside(-dome)
    lung *= canvas.inside(-_mediastinum(canvas, person))
    lung *= canvas.inside(-(heart(canvas, person) - 5.0))
    spine = canvas.egg((0, 66 + spine_bend(person, 0), 0), (29, 34, 1e6))
    return np.asarray(lung * canvas.inside(-(spine - (spine_shift(canvas, person)))), np.float32)


def spine_bend(person: Person, z: Any) -> Any:
    """How far back the spine lies at a height, against its place at the diaphragm."""
    _, depth, middle = cage(person, z)
    return middle + (depth - person.half_depth) * 0.8


def spine_shift(canvas: Canvas, person: Person) -> Field:
    """A first-order correction of the spine's outline where the spine bends."""
    bend = (spine_bend(person, canvas.heights) - spine_bend(person, 0)).astype(np.float32)
    return np.asarray(bend * np.clip((canvas.y - 60) / 60, -1, 1), np.float32)


def _mediastinum(canvas: Canvas, person: Person) -> Field:
    """Signed distance to the middle of the chest between the lungs, without the heart."""
    stations = np.array([-100, -72, -45, -10, 15, 40, 60, 100]) * person.half_depth / 88
    y = canvas.y.ravel()
    level = np.clip(canvas.heights / person.height, -0.2, 1.1)
    arch = np.exp(-(((level - 0.71) / 0.07) ** 2))
    hilum = np.exp(-(((level - 0.5) / 0.12) ** 2))
    top = np.clip((level - 0.72) / 0.2, 0, 1)

    def outline(*widths: float) -> Field:
        return np.interp(y, stations, widths).reshape(canvas.y.shape).astype(np.float32)

    right = outline(20, 7, 17, 27, 25, 17, 20, 24) + hilum * outline(0, 0, 10, 9, 8, 3, 0, 0)
    right = right + top * outline(0, 5, 3, -7, -8, 0, 3, 2)
    left = outline(20, 7, 13, 21, 22, 34, 33, 26) + hilum * outline(0, 4, 18, 14, 8, 0, 0, 0)
    left = left + arch * outline(0, 0, 4, 14, 16, 8, 2, 0) + top * outline(0, 5, 5, -3, -6, -14, -10, 0)
    return np.asarray(np.where(canvas.x < 0, -canvas.x - right, canvas.x - left) * 0.9, np.float32)


def heart(canvas: Canvas, person: Person) -> Field:
    """Signed distance to the heart's surface: an egg that points to the left and forwards."""
    size = person.heart
    body = canvas.egg((20 * size, -24, 32), (62 * size, 42 * size, 52 * size), turn=math.radians(-32))
    base = canvas.egg((-6 * size, -14, 58), (46 * size, 40 * size, 46 * size))
    return np.minimum(body, base)


def _belly(canvas: Canvas, person: Person, inside: Field, dome: Field, grain: Field) -> None:
    """Liver, spleen and stomach with its bubble of air, below the diaphragm."""
    below = canvas.inside(dome + 4) * canvas.inside(inside + 5)
    enhanced = max(person.blood - 60, 0) * 0.35
    right = canvas.inside(canvas.x - 34 - 0.35 * canvas.y)
    canvas.paint(LIVER + enhanced + 4 * grain, below * right)
    spleen = canvas.egg((0.62 * person.half_width, 38, -34), (30, 42, 40), turn=-0.6)
    canvas.paint(SPLEEN + enhanced + 3 * grain, below * (1 - right) * canvas.inside(spleen))
    stomach = canvas.egg((0.4 * person.half_width, -22, -36), (42, 42, 30), turn=0.3)
    bubble = canvas.inside(stomach + 5) * canvas.inside(canvas.y + 28)
    canvas.paint(30.0, below * (1 - right) * canvas.inside(stomach))
    canvas.paint(-960.0, below * (1 - right) * bubble)


def paint_lungs(rng: np.random.Generator, canvas: Canvas, person: Person, torso: Torso) -> None:
    """Paint the lungs' tissue: denser where it hangs, mottled, with fissures; moth-eaten where there is emphysema."""
    fine, coarse = smooth_noise(rng, canvas, 6), smooth_noise(rng, canvas, 28)
    weight = 22 * np.clip(canvas.y / person.half_depth, -1, 1) + 26 * np.clip(canvas.y / person.half_depth - 0.5, 0, 1)
    tissue = person.lung + weight + 10 * fine + 12 * coarse - 25 * person.emphysema
    upper = np.clip(canvas.heights / person.height + 0.3, 0, 1)
    holes = np.clip(smooth_noise(rng, canvas, 9) + 0.4 * coarse - 0.9, 0, 1)
    tissue = tissue - 110 * person.emphysema * upper * holes
    tissue = tissue + 85 * _fissures(canvas, person)
    canvas.paint(np.maximum(tissue, -985).astype(np.float32), torso.lung)


def _fissures(canvas: Canvas, person: Person) -> Field:
    """The thin sheets between the lobes: oblique in both lungs, horizontal in the right."""
    bend = 7 * np.sin(canvas.x / 34) + 4 * np.sin(canvas.y / 27)
    slope = person.height * 0.6 / (1.7 * person.half_depth)
    oblique = (canvas.heights - 0.38 * person.height - slope * canvas.y - bend) / math.sqrt(1 + slope**2)
    sheets = np.exp(-((oblique / 1.3) ** 2))
    flat = np.exp(-(((canvas.heights - 0.44 * person.height - bend + 0.12 * np.abs(canvas.x)) / 1.8) ** 2))
    return np.asarray(np.maximum(sheets, 0.6 * flat * (oblique < 0) * (canvas.x < 0)), np.float32)
