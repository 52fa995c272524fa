"""What carries blood and air: heart, great vessels, windpipe, and the branching vessels of the lungs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from isocenter.data.phantoms._canvas import AIR, Canvas, Field, Points
from isocenter.data.phantoms._person import Person
from isocenter.data.phantoms._torso import Torso, heart

_WALL = 30.0


def paint_heart(canvas: Canvas, person: Person, torso: Torso) -> None:
    """Paint the heart in its rim of fat, its chambers where contrast shows them, and the vessels that leave it."""
    room = canvas.inside(torso.depth + 4) * (1 - torso.lung)
    surface = heart(canvas, person)
    muscle = 42 + 0.45 * max(person.blood - 45, 0)
    canvas.paint(muscle, room * canvas.inside(surface))
    size = person.heart
    canvas.paint(-55.0, 0.7 * room * canvas.inside(np.abs(canvas.egg((8, -28, 62), (30, 40, 9), turn=-0.5)) - 1.4))
    chambers = (
        ((38 * size, -22, 26), (34, 20, 36), -0.6),
        ((2 * size, -44, 26), (36, 17, 38), -0.35),
        ((-24 * size, -16, 46), (20, 24, 30), 0.0),
        ((2 * size, 14, 62), (32, 15, 24), 0.0),
    )
    for centre, radii, turn in chambers:
        canvas.paint(person.blood, room * canvas.inside(canvas.egg(centre, [r * size for r in radii], turn=turn)))
    _great_vessels(canvas, person)


def _great_vessels(canvas: Canvas, person: Person) -> None:
    """Aorta, vena cava, pulmonary trunk and the branches to head and arms."""
    up = person.height / 210
    wide = 1 + 0.004 * (person.age - 55)
    aorta = [(-2, -20, 72), (-14, -27, 100), (-15, -27, 125), (-9, -16, 146), (6, 2, 155), (20, 22, 150)]
    aorta += [(25, 36, 132), (24, 42, 90), (18, 46, 40), (8, 48, 0), (4, 48, -90)]
    radii = np.array([13, 15.5, 15.5, 14.5, 14, 13.5, 12.5, 12, 11.5, 11, 10.5]) * wide
    cava = [(-28, -14, 45), (-29, -18, 105), (-27, -18, 150), (-24, -18, 175)]
    trunk = [(18, -42, 82), (21, -34, 100), (19, -20, 113)]
    lines: list[tuple[Sequence[tuple[float, float, float]], Any]] = [
        (cava, 8.5),
        ([(-24, -18, 172), (-10, -24, 182), (20, -24, 190), (48, -22, 205)], 6.0),
        ([(-24, -18, 172), (-38, -20, 205)], 6.5),
        (trunk, [13, 13, 12]),
        ([(19, -18, 111), (0, -4, 108), (-22, 2, 106), (-42, 6, 100)], [11, 10.5, 10, 8]),
        ([(19, -20, 113), (33, 2, 117), (42, 18, 108), (46, 22, 92)], [11, 10.5, 9, 7.5]),
        ([(-8, -14, 150), (-16, -10, 180), (-26, -8, 215)], [6.5, 6, 4.5]),
        ([(4, -2, 156), (8, -2, 185), (14, -4, 225)], [4.2, 3.8, 3.6]),
        ([(14, 10, 155), (24, 8, 185), (32, 4, 215)], [5.2, 4.8, 4.2]),
        ([(-8, 46, -60), (-9, 46, 120), (-18, 30, 132), (-26, 4, 133)], [3.0, 3.4, 3.2, 3.2]),
        ([(-46, 14, 74), (-20, 16, 68), (6, 16, 64), (30, 18, 70), (48, 20, 78)], [6, 7, 8, 7, 6]),
        (aorta, radii),
    ]
    for line, widths in lines:
        canvas.tube(np.array(line, dtype=float) * (1, 1, up), widths, person.blood)


def paint_airways(rng: np.random.Generator, canvas: Canvas, person: Person) -> None:
    """Paint lymph nodes, the gullet, and the windpipe with the first branches to the lobes."""
    up = np.array([1, 1, person.height / 210])
    radius = 9.5 if person.sex == "M" else 8.2
    drift = rng.uniform(-3, 3)
    for _ in range(int(rng.integers(5, 12))):
        gland = np.array([rng.uniform(-20, 24), rng.uniform(-50, 5), rng.uniform(112, 175)])
        canvas.tube(np.array([gland - 1.5, gland + rng.normal(0, 2.5, 3)]) * up, rng.uniform(1.8, 3.4), 38)
    gullet = [(6, 28, 235), (8, 32, 160), (6, 36, 110), (8, 38, 60), (14, 26, 0)]
    canvas.tube(np.array(gullet) * up, 6.5, 38)
    canvas.tube(np.array(gullet) * up, 2.0, rng.uniform(-250, 30))
    pipes = [
        ([(drift, 2, 245), (drift, 8, 180), (0, 14, 126)], [radius, radius, radius * 1.1]),
        ([(0, 14, 126), (-20, 16, 112), (-40, 18, 98)], [radius * 0.85, radius * 0.75, radius * 0.65]),
        ([(0, 14, 126), (24, 22, 105), (46, 26, 92)], [radius * 0.75, radius * 0.62, radius * 0.55]),
        ([(-30, 17, 104), (-48, 12, 122), (-60, 6, 140)], [3.8, 2.5, 1.3]),
        ([(-40, 18, 98), (-46, 26, 74), (-54, 38, 52)], [4.2, 3.0, 1.4]),
        ([(-44, 18, 88), (-56, 0, 74), (-64, -24, 60)], [3.2, 2.2, 1.2]),
        ([(46, 26, 92), (56, 8, 112), (64, -8, 132)], [3.8, 2.5, 1.3]),
        ([(46, 26, 92), (52, 34, 70), (60, 44, 48)], [4.2, 3.0, 1.4]),
    ]
    for value, wall in ((_WALL, 1.1), (AIR + 15, 0.0)):
        for line, radii in pipes:
            canvas.tube(np.array(line, dtype=float) * up, np.array(radii) + wall, value)


class _Tree:
    """A growing tree of vessels: where its nodes are and from which node each came."""

    def __init__(self, root: Points, most: int) -> None:
        self.points = np.zeros((most, 3))
        self.points[0] = root
        self.parents = np.full(most, -1)
        self.detours = np.zeros(most)
        self.size = 1

    def grow(self, rng: np.random.Generator, goal: Points) -> None:
        """Lead a new twig from the best node to a goal, in a slight curve."""
        away = self.points[: self.size] - goal
        gap = np.sqrt(np.einsum("ij,ij->i", away, away))
        parent = int(np.argmin(gap + 0.25 * self.detours[: self.size]))
        start, length = self.points[parent], float(gap[parent])
        steps = min(max(int(length / 12), 1), TWIG)
        share = np.arange(1, steps + 1)[:, None] / steps
        twig = start + (goal - start) * share + rng.normal(0, 0.08 * length, 3) * np.sin(np.pi * share)
        new = slice(self.size, self.size + steps)
        self.points[new] = twig
        self.parents[new] = (parent, *range(self.size, self.size + steps - 1))
        self.detours[new] = np.linalg.norm(twig - self.points[0], axis=1)
        self.size += steps

    def pieces(self) -> tuple[Points, Points, Points]:
        """Start, end and the number of twigs carried at either end of every piece."""
        parents = self.parents[1 : self.size]
        loads = np.zeros(self.size)
        loads[np.bincount(parents, minlength=self.size) == 0] = 1
        for node in range(self.size - 1, 0, -1):
            loads[self.parents[node]] += loads[node]
        points = self.points[: self.size]
        return points[parents], points[1:], np.stack([np.minimum(loads[parents], 1.6 * loads[1:]), loads[1:]], axis=1)


TWIG = 7
"""The most pieces of one twig."""


def paint_lung_vessels(rng: np.random.Generator, canvas: Canvas, person: Person, torso: Torso) -> Field:
    """Grow arteries and veins from each hilum into its lung; returns where they run (0 to 1)."""
    up = person.height / 210
    spots = canvas.in_body(torso.spots)
    trees = []
    for side in (-1, 1):
        mine = spots[spots[:, 0] * side > 0]
        for x, y, z, calibre in ((42, 8, 104, 0.86), (45, 20, 88, 0.9), (40, 14, 74, 0.82)):
            if len(mine):
                trees.append(_grown(rng, mine, np.array([side * x, y, z * up]), calibre))
    starts, ends, radii = (np.concatenate(parts) for parts in zip(*trees, strict=True))
    run = canvas.threads(starts, ends, radii)
    run *= np.clip(torso.lung * 1.6 + (np.abs(canvas.x) < 60) * 0.6, 0, 1)
    canvas.paint(min(person.blood, 60.0) + 0.7 * max(person.blood - 60, 0), run)
    return run


def _grown(rng: np.random.Generator, spots: Points, root: Points, calibre: float) -> tuple[Points, Points, Points]:
    """One tree: twigs lead to places all over the lung, and a vessel is as wide as what it feeds asks for."""
    goals = spots[rng.integers(len(spots), size=190)]
    reach = np.linalg.norm(goals - root, axis=1)
    tree = _Tree(root, len(goals) * TWIG + 1)
    for goal in goals[np.argsort(reach * rng.uniform(0.6, 1.4, len(reach)))]:
        tree.grow(rng, goal)
    starts, ends, loads = tree.pieces()
    return starts, ends, calibre * loads**0.37
