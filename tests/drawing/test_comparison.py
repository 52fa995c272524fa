"""Models against their costs as a picture: the same each time, and no name on another where there is room."""

from __future__ import annotations

from io import BytesIO
from itertools import combinations

import numpy as np
import pytest
from PIL import Image as Picture

from isocenter.drawing.comparison import Box, Point, comparison, placed

POINTS = [
    Point(name="resnet", value=0.9, low=0.85, high=0.95, cost=180.0, standing="best"),
    Point(name="cnn", value=0.88, low=0.8, high=0.92, cost=181.0, standing="not clearly worse"),
    Point(name="logistic", value=0.6, cost=2.0, standing="clearly worse"),
]


def test_the_same_numbers_give_the_same_bytes() -> None:
    drawn = comparison({"seconds": POINTS}, up="auroc", form="svg")
    assert drawn == comparison({"seconds": POINTS}, up="auroc", form="svg")
    assert drawn != comparison({"seconds": POINTS[:2]}, up="auroc", form="svg")
    assert drawn.startswith(b"<?xml")


@pytest.mark.parametrize("count", [0, 1, 2])
def test_each_cost_has_a_panel(count: int) -> None:
    panels = {f"cost {place}": POINTS for place in range(count)}
    with Picture.open(BytesIO(comparison(panels, up="auroc", title="Models"))) as picture:
        assert picture.size == (1080, round(150 * (3.2 * max(count, 1) + 0.3)))


def test_one_model_alone_is_drawn() -> None:
    assert comparison({"seconds": POINTS[2:]}, up="auroc").startswith(b"\x89PNG")


def covered(one: Box, other: Box) -> float:
    """The area that two boxes share, counted on a grid."""
    x, y = np.meshgrid(np.arange(0, 500), np.arange(0, 300))
    both = [(box.left <= x) & (x < box.right) & (box.bottom <= y) & (y < box.top) for box in (one, other)]
    return float((both[0] & both[1]).sum())


def test_no_name_covers_another_a_dot_or_the_edge() -> None:
    drawn = np.random.default_rng(1)
    spots = [(float(x), float(y)) for x, y in drawn.uniform((150, 60), (250, 200), (12, 2))]
    sizes = [Box(0, 0, float(width), 11) for width in drawn.uniform(20, 60, 12)]
    inside = Box(0, 0, 480, 240)
    found = placed(spots, sizes, [], inside)
    for box, size in zip(found, sizes, strict=True):
        assert box.right - box.left == pytest.approx(size.right)
        assert box.shared(inside) == pytest.approx(box.area)
    for one, other in combinations(found, 2):
        assert covered(one, other) == 0
    for box in found:
        for x, y in spots:
            assert covered(box, Box(x - 3, y - 3, x + 3, y + 3)) == 0


def test_what_two_boxes_share_is_what_is_counted() -> None:
    one, other = Box(10, 10, 60, 40), Box(40, 20, 90, 70)
    assert one.shared(other) == covered(one, other) == 400
    assert one.shared(Box(60, 10, 90, 40)) == 0
    assert one.distance((70, 50)) == pytest.approx(np.hypot(10, 10))
    assert one.distance((20, 20)) == 0
