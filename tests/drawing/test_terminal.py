"""Charts made of letters."""

from __future__ import annotations

import pytest

from isocenter.drawing.terminal import bars, columns, fitted, histogram, sparkline


def test_bars_are_as_long_as_their_counts() -> None:
    lines = bars({"nodule": 20, "clear": 10, "none": 0}, width=50).splitlines()
    full, half, none = (line.count("█") for line in lines)
    assert full == 2 * half or full == 2 * half + 1
    assert none == 0
    assert [line.split()[0] for line in lines] == ["nodule", "clear", "none"]
    assert lines[0].endswith("20   67 %")
    assert {columns(line) for line in lines} == {50}


def test_the_smallest_count_is_still_seen() -> None:
    assert "▏" in bars({"many": 100_000, "one": 1}).splitlines()[1]
    assert bars({"many": 100_000, "one": 1}, ascii_only=True).splitlines()[1].count("#") == 1


def test_chinese_names_line_up() -> None:
    lines = bars({"结节": 3, "no nodule": 4}, width=40, shares=False).splitlines()
    assert {columns(line) for line in lines} == {40}


def test_nothing_to_show_is_shown_as_nothing() -> None:
    assert bars({}) == histogram([]) == sparkline([]) == ""
    assert "0" in bars({"none": 0})


def test_a_histogram_names_its_bins() -> None:
    assert histogram([2.5, 5.0, 5.0], unit="mm").splitlines()[1].startswith("5 mm")
    spread = histogram([value / 10 for value in range(100)], unit="mm", ascii_only=True)
    assert spread.splitlines()[0].startswith("0 mm +")
    assert spread.isascii()


def test_a_sparkline_has_a_column_for_every_bin() -> None:
    assert sparkline([1, 1, 1, 2]) == "█▃"
    gaps = sparkline([0] * 40 + [value / 10 for value in range(12)] + [100])
    assert " " in gaps


@pytest.mark.parametrize(
    ("text", "width", "shown"), [("ab", 4, "ab  "), ("abcdef", 4, "abc…"), ("结节结节", 5, "结节…")]
)
def test_text_is_cut_to_its_column(text: str, width: int, shown: str) -> None:
    assert fitted(text, width) == shown
