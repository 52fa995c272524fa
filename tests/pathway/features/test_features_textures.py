"""Grey levels side by side, against scikit-image and against loops that count as the definitions say."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from feature_samples import Array, ball, family, noise
from skimage.feature import graycomatrix, graycoprops

LEVELS = np.random.default_rng(5).integers(0, 6, (1, 9, 11)).astype(np.float32)
VOLUME = np.random.default_rng(6).integers(0, 5, (1, 4, 5, 6)).astype(np.float32)


def counted(levels: Array, mask: Array, step: tuple[int, ...]) -> Array:
    """The co-occurrence matrix of one direction, pixel by pixel."""
    count = int(levels[mask].max()) + 1
    table = np.zeros((count, count))
    for place in np.ndindex(levels.shape):
        other = tuple(np.add(place, step))
        if (
            all(0 <= at < length for at, length in zip(other, levels.shape, strict=True))
            and mask[place]
            and mask[other]
        ):
            table[levels[place], levels[other]] += 1
            table[levels[other], levels[place]] += 1
    return table / table.sum()


def forward(dimensions: int) -> list[tuple[int, ...]]:
    """One way of each line to a neighbour."""
    found: list[tuple[int, ...]] = []
    for step in product((-1, 0, 1), repeat=dimensions):
        if any(step) and tuple(-one for one in step) not in found:
            found.append(step)
    return found


def test_glcm_is_that_of_the_library() -> None:
    one = family("glcm")
    found = one.measure(LEVELS, one.settings(distances=(1,), levels=6, ranges=((0, 6),)))
    angles = [0, np.pi / 4, np.pi / 2, 3 * np.pi / 4]
    matrices = graycomatrix(LEVELS[0].astype(np.uint8), [1], angles, levels=6, symmetric=True, normed=True)
    names = {"angular_second_moment": "ASM"} | {
        name: name for name in ("contrast", "dissimilarity", "homogeneity", "energy", "correlation", "entropy")
    }
    assert {*found} == {f"distance_1_{name}" for name in names}
    for name, property_name in names.items():
        value = graycoprops(matrices, property_name).mean()
        # the library counts entropy in natural units
        expected = value / np.log(2) if name == "entropy" else value
        assert found[f"distance_1_{name}"] == pytest.approx(expected), name


@pytest.mark.parametrize("distance", [1, 2])
@pytest.mark.parametrize("masked", [False, True])
def test_glcm_of_a_volume_counts_every_pair_inside_the_mask(distance: int, masked: bool) -> None:
    one = family("glcm")
    mask = ball((4, 5, 6), 2.2) if masked else np.ones((4, 5, 6), bool)
    settings = one.settings(distances=(distance,), levels=5, ranges=((0, 5),))
    found = one.measure(VOLUME, settings, mask=mask if masked else None)
    steps = [tuple(distance * along for along in step) for step in forward(3)]
    assert len(steps) == 13
    tables = [counted(VOLUME[0].astype(int), mask, step) for step in steps]
    rows, columns = np.indices(tables[0].shape)
    contrast = np.mean([np.sum(table * (rows - columns) ** 2) for table in tables])
    assert found[f"distance_{distance}_contrast"] == pytest.approx(contrast)
    assert found[f"distance_{distance}_energy"] == pytest.approx(np.mean([np.sqrt(np.sum(t**2)) for t in tables]))


def test_directions_without_neighbours_are_left_out_of_the_mean() -> None:
    one = family("glcm")
    row = np.array([[[0, 0, 100, 200]]], np.uint8)
    settings = one.settings(distances=(1, 3, 4), levels=256)
    found = one.measure(row, settings)
    assert found["distance_1_dissimilarity"] == pytest.approx(200 / 3, abs=1)
    assert found["distance_3_dissimilarity"] == pytest.approx(200, abs=1)
    # nobody is 4 pixels away, so each counts as its own neighbour
    assert found["distance_4_dissimilarity"] == 0
    assert found["distance_4_energy"] == pytest.approx(np.sqrt(0.25 + 2 / 16))


def bits(shares: Array) -> float:
    """Entropy, share by share."""
    return -sum(one * np.log2(one) for one in np.ravel(shares) if one > 0)


def defined(table: Array, highest: int) -> dict[str, float]:
    """The 24 features of a matrix whose first level is 1, each as its definition is written."""
    size = len(table)
    level = np.arange(1, size + 1)
    i, j = np.meshgrid(level, level, indexing="ij")
    px = table.sum(axis=1)
    mean = np.sum(i * table)
    variance = np.sum((i - mean) ** 2 * table)
    sums = {k: table[i + j == k].sum() for k in range(2, 2 * size + 1)}
    differences = {k: table[np.abs(i - j) == k].sum() for k in range(size)}
    average = sum(k * share for k, share in differences.items())
    chance = np.outer(px, px)
    known = table > 0
    hxy, hx = bits(table), bits(px)
    hxy1 = -np.sum(table[known] * np.log2(chance[known]))
    hxy2 = bits(chance)
    used = px > 0
    p, q = table[np.ix_(used, used)], px[used]
    spread = np.array([[np.sum(p[a] * p[b] / (q[a] * q)) for b in range(len(q))] for a in range(len(q))])
    return {
        "autocorrelation": np.sum(table * i * j),
        "joint_average": mean,
        "cluster_prominence": np.sum((i + j - 2 * mean) ** 4 * table),
        "cluster_shade": np.sum((i + j - 2 * mean) ** 3 * table),
        "cluster_tendency": np.sum((i + j - 2 * mean) ** 2 * table),
        "sum_entropy": bits(np.array([*sums.values()])),
        "contrast": np.sum((i - j) ** 2 * table),
        "correlation": (np.sum(table * i * j) - mean**2) / variance,
        "difference_average": average,
        "difference_entropy": bits(np.array([*differences.values()])),
        "difference_variance": sum((k - average) ** 2 * share for k, share in differences.items()),
        "inverse_difference": np.sum(table / (1 + np.abs(i - j))),
        "inverse_difference_normalised": np.sum(table / (1 + np.abs(i - j) / highest)),
        "inverse_difference_moment": np.sum(table / (1 + (i - j) ** 2)),
        "inverse_difference_moment_normalised": np.sum(table / (1 + (i - j) ** 2 / highest**2)),
        "inverse_variance": sum(share / k**2 for k, share in differences.items() if k),
        "joint_energy": np.sum(table**2),
        "joint_entropy": hxy,
        "informational_measure_of_correlation_1": (hxy - hxy1) / hx,
        "informational_measure_of_correlation_2": np.sqrt(1 - np.exp(-2 * (hxy2 - hxy))),
        "maximal_correlation_coefficient": np.sqrt(np.sort(np.linalg.eigvals(spread).real)[-2]),
        "maximum_probability": table.max(),
        "sum_average": sum(k * share for k, share in sums.items()),
        "sum_of_squares": variance,
    }


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("array", [LEVELS, VOLUME], ids=["image", "volume"])
def test_texture_is_what_its_definitions_say(array: Array, masked: bool) -> None:
    one = family("texture")
    shape = array.shape[1:]
    mask = ball(shape, 2.2) if masked else np.ones(shape, bool)
    # levels of 10 from a multiple of 10: 47 and 52 lie in different ones
    found = one.measure(array * 5 + 47, one.settings(width=10), mask=mask)
    steps = ((array[0] * 5 + 47) // 10).astype(int)
    levels = steps - steps[mask].min()
    tables = [defined(counted(levels, mask, step), int(levels[mask].max()) + 1) for step in forward(len(shape))]
    assert {name: np.mean([table[name] for table in tables]) for name in tables[0]} == pytest.approx(found, rel=1e-8)
    assert [*found] == [*tables[0]]


@pytest.mark.parametrize("extent", [(5, 6), (1, 1), (3, 4, 5), (1, 1, 1)])
def test_texture_of_one_level_is_perfectly_correlated(extent: tuple[int, ...]) -> None:
    one = family("texture")
    found = one.measure(np.full((1, *extent), 130, np.uint8), one.settings())
    # what pyradiomics says of a flat region
    ones = {
        *("joint_average", "maximum_probability", "joint_energy", "correlation", "autocorrelation"),
        *("inverse_difference", "inverse_difference_normalised"),
        *("inverse_difference_moment", "inverse_difference_moment_normalised", "maximal_correlation_coefficient"),
    }
    assert {name for name, value in found.items() if value == 1} == ones
    assert {value for name, value in found.items() if name not in {*ones, "sum_average"}} == {0.0}
    assert found["sum_average"] == 2


def test_levels_beyond_the_most_are_made_twice_as_wide() -> None:
    one = family("texture")
    array = noise((12, 12)).astype(np.float32) * 100
    assert one.measure(array, one.settings(most=300)) == one.measure(array, one.settings(width=100, most=300))
    assert one.measure(array, one.settings(most=1300)) != one.measure(array, one.settings(width=50, most=1300))
