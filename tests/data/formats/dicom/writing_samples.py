"""Images that the writing tests share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from isocenter.core.geometry import Geometry
from isocenter.core.image import Image
from isocenter.data import files
from isocenter.data.formats.dicom.writing import write

TURN = np.radians(20)
OBLIQUE = Geometry.from_parts(
    origin=(-101.123456789, 55.5, -1 / 3),
    spacing=(0.7, 0.9, 2.5),
    direction=[[np.cos(TURN), -np.sin(TURN), 0], [np.sin(TURN), np.cos(TURN), 0], [0, 0, 1]],
)
FOLDER = "dicom/seg_sm_sr/data/test_files"


def volume(dtype: str = "int16", *, axes: str = "CZYX", seed: int = 5, **known: Any) -> Image:
    """A small volume of noise over the range of its kind of number."""
    sizes = {"C": 1, "T": 3, "Z": 4, "Y": 5, "X": 6}
    rng = np.random.default_rng(seed)
    shape = tuple(sizes[axis] for axis in axes)
    array: Any = rng.normal(size=shape) * 100
    if np.dtype(dtype).kind != "f":
        limits = np.iinfo(dtype)
        array = rng.integers(limits.min, limits.max, shape, endpoint=True)
    return Image(array=array.astype(dtype), axes=axes, **{"geometry": OBLIQUE, "modality": "MR", **known})


def again(path: Path, image: Image) -> Image:
    """Write and read back."""
    write(image, path)
    [found] = files.read(path)
    return found
