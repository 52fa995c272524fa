"""What every explainer must keep, asked of everything that stands in the folder."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from explainer_samples import model, square
from numpy.typing import NDArray

from isocenter.core import registry
from isocenter.evidence import explainers
from isocenter.evidence.explainers._shared import Explainer

CASES = {
    "image": square((32, 40), (16, 4)),
    "float image": square((32, 40), (4, 28), dtype="float32"),
    "two channels": square((24, 24), (12, 12), channels=2),
    "volume": square((16, 24, 32), (4, 12, 20)),
}


@pytest.fixture(params=registry.names(explainers))
def explainer(request: pytest.FixtureRequest) -> Explainer:
    found = registry.get(explainers, request.param)
    assert isinstance(found, Explainer)
    return found


@pytest.fixture(params=CASES)
def pixels(request: pytest.FixtureRequest) -> NDArray[Any]:
    return CASES[request.param]


def test_the_shelf_has_what_can_be_asked_for() -> None:
    assert {"gradcam", "occlusion"} <= set(registry.names(explainers))
    assert all(registry.blurb(explainers, name) for name in registry.names(explainers))


def test_finds_what_the_answer_rests_on(explainer: Explainer, pixels: NDArray[Any]) -> None:
    found = explainer.explain(model(channels=len(pixels)), pixels, 1)
    assert found.shape == pixels.shape[1:]
    assert found.dtype == np.float32
    assert np.isfinite(found).all()
    bright = pixels[0] > 100
    assert bright[np.unravel_index(int(found.argmax()), found.shape)]
    assert found[bright].mean() > 4 * max(float(found[~bright].mean()), 0.0)


def test_another_output_rests_on_something_else(explainer: Explainer) -> None:
    pixels = CASES["image"]
    found = explainer.explain(model(), pixels, 0)
    assert found[pixels[0] > 100].mean() <= found[pixels[0] < 100].mean() / 2


def test_gives_the_same_map_again_and_leaves_the_image_alone(explainer: Explainer, pixels: NDArray[Any]) -> None:
    before = pixels.copy()
    first = explainer.explain(model(channels=len(pixels)), pixels, 1)
    np.testing.assert_array_equal(first, explainer.explain(model(channels=len(pixels)), pixels, 1))
    np.testing.assert_array_equal(pixels, before)


def test_an_empty_image_speaks_for_nothing(explainer: Explainer) -> None:
    nothing = np.full((1, 32, 32), 10, dtype=np.uint8)
    assert explainer.explain(model(), nothing, 1).max() <= 1e-3


def test_memory_stays_bounded(explainer: Explainer, monkeypatch: pytest.MonkeyPatch) -> None:
    largest = 0
    whole = model()

    def watched(given: NDArray[Any], answer: Any) -> Any:
        nonlocal largest
        largest = max(largest, given.nbytes)
        return answer(given)

    pixels = CASES["volume"].astype(np.float32)
    monkeypatch.setattr(f"{explainer.explain.__module__}.batch_size", lambda one, most=64: 3)
    watching = type(whole)(
        run=lambda given: watched(given, whole.run), head=lambda given: watched(given, whole.head), blank=whole.blank
    )
    explainer.explain(watching, pixels, 1)
    assert largest <= 3 * pixels.nbytes
