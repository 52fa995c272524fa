"""A test of a map: blanking what it points at must change the answer more than blanking as much elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isocenter.evidence.explainers._shared import batch_size, blanked


@dataclass(frozen=True, slots=True)
class Deletion:
    """What an answer is worth with and without parts of the image.

    Attributes:
        whole: the score of the image as it is.
        strongest: with its strongest part blanked.
        elsewhere: with parts of the same size and form blanked at chance places, each.
    """

    whole: float
    strongest: float
    elsewhere: tuple[float, ...]

    def supports(self, least: float) -> bool | None:
        """Whether the score falls further without the strongest part than without each of the others.

        Args:
            least: a change that counts; None is the answer where no part changes the score by so much.
        """
        fall, others = self.whole - self.strongest, self.whole - np.asarray(self.elsewhere)
        if max(abs(fall), float(np.abs(others).max())) < least:
            return None
        return bool(fall > max(0.0, float(others.max())))


def deletion(
    score: Callable[[NDArray[Any]], NDArray[Any]],
    pixels: NDArray[Any],
    strength: NDArray[np.float32],
    *,
    blank: tuple[float, ...],
    rng: np.random.Generator,
    share: float = 0.2,
    repeats: int = 8,
) -> Deletion:
    """Blank the strongest part of an image, and as much of it at chance places.

    Chance places are the strongest part moved about, so that both have the same edges: single scattered pixels would
    disturb a network by their pattern alone.

    Args:
        score: stored pixels (batch, channels, ...) -> the asked score of each.
        pixels: one case, (channels, ...).
        strength: the map on the same grid (...).
        blank: the stored value that stands for nothing, one per channel.
        rng: draws the places.
        share: how much of the image is blanked.
        repeats: how many chance places.
    """
    part = _strongest(strength, share)
    moved = [_moved(part, rng) for _ in range(repeats)]
    cases = [pixels, *(blanked(pixels, one, blank) for one in (part, *moved))]
    size = batch_size(pixels, most=repeats + 2)
    batches = [np.stack(cases[start : start + size]) for start in range(0, len(cases), size)]
    scores = np.concatenate([np.asarray(score(batch), dtype=np.float64) for batch in batches])
    return Deletion(float(scores[0]), float(scores[1]), tuple(float(one) for one in scores[2:]))


def _strongest(strength: NDArray[np.float32], share: float) -> NDArray[np.bool_]:
    """The strongest places; among equals the first."""
    count = max(1, round(share * strength.size))
    part = np.zeros(strength.size, dtype=bool)
    part[np.argsort(-strength.ravel(), kind="stable")[:count]] = True
    return part.reshape(strength.shape)


def _moved(part: NDArray[np.bool_], rng: np.random.Generator) -> NDArray[np.bool_]:
    """The same part elsewhere: turned over and slid round the edges by chance."""
    axes = tuple(range(part.ndim))
    turned = np.flip(part, tuple(axis for axis in axes if rng.random() < 0.5))
    return np.roll(turned, tuple(int(rng.integers(extent)) for extent in part.shape), axes)
