"""Shape radiomics: size, surface, roundness, diameters and axes of a region, in the definitions of pyradiomics.

Only the mask counts, not what the image shows; where there is no mask, the region is the whole image. Volumes give the
features of three dimensions, images those of two. A region of one pixel has axes of no length and is not elongated:
elongation and flatness are 1.
"""

from __future__ import annotations

import numpy as np

from isocenter.pathway.features._shared import Features, FeatureSettings, Floats, Mask, View
from isocenter.pathway.features.shape.surface import outline, surface

_PLANES = ("slice", "column", "row")
"""The planes across the first, second and third axis, in the words of pyradiomics."""


class Settings(FeatureSettings):
    """Nothing to set."""


def _formula(view: View, settings: Settings) -> dict[str, float]:
    del settings
    mask, spacing = view.cropped().region, np.array(view.spacing)
    return _flat(mask, spacing) if mask.ndim == 2 else _solid(mask, spacing)


def _solid(mask: Mask, spacing: Floats) -> dict[str, float]:
    """Of a volume."""
    measured = surface(mask, spacing)
    volume, area = measured.content, measured.boundary
    points = outline(mask)
    across = {
        f"maximum_2d_diameter_{name}": max(_widest(part * spacing) for part in _across(points, axis))
        for axis, name in enumerate(_PLANES)
    }
    least, minor, major = _axes(mask, spacing)
    return {
        "mesh_volume": volume,
        "voxel_volume": float(mask.sum() * spacing.prod()),
        "surface_area": area,
        "surface_volume_ratio": area / volume,
        "sphericity": float(np.cbrt(36.0 * np.pi * volume**2)) / area,
        "maximum_3d_diameter": _widest(_hull(points * spacing)),
        **across,
        "major_axis_length": major,
        "minor_axis_length": minor,
        "least_axis_length": least,
        "elongation": _ratio(minor, major),
        "flatness": _ratio(least, major),
    }


def _flat(mask: Mask, spacing: Floats) -> dict[str, float]:
    """Of an image."""
    measured = surface(mask, spacing)
    area, perimeter = measured.content, measured.boundary
    minor, major = _axes(mask, spacing)
    return {
        "mesh_surface": area,
        "pixel_surface": float(mask.sum() * spacing.prod()),
        "perimeter": perimeter,
        "perimeter_surface_ratio": perimeter / area,
        "sphericity": 2.0 * float(np.sqrt(np.pi * area)) / perimeter,
        "maximum_diameter": _widest(outline(mask) * spacing),
        "major_axis_length": major,
        "minor_axis_length": minor,
        "elongation": _ratio(minor, major),
    }


def _axes(mask: Mask, spacing: Floats) -> Floats:
    """Four deviations of where the pixels lie, along the axes in which they spread least to most."""
    points = np.argwhere(mask) * spacing
    apart = points - points.mean(axis=0)
    spread = np.linalg.eigvalsh(apart.T @ apart / len(points))
    # a flat region spreads by nothing in one direction, which rounding may put below 0
    lengths: Floats = 4.0 * np.sqrt(np.maximum(spread, 0.0))
    return lengths


def _ratio(shorter: float, longer: float) -> float:
    return float(shorter / longer) if longer else 1.0


def _across(points: Floats, axis: int) -> list[Floats]:
    """The points of each plane across an axis."""
    ordered = points[np.argsort(points[:, axis], kind="stable")]
    return np.split(ordered, np.flatnonzero(np.diff(ordered[:, axis])) + 1)


def _hull(points: Floats) -> Floats:
    """The corners of the convex hull, between two of which the largest distance lies."""
    from scipy.spatial import ConvexHull

    ends = _ends(points)
    corners: Floats = ends[ConvexHull(ends).vertices]
    return corners


def _widest(points: Floats) -> float:
    """The largest distance between two points."""
    from scipy.spatial.distance import pdist

    return float(pdist(_ends(points)).max(initial=0.0))


def _ends(points: Floats) -> Floats:
    """The first and last point of each line along the last axis: no two points lie farther apart than two of these."""
    ordered = points[np.lexsort(points.T[::-1])]
    turns = (ordered[1:, :-1] != ordered[:-1, :-1]).any(axis=1)
    ends: Floats = ordered[np.append(True, turns) | np.append(turns, True)]
    return ends


FEATURES = Features(settings=Settings, formula=_formula)
