"""The bones: spine with its canal, ribs that cross the slices, breastbone, shoulder blades, collar bones."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from isocenter.data.phantoms._canvas import Canvas, Points
from isocenter.data.phantoms._person import Person
from isocenter.data.phantoms._torso import on_cage, spine_bend

CORTEX, MARROW, DISC, CARTILAGE = 620.0, 190.0, 85.0, 105.0
_VERTEBRA = 23.0
"""Height of a vertebra with its disc, in millimetres."""


def paint_bones(rng: np.random.Generator, canvas: Canvas, person: Person) -> None:
    """Paint the skeleton of the chest."""
    start = float(rng.uniform(0, _VERTEBRA))
    levels = np.arange(-4, 12) * _VERTEBRA * person.height / 210 + start
    _spine(canvas, person, start)
    for level in levels:
        _arch(canvas, person, float(level))
    _ribs(rng, canvas, person, levels)
    _breastbone(canvas, person)
    _shoulder_blades(canvas, person)
    _collar_bones(canvas, person)


def spine_middle(person: Person, z: float) -> float:
    """How far back the middle of the vertebral body lies."""
    return float(62 + spine_bend(person, z))


def _spine(canvas: Canvas, person: Person, start: float) -> None:
    """Vertebral bodies with a rim of hard bone and discs between; behind them the canal with the cord."""
    period = _VERTEBRA * person.height / 210
    for index, z in enumerate(canvas.z):
        if not -120 < z < person.height * 1.3:
            continue
        phase = ((z - start) / period) % 1.0
        disc = float(np.clip(1.2 - abs(phase - 0.5) * 9, 0, 1))
        waist = 1 - 0.09 * np.cos(2 * np.pi * (phase - 0.5)) * -1
        size = (17.5 - 4 * np.clip(z / person.height, 0, 1)) * person.height / 210
        x, y = canvas.x, canvas.y - spine_middle(person, float(z))
        dent = np.clip((y - 6) / 10, 0, 1) * 4
        distance = (np.sqrt((x / (size * 1.12)) ** 2 + (y / size) ** 2) - 1) * size * (2 - waist) + dent
        slab = canvas.array[index]
        body = canvas.inside(distance)
        inner = canvas.inside(distance + 2.2)
        shell = (1 - disc) * CORTEX * 0.8 + disc * DISC
        core = (1 - disc) * MARROW + disc * DISC
        slab += body * (person.bone * shell - slab)
        slab += inner * (person.bone * core - slab)
        canal = np.sqrt(x**2 + ((y - size - 8) / 0.85) ** 2)
        slab += canvas.inside(canal - 10.5) * (-20 - slab)
        slab += canvas.inside(canal - 8.5) * (15 - slab)
        slab += canvas.inside(canal - 5.0) * (42 - slab)


def _arch(canvas: Canvas, person: Person, level: float) -> None:
    """The bony ring behind the cord with its spinous and transverse processes."""
    y = spine_middle(person, level)
    hard, soft = CORTEX * person.bone, 330 * person.bone
    for side in (-1, 1):
        pedicle = [(side * 11, y + 12, level + 4), (side * 14, y + 24, level + 1), (side * 7, y + 36, level - 5)]
        canvas.tube([*pedicle, (0, y + 41, level - 9)], [3.2, 3.6, 3.2, 3.0], hard, flatten=0.45)
        canvas.tube([(side * 13, y + 24, level + 2), (side * 33, y + 33, level + 4)], [4.0, 3.4], soft, flatten=0.7)
    canvas.tube([(0, y + 40, level - 8), (0, y + 47, level - 18)], [3.2, 2.4], hard, flatten=0.4)


def _ribs(rng: np.random.Generator, canvas: Canvas, person: Person, levels: NDArray[np.float64]) -> None:
    """Ribs with a shell of hard bone, and the cartilage that leads them to the breastbone."""
    shells, cores, gristle = [], [], []
    for level in levels:
        for side in (-1, 1):
            bone, front = _rib(rng, person, float(level), side)
            shells.append(bone)
            cores.append(bone[2:-1])
            if level > 0.12 * person.height:
                gristle.append(front)
    hard = CARTILAGE + 180 * float(rng.random() < (person.age - 45) / 80)
    kinds = ((gristle, 4.4, hard), (shells, 4.6, CORTEX * person.bone), (cores, 2.6, 240 * person.bone))
    for lines, radius, value in kinds:
        starts = np.concatenate([line[:-1] for line in lines])
        ends = np.concatenate([line[1:] for line in lines])
        cover = canvas.threads(starts, ends, np.full((len(starts), 2), radius), flatten=0.62)
        canvas.paint(value, np.minimum(1.15 * cover, 1))


def _rib(rng: np.random.Generator, person: Person, level: float, side: int) -> tuple[Points, Points]:
    """One rib, from its vertebra around the side, falling towards the front; and its cartilage, rising again."""
    y = spine_middle(person, level)
    place = level / person.height
    drop = float(np.interp(place, [-0.2, 0.5, 0.85, 1.05], [95, 85, 55, 28])) * rng.uniform(0.95, 1.05)
    front = float(np.interp(place, [-0.4, 0.0, 0.3, 1.0], [20, -15, -42, -52]))
    share = np.linspace(0, 1, 17)
    around = on_cage(person, 62 + share * (front - 62), level + 8 - drop * share**1.15, 4.5)
    bone = np.vstack([(16.0, y + 4, level + 6), (30.0, y + 25, level + 8), around])
    gristle = on_cage(person, [(front - 82) / 2, -82], around[-1, 2] + np.array([4, 14]), [5.0, 7.0])
    mirror = (side, 1, 1)
    return bone * mirror, np.vstack([around[-1:], gristle]) * mirror


def _breastbone(canvas: Canvas, person: Person) -> None:
    lowest, highest = 0.18 * person.height, 0.86 * person.height
    for z in np.arange(lowest, highest, 6.0):
        _, front, _ = on_cage(person, -90, float(z), 8.0)
        half = float(np.interp(z, [lowest, 0.7 * person.height, highest], [9, 13, 26]))
        for radius, value in ((5.4, CORTEX * 0.75), (3.2, 150.0)):
            reach = half - (5.4 - radius)
            canvas.tube([(-reach, front, z), (reach, front, z)], radius, value * person.bone, flatten=0.8)


def _shoulder_blades(canvas: Canvas, person: Person) -> None:
    """Two thin plates behind the ribs, with their crests, at the height of the upper lung."""
    high = 0.72 * person.height
    heights = np.arange(0.5, 1.12, 0.02) * person.height
    share = (heights / person.height - 0.5) / 0.62
    inner = on_cage(person, 60 - 8 * share, np.minimum(heights, high), 13)
    outer = on_cage(person, 44 - 26 * share, np.minimum(heights, high), 15 + 14 * share)
    inner[:, 2] = outer[:, 2] = heights
    crest = on_cage(person, [56, 24], high, [26, 40])
    crest[:, 2] = (0.84 * person.height, 0.98 * person.height)
    for side in (-1, 1):
        mirror = (side, 1, 1)
        cover = canvas.threads(inner * mirror, outer * mirror, np.tile((1.9, 3.0), (len(share), 1)), flatten=0.6)
        canvas.paint(560 * person.bone, np.minimum(1.3 * cover, 1))
        canvas.tube(crest * mirror, [3.0, 5.0], 480 * person.bone)


def _collar_bones(canvas: Canvas, person: Person) -> None:
    top = 0.9 * person.height
    _, front, _ = on_cage(person, -90, 0.84 * person.height, 8.0)
    for side in (-1, 1):
        line = [
            (side * 22, front + 2, top - 6),
            (side * 60, front + 6, top + 2),
            (side * 100, front + 30, top + 14),
            (side * 135, front + 46, top + 22),
        ]
        canvas.tube(line, 6.0, CORTEX * person.bone)
        canvas.tube(line, 3.2, 220 * person.bone)
