"""The scanner: the table, the blur and noise of a reconstruction, and the circle that it can see."""

from __future__ import annotations

import numpy as np

from isocenter.data.phantoms._canvas import Canvas, Field
from isocenter.data.phantoms._person import Person, Protocol
from isocenter.data.phantoms._torso import Torso

OUTSIDE = -1024
"""What scanners write outside the circle that they reconstruct."""


def paint_table(canvas: Canvas, lowest: float) -> None:
    """A curved carbon shell with foam inside, right behind the back."""
    rows, columns = canvas.rows[:, None], canvas.columns[None, :]
    top = lowest + 3 - 0.0009 * columns**2
    upper, lower = rows - top, rows - top - 22 + 0.0012 * columns**2
    inside = canvas.inside(np.maximum(-upper, lower))
    shell = np.maximum(canvas.inside(np.abs(upper) - 1.2), canvas.inside(np.abs(lower) - 1.2))
    canvas.paint(-930.0, inside)
    canvas.paint(-420.0, shell * canvas.inside(np.maximum(-upper, lower) - 3))


def reconstruct(rng: np.random.Generator, canvas: Canvas, person: Person, protocol: Protocol, torso: Torso) -> Field:
    """What the scanner makes of the body: blurred, grainy, streaky at the shoulders, cut to its circle."""
    from scipy.ndimage import gaussian_filter

    kernel = protocol.kernel
    image = gaussian_filter(canvas.array, (0, kernel.blur, kernel.blur))
    if kernel.sharpen:
        image += kernel.sharpen * (image - gaussian_filter(image, (0, 1.0, 1.0)))
    image += _noise(rng, canvas, person, protocol, torso)
    radius = min(canvas.rows[-1], canvas.columns[-1]) + canvas.softness / 2
    beyond = canvas.rows[:, None] ** 2 + canvas.columns[None, :] ** 2 > radius**2
    image[:, beyond] = OUTSIDE
    return np.asarray(np.clip(np.rint(image), OUTSIDE, 3071), dtype=np.float32)


def _noise(rng: np.random.Generator, canvas: Canvas, person: Person, protocol: Protocol, torso: Torso) -> Field:
    from scipy.ndimage import gaussian_filter

    kernel, shape = protocol.kernel, canvas.array.shape
    white = rng.standard_normal(shape, dtype=np.float32)
    grain = gaussian_filter(white, (0, kernel.grain, kernel.grain))
    if kernel.sharpen:
        grain -= 0.6 * gaussian_filter(grain, (0, 1.6, 1.6))
    grain /= grain.std()
    across = 2 * (person.half_width + person.muscle + person.fat)
    level = 9.0 * kernel.noise * np.exp((across - 300) / 170) * np.sqrt(120 / protocol.current * 4 / protocol.thickness)
    level *= (120 / protocol.kvp) ** 1.2
    deep = np.clip(-torso.surface / 90, 0, 1)
    loudness = np.float32(min(level, 42.0)) * (0.45 + 0.75 * deep)
    shoulders = np.clip((canvas.heights / person.height - 0.78) / 0.25, 0, 1)
    streaks = gaussian_filter(white[:, :, ::-1], (0, 0.5, 6.0))
    streaks /= streaks.std()
    return np.asarray(loudness * (grain + 1.3 * shoulders * streaks), dtype=np.float32)
