"""Grad-CAM is the class activation map where a head averages, and heeds places where a head tells them apart."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from explainer_samples import WEIGHTS, averaging, bright_and_dark, model, square
from numpy.typing import NDArray

from isocenter.core.errors import UsageError
from isocenter.evidence.explainers._shared import BATCH_BYTES, Explained, batch_size, blanked
from isocenter.evidence.explainers.gradcam import explain


def fixed(maps: NDArray[np.float32], head: Any) -> Explained:
    """A model that always sees these maps."""
    return Explained(run=lambda _: {"features": maps[None], "logits": head(maps[None])}, head=head, blank=(0.0,))


@pytest.mark.parametrize(("count", "shape"), [(3, (6, 5)), (700, (3, 4)), (1100, (2, 2)), (40, (3, 4, 5))])
def test_equals_the_class_activation_map_where_the_head_averages(count: int, shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(count)
    maps = np.maximum(rng.normal(0, 1, (count, *shape)), 0).astype(np.float32)
    weights = rng.normal(0, 0.2, (count, 3)).astype(np.float32)

    def head(features: NDArray[np.float32]) -> NDArray[np.float32]:
        return features.reshape(*features.shape[:2], -1).mean(axis=2) @ weights

    expected = np.maximum(np.tensordot(weights[:, 1], maps, axes=1), 0)
    found = explain(fixed(maps, head), np.zeros((1, *shape), np.float32), 1)
    np.testing.assert_allclose(found, expected, atol=1e-3 * expected.max())


def test_places_are_told_apart_where_the_head_does_so() -> None:
    rng = np.random.default_rng(1)
    maps = rng.uniform(0, 1, (2, 4, 4)).astype(np.float32)
    weights = rng.normal(0, 1, maps.shape).astype(np.float32)

    def head(features: NDArray[np.float32]) -> NDArray[np.float32]:
        return (features * weights).sum(axis=(1, 2, 3))[:, None]

    found = explain(fixed(maps, head), np.zeros((1, 4, 4), np.float32), 0)
    # each place's own share, sized so that the mean of the map is what the logit is made of
    np.testing.assert_allclose(found, np.maximum(16 * (weights * maps).sum(axis=0), 0), rtol=1e-3, atol=1e-3)


def test_a_curved_head_is_followed_at_the_place_where_it_is() -> None:
    maps = np.float32([[[4, 0], [0, 0]], [[0, 0], [0, 2]]])

    def head(features: NDArray[np.float32]) -> NDArray[np.float32]:
        means = features.mean(axis=(2, 3))
        return np.log1p(np.exp(means[:, :1] - means[:, 1:]))

    found = explain(fixed(maps, head), np.zeros((1, 2, 2), np.float32), 0)
    slope = 1 / (1 + np.exp(-0.5))
    assert found[0, 0] == pytest.approx(4 * slope, rel=1e-2)
    assert found[1, 1] == 0


def test_members_side_by_side_are_explained_as_one() -> None:
    def both(pixels: NDArray[Any]) -> NDArray[np.float32]:
        return np.concatenate([bright_and_dark(pixels), bright_and_dark(pixels) / 2], axis=1)

    def head(features: NDArray[np.float32]) -> NDArray[np.float32]:
        odds = [averaging(part) for part in (features[:, :2], 2 * features[:, 2:])]
        shares = np.mean([np.exp(one) / np.exp(one).sum(axis=1, keepdims=True) for one in odds], axis=0)
        return np.log(shares)

    pixels = square((32, 32), (8, 20))
    found = explain(model(both, head), pixels, 1)
    assert pixels[0][np.unravel_index(int(found.argmax()), found.shape)] > 100


def test_the_map_lies_over_what_it_was_made_from() -> None:
    pixels = square((64, 48), (40, 8))
    found = explain(model(), pixels, 1)
    rows, columns = np.indices(found.shape)
    assert (rows * found).sum() / found.sum() == pytest.approx(43.5, abs=0.3)
    assert (columns * found).sum() / found.sum() == pytest.approx(11.5, abs=0.3)
    assert found.max() <= float(WEIGHTS[0, 1]) * 140
    assert found.max() == pytest.approx(float(WEIGHTS[0, 1]) * 140, rel=0.3)


def test_a_model_without_places_is_explained_otherwise() -> None:
    hidden = np.ones((8, 1, 1), np.float32)
    pixels = np.zeros((1, 6, 6), np.float32)
    with pytest.raises(UsageError, match="--method occlusion"):
        explain(fixed(hidden, lambda features: features[:, :2, 0, 0]), pixels, 0)
    elsewhere = Explained(run=lambda _: {"logits": np.zeros((1, 2), np.float32)}, head=averaging, blank=(0.0,))
    with pytest.raises(UsageError, match="--method occlusion"):
        explain(elsewhere, pixels, 0)


def test_a_batch_is_as_large_as_memory_allows() -> None:
    assert batch_size(np.zeros(10)) == 64
    assert batch_size(np.zeros(10), most=5) == 5
    assert batch_size(np.lib.stride_tricks.as_strided(np.zeros(1), (BATCH_BYTES,), (0,))) == 1


def test_blanking_keeps_the_kind_of_the_pixels() -> None:
    where = np.zeros((2, 2), dtype=bool)
    where[0] = True
    found = blanked(np.full((2, 2, 2), 9, np.uint8), where, (1.6, 3.2))
    assert found.dtype == np.uint8
    assert found.tolist() == [[[2, 2], [9, 9]], [[3, 3], [9, 9]]]
