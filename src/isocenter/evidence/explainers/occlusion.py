"""Occlusion: a blank patch is moved over the image, and the answer is watched as it covers each place."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isocenter.evidence.explainers._shared import Explained, Explainer, batch_size, blanked

_PARTS = {1: 16, 2: 8, 3: 4}
"""How many patches fit side by side along an axis, by the number of axes: moved by half their size they make at most
225 answers for an image and 343 for a volume."""

_BATCH = 16


def explain(model: Explained, pixels: NDArray[Any], output: int) -> NDArray[np.float32]:
    """How far the logit falls where a place is covered, as the mean over all patches that cover it."""
    shape = pixels.shape[1:]
    patches = _patches(shape)
    whole = float(model.run(pixels[None])["logits"][0, output])
    fallen = np.zeros(shape, dtype=np.float64)
    covered = np.zeros(shape, dtype=np.float64)
    size = batch_size(pixels, most=_BATCH)
    for start in range(0, len(patches), size):
        chosen = patches[start : start + size]
        logits = model.run(np.stack([_covered(pixels, patch, model.blank) for patch in chosen]))["logits"]
        for patch, logit in zip(chosen, logits[:, output], strict=True):
            fallen[patch] += whole - float(logit)
            covered[patch] += 1
    return (fallen / covered).astype(np.float32)


def _patches(shape: tuple[int, ...]) -> list[tuple[slice, ...]]:
    """Where the patch is laid: every place is covered, most of them several times."""
    parts = _PARTS[max(1, sum(extent > 1 for extent in shape))]
    return list(product(*(_along(extent, parts) for extent in shape)))


def _along(extent: int, parts: int) -> list[slice]:
    size = -(-extent // parts)
    steps = min(2 * parts - 1, extent - size + 1)
    starts = np.unique(np.rint(np.linspace(0, extent - size, steps)).astype(int))
    return [slice(int(start), int(start) + size) for start in starts]


def _covered(pixels: NDArray[Any], patch: tuple[slice, ...], blank: tuple[float, ...]) -> NDArray[Any]:
    where = np.zeros(pixels.shape[1:], dtype=bool)
    where[patch] = True
    return blanked(pixels, where, blank)


EXPLAINER = Explainer(explain=explain)
