"""The demonstration goes from scans to explained readings, twice the same, and leaves other people's folders alone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import isocenter as iso
from isocenter.core.errors import UsageError
from isocenter.data.looks import read_looks
from isocenter.workflows.demo import Demonstration

SMALL = {"patients": 16, "steps": 2}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Demonstration:
    found: Demonstration = iso.demo(tmp_path_factory.mktemp("made") / "demo", **SMALL)
    return found


def test_the_demonstration_ends_with_a_page_that_leads_to_everything(made: Demonstration) -> None:
    assert made.report.labels == {"class": {"clear": 8, "nodule": 8}}
    assert made.report.refused == []
    for page, language in zip(made.pages, ("en", "zh-Hans"), strict=True):
        text = Path(page).read_text(encoding="utf-8")
        assert f'<html lang="{language}">' in text
        links = [part.partition('"')[0] for part in text.split('href="')[1:]]
        assert len(links) == 5
        assert all((Path(page).parent / link).is_file() for link in links)
        assert text.count("<figure") == len(made.examples)


def test_its_readings_are_those_of_the_evaluation(made: Demonstration) -> None:
    assert made.evaluation.split == "test"
    assert not made.evaluation.seen
    assert made.evaluation.cases == made.report.splits["test"]
    counts = made.evaluation.confusion
    assert counts is not None
    right = sum(row[place] for place, row in enumerate(counts.counts))
    assert ("right" in made.missing) == (right == 0)
    assert ("wrong" in made.missing) == (right == made.evaluation.cases)
    for example in made.examples:
        assert (example.truth == example.called) or example.kind != "right"
        assert (example.truth != example.called) or example.kind != "wrong"
        assert (example.called == "nodule") == (example.probability >= example.threshold)
        assert all(Path(picture).is_file() for picture in example.pictures.values())


def test_run_again_it_uses_what_is_there(made: Demonstration) -> None:
    home = Path(made.run).parent
    files = {path: path.stat().st_mtime_ns for path in (home / "run").rglob("*") if path.suffix != ".lock"}
    again = iso.demo(home, **SMALL)
    assert again.report.added == 0
    assert again.evaluation == made.evaluation
    assert again.examples == made.examples
    assert {path: path.stat().st_mtime_ns for path in files} == files
    assert len(read_looks(Path(made.cohort)).known) == 1
    assert json.loads(again.model_dump_json())["missing"] == list(made.missing)


def test_another_demonstration_needs_another_folder(made: Demonstration) -> None:
    with pytest.raises(UsageError, match="holds another demonstration"):
        iso.demo(Path(made.run).parent, patients=17)


def test_from_another_folder_it_is_the_same(made: Demonstration, monkeypatch: pytest.MonkeyPatch) -> None:
    home = Path(made.run).parent
    monkeypatch.chdir(home)
    again = iso.demo(Path(), **SMALL)
    assert again.evaluation.metrics == made.evaluation.metrics
    assert Path(again.model).resolve() == Path(made.model).resolve()
    assert Path(again.evaluation.folder, "predictions.csv").is_file()


@pytest.mark.parametrize("name", ["thesis.doc", "cohort", "run", "cases"])
def test_somebody_elses_folder_is_left_alone(name: str, tmp_path: Path) -> None:
    (tmp_path / name).mkdir()
    with pytest.raises(UsageError, match="holds other things"):
        iso.demo(tmp_path)
