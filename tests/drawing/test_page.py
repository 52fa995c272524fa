"""The page of a cohort: complete, self-contained, safe against what files say, the same in both languages."""

from __future__ import annotations

import re
import tomllib
from base64 import b64decode
from importlib.resources import files
from string import Formatter

import numpy as np
import pytest

from isocenter.drawing.montage import Tile
from isocenter.drawing.page import (
    CohortView,
    DeviceView,
    LabelView,
    RefusedView,
    SplitView,
    TileView,
    cohort_page,
)
from page_outline import Outline

EVIL = "<script>alert('x')</script>"

VIEW = CohortView(
    name=f"chest {EVIL}",
    cases=2040,
    patients=40,
    images=41,
    labels=[
        LabelView(
            name="class",
            counts={"clear": 1900, "nodule": 140},
            splits={"train": {"clear": 1500, "nodule": 100}, "test": {"clear": 400, "nodule": 40}},
            unlabelled=3,
        ),
        LabelView(name="grade", counts={"low": 1}),
    ],
    splits=[SplitView(name="train", cases=1600, patients=30), SplitView(name="fold_1", cases=440, patients=10)],
    devices=[DeviceView(modality="CT", device="Aquila 64", images=9), DeviceView(modality="", device="", images=32)],
    sizes={"x": [128, 128], "y": [128, 128], "z": [40, 1200]},
    spacings={"x": [0.7, 0.8], "y": [0.7, 0.9], "z": [float(step) for step in range(1, 60)] + [float("nan")]},
    spacing_unknown=4,
    sexes={"F": 19, "M": 20, "X": 1},
    ages=[41.0, 66.0, 83.0],
    layout="table",
    evidence=["labels.csv: the column PatientID names every patient"],
    warnings=[f"Read me {EVIL}"],
    refused=[RefusedView(path=f"slice{number}.dcm", reason="is cut short.") for number in range(5)]
    + [RefusedView(path=f"{EVIL}.txt", reason="not an image.")],
    tiles=[
        TileView.of(Tile(np.full((8, 8), 9, dtype=np.uint8), f'PHANTOM "1" {EVIL}', "nodule")),
        TileView.of(Tile(np.full((8, 8, 3), 9, dtype=np.uint8), "PHANTOM 2")),
    ],
    source="/scans",
    made="2026-11-20",
    version="1.2.3",
)


@pytest.fixture(scope="module", params=["en", "zh"])
def page(request: pytest.FixtureRequest) -> Outline:
    return Outline(cohort_page(VIEW, request.param))


def test_everything_of_the_cohort_is_on_the_page(page: Outline) -> None:
    for word in ("2,040", "40", "41", "clear", "nodule", "1,900", "93 %", "Aquila 64", "fold_1", "slice0.dcm", "5"):
        assert word in page.words
    text = " ".join(page.words)
    assert "PatientID names every patient" in text
    assert "Is cut short." in text
    assert "slice3.dcm" not in text  # three paths stand for all of one reason
    assert "1.2.3" in text


def test_what_files_say_is_never_run(page: Outline) -> None:
    assert page.all("script") == []
    assert sum(EVIL in word for word in page.words) >= 4
    assert not [name for _, attributes in page.tags for name in attributes if name.startswith("on")]


def test_nothing_is_fetched_from_elsewhere(page: Outline) -> None:
    for _, attributes in page.tags:
        for name in ("src", "href", "srcset", "data", "poster", "action"):
            assert attributes.get(name, "data:").startswith("data:")
    for tag in ("link", "iframe", "object", "base"):
        assert page.all(tag) == []
    policy = next(one["content"] for one in page.all("meta") if "http-equiv" in one)
    assert policy == "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
    assert "url(" not in cohort_page(VIEW)
    assert "@import" not in cohort_page(VIEW)


def test_pictures_carry_their_bytes_and_words_for_who_cannot_see_them(page: Outline) -> None:
    pictures = page.all("img")
    assert len(pictures) == 2
    for shown, tile in zip(pictures, VIEW.tiles, strict=True):
        assert b64decode(str(shown["src"]).split(",")[1]) == tile.png
        assert tile.caption in str(shown["alt"])
    assert all(one.get("aria-label") for one in page.all("svg") if one.get("role") == "img")


def test_tables_name_their_columns_and_references_hold(page: Outline) -> None:
    assert all(one.get("scope") in ("col", "row") for one in page.all("th"))
    names = [str(attributes["id"]) for _, attributes in page.tags if "id" in attributes]
    assert len(names) == len(set(names))
    for _, attributes in page.tags:
        assert attributes.get("aria-labelledby", names[0]) in names


def test_the_page_says_its_language() -> None:
    assert Outline(cohort_page(VIEW, "en")).all("html") == [{"lang": "en"}]
    chinese = Outline(cohort_page(VIEW, "zh"))
    assert chinese.all("html") == [{"lang": "zh-Hans"}]
    assert "训练集" in chinese.words
    assert "Training" not in chinese.words


def test_spreads_are_told_in_words() -> None:
    words = Outline(cohort_page(VIEW)).words
    assert "128 in all" in words
    assert "Columns and rows" in words
    assert "Spacing of rows" in words  # columns and rows differ, so each has its own
    assert "Pixel size" not in words
    assert "Median 30 mm, from 1 to 59 mm" in words
    assert "Median 620, from 40 to 1,200" in words
    assert "Median 66 years, from 41 to 83 years" in words


def test_bars_are_as_long_as_their_counts() -> None:
    widths = re.findall(r'<span style="width: ([\d.]+)%', cohort_page(VIEW))
    assert widths[:2] == ["100.0", "7.37"]
    assert "73.53" in widths  # 1500 of 2040 cases are clear and in training


def test_an_empty_cohort_has_a_page_too() -> None:
    page = Outline(cohort_page(CohortView(name="empty", cases=0, patients=0, images=0)))
    assert page.all("img") == []
    assert "Nothing was said of these cases yet: there are no labels." in page.words
    assert "Every file was understood." in page.words


def test_a_long_list_of_reasons_is_cut() -> None:
    many = [RefusedView(path=f"{number}.bin", reason=f"reason {number:03d}") for number in range(200)]
    words = Outline(cohort_page(CohortView(name="odd", cases=0, patients=0, images=0, refused=many))).words
    assert sum(word.startswith("Reason 0") for word in words) == 40
    assert "and 160 more reasons" in words


def _sentences(lang: str) -> dict[str, dict[str, str]]:
    return tomllib.loads(files("isocenter.locales").joinpath(f"{lang}.toml").read_text(encoding="utf-8"))


def test_both_languages_say_the_same_things() -> None:
    english, chinese = _sentences("en"), _sentences("zh")
    assert english.keys() == chinese.keys()
    for section, sentences in english.items():
        assert list(sentences) == list(chinese[section])
        for key, sentence in sentences.items():
            other = chinese[section][key]
            assert _blanks(sentence) == _blanks(other), f"{section}.{key}"
            assert sentence.strip() == sentence != ""
            assert other.strip() == other != ""


def _blanks(sentence: str) -> list[str]:
    return sorted(name for _, name, _, _ in Formatter().parse(sentence) if name is not None)
