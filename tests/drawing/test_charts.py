"""Charts as bytes."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
from PIL import Image as Picture

from isocenter.drawing import charts, look, sheet

COUNTS = {"nodule": 20, "无结节": 22, "a name that is far too long to stand beside a bar": 1}
ROWS = {"train": {"nodule": 20, "clear": 22}, "test": {"clear": 6}}
DRAWN = {
    "balance": lambda form: charts.balance(COUNTS, title="class 类别", form=form),
    "stacked": lambda form: charts.stacked(ROWS, title="splits", form=form),
    "histogram": lambda form: charts.histogram([1.0, 2.0, 2.0], unit="mm", form=form),
}


@pytest.mark.parametrize("kind", DRAWN)
@pytest.mark.parametrize("form", ["png", "svg"])
def test_the_same_numbers_give_the_same_bytes(kind: str, form: str) -> None:
    first, second = DRAWN[kind](form), DRAWN[kind](form)
    assert first == second
    assert first.startswith(b"\x89PNG" if form == "png" else b"<?xml")


def _share_of(code: str, drawn: bytes) -> float:
    pixels = np.asarray(Picture.open(BytesIO(drawn)).convert("RGB")).reshape(-1, 3)
    wanted = [int(code[place : place + 2], 16) for place in (1, 3, 5)]
    return float((pixels == wanted).all(axis=1).mean())


def test_bars_are_drawn_in_proportion() -> None:
    drawn = charts.balance({"a": 30, "b": 10}, colours=["#0072b2", "#e69f00"])
    assert _share_of("#0072b2", drawn) == pytest.approx(3 * _share_of("#e69f00", drawn), rel=0.1)


def test_stacked_bars_give_each_class_its_colour() -> None:
    drawn = charts.stacked({"train": {"a": 30}, "test": {"a": 10, "b": 20}})
    blue, orange = (_share_of(code, drawn) for code in look.PALETTE[:2])
    assert blue == pytest.approx(2 * orange, rel=0.1)


def test_a_chart_of_nothing_is_still_a_picture() -> None:
    for drawn in (charts.balance({}), charts.stacked({}), charts.histogram([])):
        assert Picture.open(BytesIO(drawn)).width == 900


def test_many_bins_do_not_crowd_the_axis() -> None:
    drawn = charts.histogram(list(np.linspace(0, 1, 200)), title="spacing", form="svg")
    assert drawn.count(b'id="xtick_') <= 10


def test_charts_do_without_a_chinese_font(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sheet, "chinese_font", lambda: None)
    assert charts.balance({"nodule": 1}).startswith(b"\x89PNG")


def test_a_font_that_matplotlib_has_not_seen_is_made_known() -> None:
    from types import SimpleNamespace

    seen: list[str] = []

    class Manager:
        ttflist: list[SimpleNamespace] = []

        def addfont(self, path: str) -> None:
            seen.append(path)
            self.ttflist.append(SimpleNamespace(fname=path, name="Some Font"))

    manager = SimpleNamespace(fontManager=Manager())
    assert sheet._registered(manager, "/some.ttf") == "Some Font"
    assert sheet._registered(manager, "/some.ttf") == "Some Font"
    assert seen == ["/some.ttf"]
