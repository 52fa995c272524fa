"""The pictures of what is inside a network: how layers are put together, and what is drawn where."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
from PIL import Image as Picture

from isocenter.core.anatomy import Layer, ReceptiveField
from isocenter.drawing.insight import Plane, filter_sheet, map_sheet, sight_sheet
from isocenter.drawing.layers import gathered, in_short, layer_chart

RED, BLUE = (103, 0, 31), (5, 48, 97)
"""The ends of the colour scale."""


def layer(name: str, size: int | None = 3, **given: int) -> Layer:
    field = ReceptiveField(size=(size, size), stride=(1, 1), offset=(0.0, 0.0))
    numbers = {"parameters": 10, "multiply_adds": 100, **given}
    return Layer(name=name, kind="Conv2d", output=(4, 8, 8), megabytes=0.5, receptive_field=field, **numbers)


def pixels(content: bytes) -> np.ndarray:
    with Picture.open(BytesIO(content)) as picture:
        return np.asarray(picture.convert("RGB"))


def has(picture: np.ndarray, colour: tuple[int, int, int]) -> bool:
    return bool((np.abs(picture.astype(int) - colour).max(axis=2) <= 2).any())


def test_many_layers_are_put_together_by_the_parts_they_belong_to() -> None:
    layers = [layer("stem"), *(layer(f"body.{block}.{part}", 5 + block) for block in range(20) for part in range(3))]
    rows = gathered([*layers, layer("fc", None)], most=28)
    assert [row.name for row in rows] == ["stem", *(f"body.{block}" for block in range(20)), "fc"]
    assert (rows[1].parameters, rows[1].multiply_adds, rows[1].megabytes) == (30, 300, 1.5)
    assert (rows[3].sees, rows[3].kind, rows[0].kind) == (7, "", "Conv2d")
    assert (rows[-1].sees, rows[-1].everything) == (None, True)
    assert [row.name for row in gathered(layers, most=5)] == ["stem", "body"]
    assert [row.name for row in gathered(layers[:3], most=5)] == ["stem", "body.0.0", "body.0.1"]


def test_a_part_that_is_met_again_is_another_row() -> None:
    assert [row.name for row in gathered([layer("a.0"), layer("b"), layer("a.1")], most=3)] == ["a.0", "b", "a.1"]
    assert [row.name for row in gathered([layer("a.0"), layer("a.1"), layer("b")], most=2)] == ["a", "b"]


@pytest.mark.parametrize(("value", "text"), [(0, "0"), (999, "999"), (36_864, "36.9 k"), (1.8141e9, "1.81 G")])
def test_numbers_in_three_digits(value: float, text: str) -> None:
    assert in_short(value) == text


def test_a_chart_has_a_panel_for_sight_only_where_something_is_known() -> None:
    sighted = [layer("one"), layer("two", None)]
    blind = [one.model_copy(update={"receptive_field": None}) for one in sighted]
    assert layer_chart(sighted, extent=8, form="svg").count(b"axes_") > layer_chart(blind, extent=8, form="svg").count(
        b"axes_"
    )
    assert layer_chart(sighted, extent=8) == layer_chart(sighted, extent=8)


def test_weights_above_nothing_are_red_and_below_blue() -> None:
    kernels = np.zeros((2, 1, 3, 3))
    kernels[0, 0, 1, 1], kernels[1, 0, 1, 1] = 1.0, -1.0
    picture = pixels(filter_sheet(kernels))
    assert has(picture, RED)
    assert has(picture, BLUE)
    assert not has(pixels(filter_sheet(np.abs(kernels))), BLUE)


def test_filters_of_colours_are_coloured() -> None:
    kernels = np.zeros((1, 3, 2, 2))
    kernels[0, 1] = 1.0
    assert has(pixels(filter_sheet(kernels, colour=True)), (128, 255, 128))


def test_maps_that_differ_most_come_first() -> None:
    maps = np.zeros((12, 4, 4))
    maps[11, 0, 0] = 1.0  # the only one that is not black throughout
    image = np.full((8, 8, 3), (200, 30, 30), np.uint8)
    picture = pixels(map_sheet(image, {"stage": maps}))
    assert has(picture, (200, 30, 30))
    plain = pixels(map_sheet(image, {"stage": np.zeros((12, 4, 4))}))
    assert not np.array_equal(picture, plain)


def test_the_frame_is_drawn_where_the_place_could_see() -> None:
    strength = np.zeros((40, 40))
    strength[18:22, 18:22] = 1.0
    plane = Plane(
        pixels=np.zeros((40, 40), np.uint8), strength=strength, heeded=strength > 0, frame=((10, 29), (10, 29))
    )
    frame = (230, 159, 0)
    picture = pixels(sight_sheet([plane], ["Words."]))
    assert has(picture[:500], frame)
    alone = pixels(sight_sheet([plane], ["Words."], plain=False))
    rows, columns = np.nonzero(np.abs(alone[:600].astype(int) - frame).max(axis=2) <= 2)
    assert np.ptp(rows) == pytest.approx(np.ptp(columns), rel=0.03)


def test_three_planes_of_a_volume_are_one_sheet() -> None:
    planes = [
        Plane(
            pixels=np.full((10, 12), 80, np.uint8),
            strength=np.ones((10, 12)),
            heeded=np.ones((10, 12), bool),
            frame=((0, 9), (0, 11)),
            name=name,
        )
        for name in ("a", "b", "c")
    ]
    both, marked = (pixels(sight_sheet(planes, ["Words."], plain=plain)) for plain in (True, False))
    assert both.shape[0] > marked.shape[0]
