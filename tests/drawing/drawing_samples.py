"""Small images to draw."""

from __future__ import annotations

from typing import Any

import numpy as np

from isocenter.core.geometry import Geometry
from isocenter.core.image import Image, Intensity


def image(array: Any, *, intensity: Intensity = Intensity.RAW, spacing: tuple[float, ...] = (1, 1, 1)) -> Image:
    """An image (channel first) at the origin, LPS."""
    pixels = np.asarray(array)
    geometry = Geometry.from_parts(origin=(0, 0, 0), spacing=(*spacing, 1, 1, 1)[:3], direction=np.eye(3))
    axes = {3: "CYX", 4: "CZYX", 5: "CTZYX"}[pixels.ndim]
    return Image(array=pixels, axes=axes, geometry=geometry, intensity=intensity)


def corner_volume() -> Image:
    """A volume whose brightness says where it is: bright to the left, the back and the head."""
    z, y, x = np.meshgrid(np.arange(6), np.arange(8), np.arange(10), indexing="ij")
    return image((100 * (x > 4) + 50 * (y > 3) + 25 * (z > 2))[None].astype(np.int16))
