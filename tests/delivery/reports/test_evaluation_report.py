"""The report of an evaluation: complete, self-contained, safe against what files say, in both languages."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Picture

from isocenter.core.reading import Measure
from isocenter.delivery.reports.evaluation import (
    CaseView,
    ChoiceView,
    EvaluationView,
    Note,
    OperatingView,
    evaluation_report,
    interval,
    metric_name,
    short_name,
    split_name,
    valued,
)
from isocenter.drawing.montage import png
from page_outline import Outline

EVIL = "<script>alert('x')</script>"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
DOT = png(np.full((8, 8), 99, dtype=np.uint8))
SHAPE = b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>'


def measure(name: str, value: float | None = 0.9, **given: object) -> Measure:
    known = {"low": 0.8, "high": 0.95, "level": 0.95} if value is not None else {"rule": "Not defined without cases."}
    return Measure.model_validate({"name": name, "value": value, "n": 120, **known, **given})


BOTH = [measure("auroc"), measure("accuracy", 0.85), measure("sensitivity", 0.912), measure("specificity", None)]
VIEW = EvaluationView(
    model=f"chest {EVIL}",
    cohort="lungs 肺",
    split="test",
    task="classify",
    label="class",
    classes=("clear", f"nodule {EVIL}"),
    positive=f"nodule {EVIL}",
    look=3,
    cases=1200,
    patients=800,
    metrics=BOTH,
    per_class={"clear": BOTH, f"nodule {EVIL}": BOTH},
    validation={"auroc": measure("auroc", 0.97)},
    plain=[Note("plain_accuracy", {"value": "85", "low": "80", "high": "90"})],
    confusion=[[900, 100], [20, 180]],
    operating=[OperatingView(label="nodule", threshold=0.4, chosen=Note("chosen_youden"), measures=BOTH[2:])],
    figures=dict.fromkeys(("roc", "precision_recall", "reliability", "probabilities", "training"), SHAPE),
    balance={"clear": 1000, f"nodule {EVIL}": 200},
    prevalence={"clear": 0.9},
    splits={"train": 5000, "test": 1200, "fold_1": 3},
    left_out={f"torn {EVIL}": 4},
    mistakes=[CaseView(png=DOT, name=f"a {EVIL}.png", truth="clear", said="nodule", sureness="0.99")],
    unsure=[CaseView(png=DOT, name="b.png", truth="clear", said="clear")],
    choices=[ChoiceView(name="model.name", value="cnn", reason=f"It fits {EVIL}.")],
    warnings=[Note("warn_few", {"name": EVIL, "count": 7})],
    limits=[Note("limit_labels")],
    provenance={"digest": "ab" * 32, "data": ""},
    made="2026-11-21 02:00 UTC",
    version="1.2.3",
)


@pytest.fixture(scope="module", params=["en", "zh"])
def page(request: pytest.FixtureRequest) -> Outline:
    return Outline(evaluation_report(VIEW, request.param))


def test_everything_is_on_the_page(page: Outline) -> None:
    for word in ("0.900", "0.800 – 0.950", "0.970", "–", "1,200", "900", "90 %", "ab" * 32, "cnn", "model.name"):
        assert word in page.words, word
    text = " ".join(page.words)
    for words in ("Not defined without cases.", "a <script>", "0.99", "2026-11-21 02:00 UTC", "1.2.3", "fold_1 3"):
        assert words in text, words


def test_what_files_say_is_never_run(page: Outline) -> None:
    assert page.all("script") == []
    assert sum(EVIL in word for word in page.words) >= 7
    assert not [name for _, attributes in page.tags for name in attributes if name.startswith("on")]


def test_nothing_is_fetched_from_elsewhere(page: Outline) -> None:
    for _, attributes in page.tags:
        for name in ("src", "href", "srcset", "data", "poster", "action"):
            assert str(attributes.get(name, "data:")).startswith("data:")
    kinds = [str(one["src"]).partition(";")[0] for one in page.all("img")]
    assert kinds.count("data:image/svg+xml") == 5
    assert kinds.count("data:image/png") == 2
    assert all(one["alt"] for one in page.all("img"))


def test_tables_name_their_columns_and_references_hold(page: Outline) -> None:
    assert all(one.get("scope") in ("col", "row", "colgroup") for one in page.all("th"))
    names = [str(attributes["id"]) for _, attributes in page.tags if "id" in attributes]
    assert len(names) == len(set(names))
    for _, attributes in page.tags:
        assert attributes.get("aria-labelledby", names[0]) in names


def test_chinese_has_no_english_sentence_left() -> None:
    words = Outline(evaluation_report(VIEW, "zh")).words
    assert "通俗解读" in words
    assert not {"Results", "Limits", "Value", "Cases", "The model said"} & set(words)


def test_a_large_matrix_is_a_picture() -> None:
    names = [f"organ {number}" for number in range(20)]
    counts = [[1] * 20] * 20
    view = replace(VIEW, classes=names, positive=None, confusion=counts, figures={"confusion": SHAPE})
    page = Outline(evaluation_report(view))
    assert "The model said" not in page.words
    assert len([one for one in page.all("img") if "svg" in str(one["src"])]) == 1


@pytest.mark.parametrize(
    ("given", "question"),
    [
        ({"classes": ("a", "b"), "positive": "a"}, "Asked of each case: is it a, or b?"),
        ({"classes": ("a", "b", "c"), "positive": None}, "Asked of each case: which one is it, a, b, c?"),
        (
            {"classes": ("a", "b"), "positive": None, "task": "multilabel"},
            "Asked of each case: which of these are there, a, b?",
        ),
        ({"classes": (), "positive": None}, "Asked of each case: what is its class?"),
    ],
)
def test_the_question_is_asked_in_words(given: dict[str, object], question: str) -> None:
    assert question in Outline(evaluation_report(replace(VIEW, **given))).words


def test_a_bare_evaluation_has_a_report_too() -> None:
    bare = EvaluationView(
        model="m",
        cohort="c",
        split="test",
        task="regress",
        label="age",
        look=1,
        cases=1,
        patients=1,
        metrics=[measure("mae", 3.21, unit="years", low=None, high=None)],
    )
    words = Outline(evaluation_report(bare)).words
    assert "3.21 years" in words
    assert "No case was left out." in words


def test_numbers_are_said_as_people_say_them() -> None:
    assert [valued(one) for one in (None, float("nan"), 0.5, 12.3456)] == ["–", "–", "0.500", "12.346"]
    assert valued(1234.5, "ml") == "1,230 ml"
    assert interval(measure("auroc", low=None)) == "–"
    assert metric_name("of_its_own") == "of its own"
    assert [short_name("precision", lang) for lang in ("en", "zh")] == ["Precision", "精确率"]
    assert [split_name("val", "zh"), split_name("fold_1", "zh")] == ["验证集", "fold_1"]


def test_every_note_of_the_stage_has_a_sentence() -> None:
    source = Path(__file__).parents[3] / "src" / "isocenter" / "stages" / "evaluate"
    text = "".join(path.read_text(encoding="utf-8") for path in source.glob("*.py"))
    keys = re.findall(r'(?:Note|_sentence)\(\s*"([a-z_]+)"', text)
    assert len(keys) > 15
    for key in keys:
        values = dict.fromkeys(("label", "count", "names", "before", "now", "wanted", "found", "look"), "1")
        values |= dict.fromkeys(("name", "cases", "patients", "value", "low", "high", "positive", "share"), "1")
        assert Note(key, values).said("zh")


@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
def test_the_report_is_drawn(tmp_path: Path) -> None:
    assert CHROMIUM is not None
    page, shot = tmp_path / "page.html", tmp_path / "shot.png"
    page.write_text(evaluation_report(VIEW, "zh"), encoding="utf-8")
    command = [CHROMIUM, *FLAGS, f"--user-data-dir={tmp_path / 'profile'}", "--window-size=800,1600"]
    subprocess.run([*command, f"--screenshot={shot}", page.as_uri()], check=True, capture_output=True, timeout=120)
    assert np.asarray(Picture.open(shot).convert("L")).std() > 10
