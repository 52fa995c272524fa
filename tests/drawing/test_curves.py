"""Curves of a model as bytes: the same each time, in both languages, with one colour for a class everywhere."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from PIL import Image as Picture

from isocenter.drawing import curves, look, matrix, sheet, training
from isocenter.drawing.terminal import trend

X = np.linspace(0, 1, 30)
LINE = curves.Line(name="malignant", x=X, y=np.sqrt(X), place=1, note="0.91 (0.87 – 0.94)", point=(0.1, 0.4), level=0.3)
RELIABLE = curves.Reliability(
    name="malignant", said=X[:10], true=X[:10], counts=np.arange(10), edges=np.linspace(0, 1, 11), place=1
)
LOG: list[dict[str, Any]] = [
    {"member": member, "step": step, "loss": 1 / (1 + step), "metric": {"auroc": step / 10}, "rate": 0.1}
    for member in range(2)
    for step in range(10)
]

DRAWN: dict[str, Callable[..., bytes]] = {
    "roc": lambda **how: curves.roc([LINE], title="ROC", **how),
    "precision_recall": lambda **how: curves.precision_recall([LINE], **how),
    "reliability": lambda **how: curves.reliability([RELIABLE], **how),
    "probabilities": lambda **how: curves.probabilities({"no": X, "yes": X[:3]}, threshold=0.4, **how),
    "agreement": lambda **how: curves.agreement(X, X + 0.1, limits=(-0.1, 0.1, 0.3), unit="mm", **how),
    "confusion": lambda **how: matrix.confusion(np.array([[8, 2], [1, 9]]), ["no", "yes"], **how),
    "training": lambda **how: training.training(LOG, title="run", **how),
}


@pytest.mark.parametrize("kind", DRAWN)
def test_the_same_numbers_give_the_same_bytes(kind: str) -> None:
    first = DRAWN[kind](form="svg")
    assert first == DRAWN[kind](form="svg")
    assert first.startswith(b"<?xml")


@pytest.mark.parametrize("kind", DRAWN)
def test_each_language_has_words_of_its_own(kind: str) -> None:
    if look.chinese_font():
        assert DRAWN[kind](lang="zh") != DRAWN[kind](lang="en")


def test_chinese_without_a_font_for_it_is_said_in_english(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (look, sheet):
        monkeypatch.setattr(module, "chinese_font", lambda: None)
    for kind in ("probabilities", "confusion", "training"):
        assert DRAWN[kind](lang="zh") == DRAWN[kind](lang="en")


def _has(code: str, drawn: bytes) -> bool:
    pixels = np.asarray(Picture.open(BytesIO(drawn)).convert("RGB")).reshape(-1, 3)
    return bool((pixels == [int(code[place : place + 2], 16) for place in (1, 3, 5)]).all(axis=1).any())


@pytest.mark.parametrize("kind", ["roc", "precision_recall", "reliability"])
def test_a_class_keeps_its_colour(kind: str) -> None:
    drawn = DRAWN[kind]()
    assert _has(look.PALETTE[1], drawn)
    assert not _has(look.PALETTE[0], drawn)


def test_many_classes_are_still_drawn() -> None:
    names = [f"organ {number}" for number in range(30)]
    lines = [curves.Line(name=name, x=X, y=X, place=place) for place, name in enumerate(names)]
    assert curves.roc(lines).startswith(b"\x89PNG")
    assert matrix.confusion(np.eye(30, dtype=int), names).startswith(b"\x89PNG")
    assert matrix.confusion(np.zeros((2, 2), dtype=int), ["a", "b"]).startswith(b"\x89PNG")


def test_nothing_to_draw_is_still_a_picture() -> None:
    for drawn in (curves.roc([]), curves.probabilities({}), training.training([])):
        assert drawn.startswith(b"\x89PNG")


def test_a_log_is_sorted_and_what_is_no_number_is_left_out() -> None:
    odd = [{"step": 5, "loss": float("nan")}, {"step": 9, "loss": 0.1}, {"step": 1, "loss": 0.5}, {"step": 3}]
    assert training.series(odd) == {0: [(1, 0.5), (9, 0.1)]}
    assert training.series(odd, "auroc") == {}
    assert training.logged(odd) is None
    assert training.logged(LOG) == "auroc"
    assert training.training(LOG, metric="of_its_own").startswith(b"\x89PNG")


def test_a_training_in_one_line() -> None:
    assert training.training_line(LOG) == "▁▂▃▃▄▅▆▆▇█"
    assert training.training_line([{"step": 1, "loss": 2.0}, {"step": 2, "loss": 1.0}]) == "█▁"
    assert training.training_line([]) == ""
    assert len(training.training_line(LOG * 30, most=5)) == 5


@pytest.mark.parametrize(
    ("values", "word"), [([], ""), ([1.0, float("nan")], "▄"), ([2.0, 2.0], "▄▄"), ([0.0, 1.0, 0.5], "▁█▅")]
)
def test_a_trend_is_one_word(values: list[float], word: str) -> None:
    assert trend(values) == word
