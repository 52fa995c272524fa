"""Evidence is told by thirds of the image and by how gathered it is."""

from __future__ import annotations

import numpy as np
import pytest

from isocenter.evidence.location import gathered, telling_thirds


def test_even_evidence_is_not_gathered_and_one_place_is() -> None:
    assert gathered(np.ones((20, 20), np.float32)) == pytest.approx(0.25)
    one = np.zeros((20, 20), np.float32)
    one[3, 4] = 1
    assert gathered(one) == 1.0
    assert gathered(np.zeros((4, 4), np.float32)) is None
    assert gathered(-np.ones((4, 4), np.float32)) is None
    assert gathered(one - 0.1) == 1.0


@pytest.mark.parametrize(
    ("place", "third"), [((2, 2), (0, 0)), ((14, 29), (1, 2)), ((29, 15), (2, 1)), ((15, 0), (1, 0))]
)
def test_the_third_that_holds_most_is_named(place: tuple[int, int], third: tuple[int, int]) -> None:
    strength = np.zeros((30, 30), np.float32)
    strength[place] = 1
    assert telling_thirds(strength) == (third,)


def test_two_places_are_named_where_both_count_and_none_where_nothing_does() -> None:
    strength = np.zeros((9, 30, 30), np.float32)
    strength[0, 0, 0], strength[8, 29, 29], strength[4, 15, 15] = 1.0, 0.9, 0.5
    strength[4, 0, 0] = -5
    assert telling_thirds(strength) == ((0, 0, 0), (2, 2, 2))
    assert telling_thirds(np.zeros((9, 9), np.float32)) == ()


def test_an_axis_of_two_steps_has_no_thirds() -> None:
    strength = np.zeros((2, 30), np.float32)
    strength[1, 29] = 1
    assert telling_thirds(strength) == ((0, 2),)
