"""Occlusion covers every place, asks a bounded number of times, and tells evidence against as well."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from explainer_samples import model, square
from numpy.typing import NDArray

from isocenter.evidence.explainers._shared import Explained
from isocenter.evidence.explainers.occlusion import explain


@pytest.mark.parametrize(
    "shape", [(1, 9), (7, 5), (28, 28), (224, 224), (17, 300), (3, 3, 3), (1, 64, 64), (12, 20, 31), (96, 96, 96)]
)
def test_every_place_is_covered_and_the_number_of_answers_is_bounded(shape: tuple[int, ...]) -> None:
    asked = 0

    def run(pixels: NDArray[Any]) -> dict[str, NDArray[np.float32]]:
        nonlocal asked
        asked += len(pixels)
        return {"logits": np.zeros((len(pixels), 1), np.float32)}

    found = explain(Explained(run=run, head=lambda features: features, blank=(0.0,)), np.zeros((1, *shape), "u1"), 0)
    assert np.isfinite(found).all()  # a place that no patch covers would be 0 / 0
    assert asked <= 500


def test_is_in_units_of_the_logit_and_signed() -> None:
    pixels = square((32, 32), (12, 12)).astype(np.float32)

    def run(given: NDArray[Any]) -> dict[str, NDArray[np.float32]]:
        total = given.sum(axis=(1, 2, 3))
        return {"logits": np.stack([total, -total], axis=1).astype(np.float32)}

    model_of_sums = Explained(run=run, head=lambda features: features, blank=(10.0,))
    found = explain(model_of_sums, pixels, 0)
    # a patch of 4 x 4 pixels, all inside the square
    assert found[16, 16] == pytest.approx(16 * 190, rel=1e-3)
    np.testing.assert_allclose(explain(model_of_sums, pixels, 1), -found, rtol=1e-3)
    assert found[0, 0] == 0


def test_works_without_features() -> None:
    whole = model()
    bare = Explained(run=lambda pixels: {"logits": whole.run(pixels)["logits"]}, head=whole.head, blank=whole.blank)
    pixels = square((32, 32), (4, 4))
    np.testing.assert_array_equal(explain(bare, pixels, 1), explain(whole, pixels, 1))
