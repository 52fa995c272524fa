"""What a person reads of models, runs and readings, and that a program gets one document of each."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as Picture
from rich.console import Console

from isocenter.cli.app import run
from isocenter.cli.commands import show as command
from isocenter.core.labels import Kind
from isocenter.core.reading import Measure, NumberFinding, Reading, Readings
from isocenter.delivery.modelfile.package import Manifest, Package, Reference
from isocenter.delivery.modelfile.write import write_model
from isocenter.pathway.tasks._shared import Decision
from isocenter.stages.show.run import EvaluationShown, RunShown, Standing
from model_samples import tiny_model, tiny_package

Captured = pytest.CaptureFixture[str]


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return tiny_model(tmp_path / "tiny.isomodel")


def printed(result: Any) -> str:
    console = Console(width=200, highlight=False)
    with console.capture() as capture:
        command.show_anything(result, console)
    return capture.get()


def told(package: Package, tmp_path: Path) -> str:
    """What a person reads of a package."""
    write_model(tmp_path / "m.isomodel", package)
    console = Console(width=200, highlight=False)
    with console.capture() as capture:
        command.show_anything(command.show(tmp_path / "m.isomodel"), console)
    return capture.get()


def test_a_person_reads_a_model(tmp_path: Path) -> None:
    package = tiny_package(modalities=("CT", "MR"))
    record = package.record.model_copy(
        update={"cases": {"train": 1200, "val": 40}, "cohort_name": "[Breasts]", "left_out": {"no label": 1}}
    )
    validation = [Measure(name="balanced_accuracy", value=0.9, low=0.8, high=0.95, n=40)]
    out = told(
        replace(
            package,
            decision=Decision(temperature=1.5, thresholds={"malignant": 0.3}, shift=(0.0, 1.0)),
            reference=Reference(validation=validation),
            record=record.model_copy(update={"seed": 7, "seconds": 90.0}),
        ),
        tmp_path,
    )
    for words in (
        "tiny (model), made 2026-01-01T00:00:00+00:00 with Isocenter 0.1.0",
        "Task      classify: class",
        "Classes   benign and malignant (positive)",
        "Input     intensity; 16 x 16 pixels; CT and MR",
        "Network   cnn, 1 member\n",
        "Decides   calibrated (temperature 1.5); called from: malignant 0.300; "
        "what a case counted in training by its class (benign 1.00, malignant 2.72) is taken off",
        "Cases     train 1,200, val 40 of [Breasts]; seed 7; trained in 1 min 30 s",
        "Left out  1 case: no label",
        "balanced accuracy    0.900  0.800 to 0.950  40",
        "held against the trained network on 8 cases",
        "  onnxruntime fp32: 1.00 ms a case, differs by at most 0.0e+00",
        f"Next: isocenter predict {(tmp_path / 'm.isomodel').as_posix()} IMAGE --into DIR",
    ):
        assert words in out
    assert "Trained elsewhere" not in out


def test_a_number_has_a_unit_and_no_classes(tmp_path: Path) -> None:
    package = tiny_package(task="regress", classes=())
    unit = package.label.model_copy(update={"unit": "years", "kind": Kind.NUMBER})
    out = told(replace(package, label=unit), tmp_path)
    assert "Task      regress: class in years" in out
    assert "Classes" not in out
    assert "Decides" not in out
    assert "no modality said" in out


@pytest.mark.parametrize(
    ("thresholds", "words"),
    [
        ({}, "not calibrated; each finding is called from 0.500 on"),
        ({"cyst": 0.2}, "called from: mass 0.500 and cyst 0.200"),
    ],
)
def test_findings_are_called_alike_or_each_in_its_way(tmp_path: Path, thresholds: dict[str, float], words: str) -> None:
    package = tiny_package(task="multilabel", classes=("mass", "cyst"))
    assert words in told(replace(package, decision=Decision(thresholds=thresholds)), tmp_path)


def test_a_model_from_elsewhere_says_so(tmp_path: Path) -> None:
    package = tiny_package()
    manifest = Manifest(name="theirs", made="now", program="0.1.0", origin="their [own].onnx")
    out = told(replace(package, manifest=manifest), tmp_path)
    assert "Trained elsewhere, brought in from their [own].onnx" in out
    assert "the likeliest class is called" in out
    assert "Runtimes" not in out
    assert "Note: Nothing was measured" in out


def unfinished(**given: Any) -> RunShown:
    return RunShown.model_validate({"name": "r", "run": "runs/r", "finished": False, **given})


@pytest.mark.parametrize(
    ("standing", "words"),
    [
        (None, "there is no recipe yet"),
        (Standing(members=3, steps=4000), "no step was written down yet, of 4,000 steps for 3 members"),
        (Standing(member=2, members=3, step=1200, steps=4000), "member 2 of 3, step 1,200 of 4,000\n"),
        (Standing(member=3, members=3, step=4, steps=4), "member 3 of 3, step 4 of 4; what is left is to package it"),
        (Standing(member=1, members=3, step=1, steps=0), "member 1 of 3 has learned\n"),
    ],
)
def test_a_person_reads_how_far_a_run_is(standing: Standing | None, words: str) -> None:
    out = printed(unfinished(standing=standing, command="isocenter train c --into runs/r", seconds=75.0))
    assert f"Progress  {'its cases were being prepared; ' if standing is None else ''}{words}" in out
    assert "r (run): not finished after 1 min 15 s of training" in out
    assert out.endswith("Go on where it stopped (a `--name` is to be given again): isocenter train c --into runs/r\n")


def test_a_run_at_work_is_left_alone_and_one_without_a_record_needs_its_command() -> None:
    out = printed(unfinished(running=True))
    assert "being trained now" in out
    assert "Go on" not in out
    assert "Go on where it stopped: the `isocenter train` command that began it" in printed(unfinished())


def test_a_person_reads_the_evidence_of_a_finished_run(model: Path) -> None:
    one = EvaluationShown(
        cohort="data/[others]",
        split="test",
        look=2,
        seen=True,
        cases=30,
        patients=28,
        digest="0",
        metrics=[Measure(name="auroc", value=0.75, low=0.5, high=0.9, n=30)],
        folder="runs/r/evidence",
        report="runs/r/evidence/report.html",
    )
    done = unfinished(
        finished=True,
        model=command.show(model),
        started="2026",
        person="anna",
        places={"recipe": "runs/r/recipe.yaml", "log": "runs/r/log.jsonl", "evidence": "runs/r/evidence"},
        looks=[{"member": 0, "step": step, "metric": {"auroc": step / 4}} for step in range(4)],
        notes=["[Look]."],
    )
    out = printed(done.model_copy(update={"evaluations": [one]}))
    for words in (
        "r (run): finished\n",
        "Begun     2026 by anna",
        "tiny (model)",
        "On the test split of [others]: look 2, seen before",
        "0.750  0.500 to 0.900  30",
        "How it went: ▁▃▆█",
        "Recipe: runs/r/recipe.yaml",
        "Report: runs/r/evidence/report.html",
        "Note: [Look].",
        "Next: isocenter predict",
    ):
        assert words in out
    assert "Next: isocenter evaluate runs/r\n" in printed(done)


def test_readings_are_printed_as_predict_prints_them(model: Path, tmp_path: Path, capsys: Captured) -> None:
    Picture.fromarray(np.zeros((16, 16), np.uint8)).save(tmp_path / "x.png")
    assert run(["predict", str(model), str(tmp_path / "x.png"), "--into", str(tmp_path / "out")]) == 0
    said = capsys.readouterr().out
    assert run(["show", str(tmp_path / "out")]) == 0
    assert capsys.readouterr().out == said
    assert run(["show", str(tmp_path / "out"), "--json"]) == 0
    assert capsys.readouterr().out == (tmp_path / "out" / "readings.json").read_text(encoding="utf-8")


def test_of_many_readings_the_rest_is_in_the_document() -> None:
    number = NumberFinding(label="age", value=61.25)
    many = tuple(Reading(case=f"{n}", source="s", task="regress", model="m", findings=(number,)) for n in range(42))
    out = printed(Readings(model="m", runtime="onnxruntime fp32", readings=many))
    assert "and 2 more cases; `--json` lists them all" in out


def test_a_card_that_was_written_is_named(model: Path, tmp_path: Path, capsys: Captured) -> None:
    assert run(["show", str(model), "--into", str(tmp_path / "card.md"), "--language", "zh"]) == 0
    assert f"Written: {(tmp_path / 'card.md').as_posix()}" in capsys.readouterr().out
    assert "## 用途" in (tmp_path / "card.md").read_text(encoding="utf-8")


def test_a_program_gets_one_document_of_each(model: Path, tmp_path: Path, capsys: Captured) -> None:
    (tmp_path / "run").mkdir()
    tiny_model(tmp_path / "run" / "model.isomodel")
    for place, kind in ((model, "model"), (tmp_path / "run", "run")):
        assert run(["show", str(place), "--json"]) == 0
        found = json.loads(capsys.readouterr().out)
        assert (found["version"], found["kind"]) == (1, kind)


def test_a_damaged_model_is_one_message(model: Path, capsys: Captured) -> None:
    model.write_bytes(model.read_bytes()[:-30])
    assert run(["show", str(model)]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith(f"isocenter: {model} is not a sound model file")
    assert said.err.count("\n") == 1
