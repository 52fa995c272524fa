"""Several families of features as one row of a table: named columns, and a number in each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isocenter.core import registry
from isocenter.core.settings import build
from isocenter.pathway import features
from isocenter.pathway.features._shared import Features, FeatureSettings

Given = Mapping[str, Mapping[str, Any]]
"""For each family its settings by name; a family that is not named keeps its defaults."""


def measured(
    array: NDArray[Any],
    kinds: Sequence[str],
    settings: Given | None = None,
    *,
    spacing: Sequence[float] | None = None,
    mask: NDArray[np.bool_] | None = None,
) -> tuple[tuple[str, ...], NDArray[np.float32]]:
    """Measure one image by several families, one after the other.

    Args:
        array: (channels, [slices,] rows, columns), finite.
        kinds: names on the shelf of features, in the order of the columns.
        settings: of these families.
        spacing: millimetres along [slices,] rows, columns; lengths are counted in pixels where none is known.
        mask: ([slices,] rows, columns), what is measured; the whole image where there is none.

    Returns:
        The names of the columns, such as `statistics.mean`, and their numbers.
    """
    row: dict[str, float] = {}
    for kind, (family, chosen) in _families(kinds, settings or {}).items():
        found = family.measure(array, chosen, spacing=spacing, mask=mask)
        row |= {f"{kind}.{name}": value for name, value in found.items()}
    # an energy in 64 bits may be more than 32 bits hold
    limit = float(np.finfo(np.float32).max)
    return tuple(row), np.clip(np.array([*row.values()], np.float64), -limit, limit).astype(np.float32)


def fitted(
    images: Sequence[NDArray[Any]], kinds: Sequence[str], settings: Given | None = None
) -> dict[str, dict[str, Any]]:
    """The settings of each family, completed by what it learns from training images, as plain values for a recipe."""
    families = _families(kinds, settings or {})
    return {kind: family.fit(images, chosen).model_dump(mode="json") for kind, (family, chosen) in families.items()}


def _families(kinds: Sequence[str], settings: Given) -> dict[str, tuple[Features, FeatureSettings]]:
    """The families with their settings, in their order."""
    for kind in settings:
        if kind not in kinds:
            raise registry.unknown("chosen feature", kind, kinds)
    found = {}
    for kind in kinds:
        family: Features = registry.get(features, kind, "FEATURES")
        found[kind] = (family, build(family.settings, dict(settings.get(kind, {}))))
    return found
