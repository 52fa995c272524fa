"""Bins, colours and shares: what all drawings agree on."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from isocenter.drawing import look


def test_few_different_numbers_get_a_bin_each() -> None:
    bins = look.binned([2.5, 5, 2.5, 3.75])
    assert (bins.labels, bins.counts, bins.single) == (("2.5", "3.75", "5"), (2, 1, 1), True)


def test_many_different_numbers_get_round_edges() -> None:
    bins = look.binned(list(np.linspace(0.3, 9.9, 200)), most=12)
    assert not bins.single
    assert bins.labels == tuple(str(edge) for edge in range(10))
    assert bins.most == max(bins.counts)


@given(st.lists(st.floats(-1e6, 1e6), max_size=60), st.integers(2, 20))
def test_no_number_is_lost_in_a_bin(values: list[float], most: int) -> None:
    bins = look.binned(values, most=most)
    assert sum(bins.counts) == len(values)
    assert len(bins.counts) <= max(most + 1, 10)
    assert len(bins.labels) == len(bins.counts)


def test_what_is_not_finite_is_left_out() -> None:
    assert look.binned([float("nan"), float("inf")]).counts == ()
    assert look.binned([]).most == 0


@pytest.mark.parametrize(
    ("count", "total", "text"),
    [(1, 2, "50 %"), (1, 1000, "<1 %"), (999, 1000, ">99 %"), (0, 5, "0 %"), (5, 5, "100 %"), (0, 0, "–")],
)
def test_a_share_never_hides_the_last_case(count: int, total: int, text: str) -> None:
    assert look.share(count, total) == text


@pytest.mark.parametrize(("value", "text"), [(2.50, "2.5"), (512, "512"), (12000, "12,000"), (0.0351, "0.0351")])
def test_numbers_lose_needless_zeros(value: float, text: str) -> None:
    assert look.number(value) == text


def test_colours_differ_and_repeat_after_the_eighth() -> None:
    assert len({look.colour(position) for position in range(8)}) == 8
    assert look.colour(8) == look.colour(0) == (0, 114, 178)


def test_chinese_text_is_recognised() -> None:
    assert look.is_chinese("结节 12 mm")
    assert look.is_chinese("，")
    assert not look.is_chinese("nodule · 12 mm – naïve")


def test_a_font_is_always_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(look, "_CHINESE_FONTS", ("there-is-no-such-font.ttf",))
    look.chinese_font.cache_clear()
    look.font.cache_clear()
    try:
        assert look.chinese_font() is None
        assert look.font(14, chinese=True).getlength("abc") > 10
        assert look.font(14, bold=True).getlength("abc") > look.font(14).getlength("abc")
    finally:
        look.chinese_font.cache_clear()
        look.font.cache_clear()
