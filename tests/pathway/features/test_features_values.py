"""Features of values alone, against numpy, scipy and the standard library."""

from __future__ import annotations

import colorsys

import numpy as np
import pytest
from feature_samples import ball, family, noise
from scipy import stats

from isocenter.core.errors import UsageError

FLOATS = np.random.default_rng(3).gamma(2.0, 30.0, (1, 21, 17)).astype(np.float32)


def test_statistics_are_those_of_numpy_and_scipy() -> None:
    one = family("statistics")
    found = one.measure(FLOATS, one.settings())
    values = FLOATS.ravel().astype(np.float64)
    counts = np.histogram(values, bins=256)[0]
    expected = {
        "mean": values.mean(),
        "deviation": values.std(),
        "variance": values.var(),
        "smallest": values.min(),
        "largest": values.max(),
        "entropy": stats.entropy(counts, base=2),
        **{f"percentile_{one}": np.percentile(values, one) for one in (1, 5, 25, 50, 75, 95, 99)},
        "skewness": stats.skew(values),
        "kurtosis": stats.kurtosis(values, fisher=False),
    }
    assert found == pytest.approx(expected, rel=1e-9)
    assert [*found] == [*expected]


def test_statistics_of_each_channel_inside_the_mask() -> None:
    one = family("statistics")
    array, mask = noise((9, 8), 2), ball((9, 8), 3)
    found = one.measure(array, one.settings(percentiles=(2.5,)), mask=mask)
    assert found["channel_2_mean"] == pytest.approx(array[1][mask].mean())
    assert found["channel_1_percentile_2.5"] == pytest.approx(np.percentile(array[0][mask], 2.5))


def test_the_entropy_of_every_value_once_is_8_bits() -> None:
    one = family("statistics")
    assert one.measure(np.arange(256, dtype=np.uint8).reshape(1, 16, 16), one.settings())["entropy"] == pytest.approx(8)


def test_a_histogram_is_that_of_numpy_over_the_same_range_for_all() -> None:
    one = family("histogram")
    for array in (noise((20, 11)), FLOATS):
        found = one.measure(array, one.settings(bins=10))
        counts = np.histogram(np.clip(array, 0, 255), bins=10, range=(0, 255))[0]
        assert [*found.values()] == pytest.approx(counts / array.size)
        assert [*found] == [f"bin_{number}" for number in range(1, 11)]


def test_a_histogram_has_the_range_of_each_channel_and_counts_what_lies_outside_at_its_ends() -> None:
    one = family("histogram")
    array = np.array([[[-9.0, 0.1, 0.9, 7.0]], [[10.0, 11.0, 11.0, 20.0]]])
    found = one.measure(array, one.settings(bins=2, ranges=((0, 1), (10, 20))))
    assert found == {"channel_1_bin_1": 0.5, "channel_1_bin_2": 0.5, "channel_2_bin_1": 0.75, "channel_2_bin_2": 0.25}


@pytest.mark.parametrize("name", ["histogram", "glcm"])
def test_ranges_are_learned_from_training_images(name: str) -> None:
    one = family(name)
    assert one.fit([noise((9, 9))], one.settings()).ranges == ((0.0, 255.0),)
    images = [
        np.stack([np.full((30, 30), 2.0), np.linspace(start, start + 1, 900).reshape(30, 30)]) for start in (0, 1)
    ]
    learned = one.fit(images, one.settings()).ranges
    assert learned[0] == (2.0, 3.0)
    assert learned[1] == pytest.approx((0.01, 1.99), abs=1e-3)
    given = one.settings(ranges=((5, 6),))
    assert one.fit(images, given) == given


@pytest.mark.parametrize("name", ["histogram", "glcm"])
def test_ranges_that_do_not_fit_are_refused(name: str) -> None:
    one = family(name)
    with pytest.raises(ValueError, match="must begin below its end"):
        one.settings(ranges=((1, 1),))
    with pytest.raises(UsageError, match="one pair for all channels or 3, got 2"):
        one.measure(noise((4, 4), 3), one.settings(ranges=((0, 1), (0, 2))))


def test_colour_moments_are_those_of_scipy_and_colorsys() -> None:
    one = family("colour")
    array = noise((12, 10), 3)
    found = one.measure(array, one.settings())
    hues = np.array([colorsys.rgb_to_hsv(*pixel) for pixel in array.reshape(3, -1).T.astype(float)]).T
    columns = {f"channel_{number}": channel.ravel() for number, channel in enumerate(array.astype(float), start=1)}
    columns |= dict(zip(("hue", "saturation", "brightness"), hues, strict=True))
    expected: dict[str, float] = {}
    for name, values in columns.items():
        expected[f"{name}_mean"] = values.mean()
        expected[f"{name}_deviation"] = values.std()
        expected[f"{name}_skew"] = np.cbrt(stats.moment(values, 3))
    assert found == pytest.approx(expected, rel=1e-9)
    assert [*found] == [*expected]


def test_a_grey_image_has_no_hue() -> None:
    one = family("colour")
    assert [*one.measure(noise((5, 5)), one.settings())] == ["mean", "deviation", "skew"]
    grey = np.repeat(noise((5, 5)), 3, axis=0)
    found = one.measure(grey, one.settings())
    assert [found[f"{name}_mean"] for name in ("hue", "saturation")] == [0.0, 0.0]


def test_first_order_is_what_its_names_say() -> None:
    one = family("first_order")
    values = FLOATS.ravel().astype(np.float64)
    found = one.measure(FLOATS, one.settings(width=10, shift=100), spacing=(0.5, 3))
    tenth, ninetieth = np.percentile(values, (10, 90))
    middling = values[(values >= tenth) & (values <= ninetieth)]
    counts = np.histogram(values, bins=np.arange(0, values.max() + 20, 10))[0]
    energy = np.sum((values + 100) ** 2)
    expected = {
        "energy": energy,
        "total_energy": energy * 1.5,
        "entropy": stats.entropy(counts, base=2),
        "minimum": values.min(),
        "percentile_10": tenth,
        "percentile_90": ninetieth,
        "maximum": values.max(),
        "mean": values.mean(),
        "median": np.median(values),
        "interquartile_range": stats.iqr(values),
        "range": np.ptp(values),
        "mean_absolute_deviation": np.abs(values - values.mean()).mean(),
        "robust_mean_absolute_deviation": np.abs(middling - middling.mean()).mean(),
        "root_mean_squared": np.sqrt(np.mean((values + 100) ** 2)),
        "skewness": stats.skew(values),
        "kurtosis": stats.kurtosis(values, fisher=False),
        "variance": values.var(),
        "uniformity": np.sum((counts / values.size) ** 2),
    }
    assert found == pytest.approx(expected, rel=1e-9)
    assert [*found] == [*expected]


def test_an_even_image_is_one_kind_of_value() -> None:
    one = family("first_order")
    found = one.measure(np.full((1, 3, 3), 0.1, np.float32), one.settings())
    nothing = ("entropy", "range", "mean_absolute_deviation", "robust_mean_absolute_deviation", "skewness", "kurtosis")
    assert {found[name] for name in (*nothing, "variance", "interquartile_range")} == {0.0}
    assert found["uniformity"] == 1.0
