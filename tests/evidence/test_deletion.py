"""A map is borne out where blanking what it points at changes the answer more than blanking as much elsewhere."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from isocenter.evidence.deletion import Deletion, deletion


def brightness(pixels: NDArray[Any]) -> NDArray[Any]:
    """The share of a corner that is bright."""
    return pixels[:, 0, :8, :8].mean(axis=(1, 2)) / 200


@pytest.fixture
def pixels() -> NDArray[Any]:
    found = np.zeros((1, 20, 20), np.uint8)
    found[0, :8, :8] = 200
    return found


def test_a_true_map_is_borne_out_and_a_false_one_is_not(pixels: NDArray[Any]) -> None:
    true = (pixels[0] > 0).astype(np.float32)
    given = {"blank": (0.0,), "rng": np.random.default_rng(0), "share": 0.16}
    result = deletion(brightness, pixels, true, **given)
    assert (result.whole, result.strongest) == (1.0, 0.0)
    assert len(result.elsewhere) == 8
    assert np.mean(result.elsewhere) > 0.5
    assert result.supports(0.01)
    false = np.zeros_like(true)
    false[12:, 12:] = 1
    assert deletion(brightness, pixels, false, **given).supports(0.01) is False


def test_as_much_is_blanked_elsewhere_in_the_same_form(pixels: NDArray[Any]) -> None:
    seen: list[NDArray[Any]] = []

    def score(batch: NDArray[Any]) -> NDArray[Any]:
        seen.extend(batch)
        return np.zeros(len(batch))

    strength = np.random.default_rng(1).uniform(0, 1, (20, 20)).astype(np.float32)
    deletion(score, np.full((1, 20, 20), 7, np.uint8), strength, blank=(0.0,), rng=np.random.default_rng(2))
    assert [int((one == 0).sum()) for one in seen] == [0] + [80] * 9
    assert len({one.tobytes() for one in seen}) == 10


def test_is_the_same_for_the_same_seed(pixels: NDArray[Any]) -> None:
    strength = pixels[0].astype(np.float32)
    first, again = (
        deletion(brightness, pixels, strength, blank=(0.0,), rng=np.random.default_rng(5)) for _ in range(2)
    )
    assert first == again


@pytest.mark.parametrize(
    ("strongest", "elsewhere", "supports"),
    [
        (0.2, (0.8, 0.9), True),
        (0.5, (0.4, 0.9), False),
        (0.9, (0.9, 0.8), False),
        (0.95, (1.0, 0.99), False),
        (0.895, (0.9, 0.905), None),
    ],
)
def test_the_answer_must_fall_and_further_than_elsewhere(
    strongest: float, elsewhere: tuple[float, ...], supports: bool | None
) -> None:
    assert Deletion(0.9, strongest, elsewhere).supports(0.01) is supports
