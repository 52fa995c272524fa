"""Grad-CAM: the last feature maps, each weighted by how strongly the answer follows it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from isocenter.core.errors import UsageError
from isocenter.evidence.explainers._shared import Explained, Explainer, batch_size

_STEP = 0.25
"""How far features are raised and lowered to see what the answer does, as a share of what they hold: far enough that
32-bit arithmetic does not drown the change, near enough that a curved head looks straight."""

_PARTS = 1024
"""How many parts of the features are asked, at most, unless there are more maps. A head that averages each map gives
all parts of a map the same weight; one that tells places apart, such as a dense layer, does not."""


def explain(model: Explained, pixels: NDArray[Any], output: int) -> NDArray[np.float32]:
    """Where the last feature maps speak for an output; each place in units of the logit, whose mean they make up."""
    maps = _maps(model, pixels)
    weights = _weights(model, maps, output)
    return _enlarged(np.maximum((weights * maps).sum(axis=0), 0), pixels.shape[1:])


def _maps(model: Explained, pixels: NDArray[Any]) -> NDArray[np.float32]:
    """The last feature maps of one case (channels, [slices,] rows, columns)."""
    features = model.run(pixels[None]).get("features")
    if features is None or features.ndim != pixels.ndim + 1 or max(features.shape[2:]) == 1:
        raise UsageError(
            "Grad-CAM cannot explain this model",
            why="it has no feature map that still has places",
            remedy="Use `--method occlusion`, which works with every model",
        )
    return np.ascontiguousarray(features[0])


def _weights(model: Explained, maps: NDArray[np.float32], output: int) -> NDArray[np.float64]:
    """How the logit changes as each part of each map is raised: exact for a linear head, else the slope of a secant.

    Weights are those of the map as a whole: where all its parts weigh alike, they are its derivative along an even
    change of the map.
    """
    parts = _parts(maps.shape)
    count = int(parts.max()) + 1
    alive = np.unique(parts[maps != 0])  # where a map is empty it adds nothing, whatever its weight
    slopes = np.zeros(count, dtype=np.float64)
    step = np.float32(_STEP * np.sqrt(np.mean(np.square(maps, dtype=np.float64), where=maps != 0))) if alive.size else 0
    size = max(1, batch_size(maps) // 2)
    for start in range(0, len(alive), size):
        chosen = alive[start : start + size]
        change = step * (parts[None] == chosen.reshape(-1, *([1] * maps.ndim)))
        logits = model.head(np.concatenate([maps + change, maps - change]))[:, output].astype(np.float64)
        slopes[chosen] = (logits[: len(chosen)] - logits[len(chosen) :]) / (2 * float(step))
    share = np.bincount(parts.ravel(), minlength=count) / maps[0].size
    weights: NDArray[np.float64] = (slopes / share)[parts]
    return weights


def _parts(shape: tuple[int, ...]) -> NDArray[np.intp]:
    """Which part each feature belongs to: as many blocks of each map as can be asked."""
    extents = shape[1:]
    axes = sum(extent > 1 for extent in extents)
    blocks = max(1, int((_PARTS / shape[0]) ** (1 / axes) + 1e-9))
    parts = np.arange(shape[0]).reshape(-1, *([1] * len(extents)))
    for axis, extent in enumerate(extents):
        along = min(blocks, extent)
        place = (np.arange(extent) * along // extent).reshape(-1, *([1] * (len(extents) - 1 - axis)))
        parts = parts * along + place
    return parts


def _enlarged(coarse: NDArray[np.float64], shape: tuple[int, ...]) -> NDArray[np.float32]:
    """A coarse map on the prepared grid, smooth between the places that it knows.

    Lines from place to place, then a blur of a third of a cell that takes their edges away: a spline would look the
    same and swing beyond the values that it joins.
    """
    from scipy.ndimage import affine_transform, gaussian_filter

    cells = [wanted / have for wanted, have in zip(shape, coarse.shape, strict=True)]
    step, offset = [1 / cell for cell in cells], [(1 / cell - 1) / 2 for cell in cells]
    lines = affine_transform(coarse, step, offset=offset, output_shape=shape, order=1, mode="nearest")
    smooth = gaussian_filter(lines, [max(0.0, (cell - 1) / 3) for cell in cells], mode="nearest")
    return np.asarray(smooth, dtype=np.float32)


EXPLAINER = Explainer(explain=explain)
