"""Texture radiomics: the 24 features of the grey-level co-occurrence matrix, in the definitions of pyradiomics.

Values are counted in levels of one width, neighbours in all 13 directions of a volume (4 of an image), there and back;
each feature is the mean over the directions in which there are neighbours; where no pixel has any, each counts as its
own. A region of one level is perfectly correlated: correlation and maximal correlation coefficient are 1, the
informational measures of correlation 0.
"""

from __future__ import annotations

import numpy as np
from pydantic import Field

from isocenter.pathway.features._shared import Features, FeatureSettings, Floats, View, mean_of, of_channels
from isocenter.pathway.grey_levels import Pairs, directions, entropy, pairs, steps_of


class Settings(FeatureSettings):
    """How finely levels are told apart."""

    width: float = Field(default=25.0, gt=0)
    """Width of a grey level, in the unit of the image; levels begin at its multiples."""
    most: int = Field(default=512, ge=2, le=2048)
    """Where there would be more levels than this, the width is doubled until there are not."""


def _formula(view: View, settings: Settings) -> dict[str, float]:
    levels = np.full(view.extent, -1, np.int32)
    levels[view.region] = _levels(view.values(), settings)
    highest = int(levels.max()) + 1
    return mean_of([_measures(one, highest) for one in pairs(levels, directions(len(view.extent)))])


def _levels(values: Floats, settings: Settings) -> Floats:
    width = settings.width
    while (levels := steps_of(values, width)).max() >= settings.most:
        width *= 2
    return levels


def _measures(one: Pairs, highest: int) -> dict[str, float]:
    """All features of one matrix, whose first level is 1 and whose last is `highest`."""
    mean = one.mean + 1.0
    return {
        # covariance and mean give the mean product
        "autocorrelation": one.variance - one.contrast / 2.0 + mean**2,
        "joint_average": mean,
        **_clusters(one),
        "contrast": one.contrast,
        "correlation": one.correlation,
        **_differences(one, highest),
        "joint_energy": one.angular_second_moment,
        "joint_entropy": one.entropy,
        **_information(one),
        "maximal_correlation_coefficient": _maximal_correlation(one),
        "maximum_probability": float(one.share.max()),
        "sum_average": 2.0 * mean,
        "sum_of_squares": one.variance,
    }


def _clusters(one: Pairs) -> dict[str, float]:
    """What follows from the sum of the levels of two neighbours."""
    level = np.arange(len(one.share))
    shares = np.bincount((level[:, None] + level).ravel(), one.share.ravel())
    apart = np.arange(len(shares)) - 2.0 * one.mean
    return {
        "cluster_prominence": float(apart**4 @ shares),
        "cluster_shade": float(apart**3 @ shares),
        "cluster_tendency": float(apart**2 @ shares),
        "sum_entropy": entropy(shares),
    }


def _differences(one: Pairs, highest: int) -> dict[str, float]:
    """What follows from the difference of the levels of two neighbours."""
    apart, shares = np.arange(len(one.apart), dtype=np.float64), one.apart
    average = one.dissimilarity
    return {
        "difference_average": average,
        "difference_entropy": entropy(shares),
        "difference_variance": float(np.square(apart - average) @ shares),
        "inverse_difference": float((shares / (1 + apart)).sum()),
        "inverse_difference_normalised": float((shares / (1 + apart / highest)).sum()),
        "inverse_difference_moment": one.homogeneity,
        "inverse_difference_moment_normalised": float((shares / (1 + np.square(apart / highest))).sum()),
        "inverse_variance": float((shares[1:] / np.square(apart[1:])).sum()),
    }


def _information(one: Pairs) -> dict[str, float]:
    """How much a level tells of its neighbour, against what it would if both were drawn by chance."""
    alone, together = entropy(one.own), one.entropy
    shared = max(0.0, 2.0 * alone - together)
    return {
        "informational_measure_of_correlation_1": -shared / alone if alone else 0.0,
        "informational_measure_of_correlation_2": float(np.sqrt(-np.expm1(-2.0 * shared))),
    }


def _maximal_correlation(one: Pairs) -> float:
    """The second singular value of the matrix, each share set against those of its two levels."""
    used = one.own > 0
    if np.count_nonzero(used) == 1:
        return 1.0
    scale = 1.0 / np.sqrt(one.own[used])
    values = np.linalg.eigvalsh(one.share[np.ix_(used, used)] * scale[:, None] * scale)
    return float(np.sort(np.abs(values))[-2])


FEATURES = Features(settings=Settings, formula=of_channels(_formula))
