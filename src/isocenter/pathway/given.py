"""What a model is given of a prepared image: its pixels, or a row of what is measured of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isocenter.core.image import Image
from isocenter.core.progress import Progress, Silent, tracked
from isocenter.core.recipe import InputRecipe
from isocenter.pathway.measuring import fitted, measured


def given_to_model(pixels: NDArray[Any], wanted: InputRecipe, progress: Progress | None = None) -> NDArray[Any]:
    """Prepared cases (cases, channels, ...) as they are; where features are wanted, (cases, 1, 1, numbers)."""
    if not wanted.features:
        return pixels
    cases = tracked(pixels, progress or Silent(), "Measuring features", len(pixels))
    rows = [measured(np.asarray(case), tuple(wanted.features), wanted.features)[1] for case in cases]
    return np.stack(rows)[:, None, None, :] if rows else np.zeros((0, *wanted.given_shape), np.float32)


def with_features(wanted: InputRecipe, images: Sequence[Image]) -> InputRecipe:
    """The input after its families of features have learned from prepared training images what they learn."""
    if not wanted.features:
        return wanted
    arrays = [one.array for one in images]
    features = fitted(arrays, tuple(wanted.features), wanted.features)
    names, _ = measured(arrays[0], tuple(features), features)
    return wanted.model_copy(update={"features": features, "measured": len(names)})


def names_of(wanted: InputRecipe) -> tuple[str, ...]:
    """The names of the numbers that a model is given in place of pixels; none where it is given pixels."""
    if not wanted.features:
        return ()
    blank = np.zeros((len(wanted.channels), *wanted.shape), np.uint8 if wanted.stored == "uint8" else np.float32)
    return measured(blank, tuple(wanted.features), wanted.features)[0]
