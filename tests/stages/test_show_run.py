"""A run is shown as its model and its evidence, or as how far it is and the command that goes on."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

import isocenter as iso
from evaluate_samples import squares
from isocenter.cli.app import run as command_line
from isocenter.core.errors import IsocenterError, Unreadable, UsageError
from isocenter.core.recipe import Recipe, read_recipe
from isocenter.core.record import Record
from isocenter.core.run import Run
from isocenter.stages.show.run import RunShown
from isocenter.storage.lock import locked
from model_samples import tiny_model, tiny_recipe

ASKED: dict[str, object] = {
    "task": None,
    "model": "cnn",
    "seed": 0,
    "members": 3,
    "sensitivity": 0.95,
    "set": ["training.steps=40", "model.settings.stages=[1,1]"],
    "cohort": "/data/my cohort",
    "recipe": None,
}

ODD = 'null\n[1]\n{"member": "x", "step": 1}\n{"step": 3}\n'
"""Lines of a log that are no looks."""


def entries(*looks: tuple[int, int]) -> str:
    """A log of looks: member and step."""
    return "".join(
        json.dumps({"member": member, "step": step, "loss": 0.5, "metric": {"auroc": step / 40}}) + "\n"
        for member, step in looks
    )


def recipe() -> Recipe:
    return tiny_recipe().changed("model", members=3).changed("training", steps=40)


def begun(folder: Path, *, log: str | None = None, **settings: object) -> Path:
    """A run that has not finished."""
    (folder / "checkpoints").mkdir(parents=True)
    record = Record(
        started="2026-01-01T00:00:00+00:00",
        person="anna",
        machine="a machine",
        versions={},
        cohort="/data/my cohort",
        cases={"train": 120, "val": 40},
        seconds=75.0,
        settings={**ASKED, **settings},
    )
    (folder / "record.json").write_text(record.model_dump_json())
    (folder / "recipe.yaml").write_text(recipe().to_yaml())
    if log is not None:
        (folder / "log.jsonl").write_text(log)
    return folder


def metrics(folder: Path, **given: Any) -> Path:
    """What an evaluation leaves."""
    known: dict[str, Any] = {
        "version": 1,
        "cohort": "/data/my cohort",
        "split": "test",
        "look": 2,
        "seen": False,
        "cases": 30,
        "patients": 28,
        "digest": "0" * 64,
        "metrics": [{"name": "auroc", "value": 0.9, "low": 0.8, "high": 0.95, "n": 30}],
        "runtime": "onnxruntime fp32",
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "metrics.json").write_text(json.dumps(known | given))
    (folder / "report.html").write_text("<html>")
    return folder


def test_an_unfinished_run_tells_how_far_it_is_and_what_goes_on(tmp_path: Path) -> None:
    folder = begun(tmp_path / "my run", log=entries((0, 20), (0, 40), (1, 8), (1, 12)))
    found = iso.show(folder)
    assert isinstance(found, RunShown)
    assert (found.kind, found.name, found.finished, found.running) == ("run", "my run", False, False)
    assert found.standing is not None
    assert found.standing.model_dump() == {"member": 2, "members": 3, "step": 12, "steps": 40}
    assert found.design is not None
    assert (found.design.task, found.design.classes, found.design.positive) == (
        "classify",
        ["benign", "malignant"],
        "malignant",
    )
    assert (found.design.network.members, found.design.network.parameters) == (3, None)
    assert (found.person, found.seconds, found.cases) == ("anna", 75.0, {"train": 120, "val": 40})
    assert shlex.split(found.command) == [
        *("isocenter", "train", "/data/my cohort", "--into", str(folder)),
        *("--model", "cnn", "--members", "3", "--sensitivity", "0.95"),
        *("--set", "training.steps=40", "--set", "model.settings.stages=[1,1]"),
    ]
    assert set(found.places) == {"recipe", "record", "log"}
    assert found.model is None
    assert found.notes == []


@pytest.mark.parametrize(
    ("log", "member"),
    [(None, 0), ("", 0), (ODD, 0), (ODD + entries((2, 4)) + '{"member": 2, "st', 3)],
    ids=["none", "empty", "no looks", "cut short"],
)
def test_the_log_may_say_little(tmp_path: Path, log: str | None, member: int) -> None:
    assert iso.show(begun(tmp_path / "run", log=log)).standing.member == member


def test_a_log_that_is_no_text_is_told(tmp_path: Path) -> None:
    folder = begun(tmp_path / "run")
    (folder / "log.jsonl").write_bytes(b"\xff\xfe\x00")
    found = iso.show(folder)
    assert found.standing.member == 0
    assert "log.jsonl cannot be read" in found.notes[0]


def test_a_run_that_somebody_trains_in_is_left_to_them(tmp_path: Path) -> None:
    folder = begun(tmp_path / "run", log=entries((0, 20)))
    with locked(folder / ".lock", "the run"):
        found = iso.show(folder)
        assert (found.running, found.command) == (True, "")
        with pytest.raises(UsageError, match="has no model card.*Wait until it has finished"):
            iso.show(folder, into=tmp_path / "card.md")
    assert not iso.show(folder).running


def test_nothing_of_a_run_that_is_shown_is_touched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even its lock, which a training that begins now must find free."""
    folder = begun(tmp_path / "run", log=entries((0, 20)))
    (folder / ".lock").touch()
    monkeypatch.setattr(FileLock, "acquire", lambda *_, **__: pytest.fail("the lock was taken"))
    before = {one: one.stat().st_mtime_ns for one in folder.rglob("*")}
    assert not iso.show(folder).running
    assert {one: one.stat().st_mtime_ns for one in folder.rglob("*")} == before


def test_before_the_recipe_there_are_cases_to_prepare(tmp_path: Path) -> None:
    folder = begun(tmp_path / "run")
    (folder / "recipe.yaml").unlink()
    found = iso.show(folder)
    assert (found.design, found.standing) == (None, None)
    assert found.command.startswith("isocenter train")


def test_without_a_record_nobody_knows_what_was_asked_for(tmp_path: Path) -> None:
    folder = begun(tmp_path / "run")
    for damage, words in ((b"{}", "cannot be understood"), (None, "is not there")):
        (folder / "record.json").unlink()
        if damage is not None:
            (folder / "record.json").write_bytes(damage)
        found = iso.show(folder)
        assert found.command == ""
        assert words in found.notes[0]


def test_a_recipe_that_is_none_is_refused(tmp_path: Path) -> None:
    folder = begun(tmp_path / "run")
    (folder / "recipe.yaml").write_text("task: classify\n")
    with pytest.raises(UsageError, match=r"recipe\.yaml"):
        iso.show(folder)


def test_a_recipe_that_was_given_is_named_where_the_run_has_kept_it(tmp_path: Path) -> None:
    folder = begun(tmp_path / "run", recipe=recipe().digest)
    assert f"--recipe {folder / 'recipe.yaml'}" in iso.show(folder).command
    (folder / "recipe.yaml").write_text(recipe().changed("training", precision="bf16").to_yaml())
    changed = iso.show(folder)
    assert "--recipe RECIPE " in changed.command
    assert "RECIPE stands for" in changed.notes[0]


def test_the_command_that_is_told_goes_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cohort = squares(tmp_path / "squares")
    quick = ("training.steps=3", "augmentation.in_turn=[0]", "model.settings.kernels=[4]")
    made = iso.train(cohort, into=tmp_path / "my run", model="cnn", members=1, threads=1, set=quick)
    finished = iso.show(Run(made.folder))
    assert (finished.finished, finished.command, finished.standing, finished.design) == (True, "", None, None)
    assert finished.model.validation == made.report.metrics
    assert finished.cohort == cohort.absolute().as_posix()
    assert set(finished.places) == {"recipe", "record", "log", "curves", "evidence"}
    assert finished.model.network.parameters > 0
    (made.folder / "model.isomodel").unlink()
    stopped = iso.show(made.folder)
    assert (stopped.standing.member, stopped.standing.step) == (1, 3)
    assert command_line(shlex.split(stopped.command)[1:]) == 0
    assert "Taking up the run" in capsys.readouterr().err
    again = iso.show(made.folder)
    assert again.finished
    assert again.model.network.parameters == finished.model.network.parameters
    assert read_recipe(made.folder / "recipe.yaml").model.members == 1


def test_a_finished_run_shows_its_model_and_each_evaluation(tmp_path: Path) -> None:
    folder = begun(tmp_path / "run", log=entries((0, 20), (0, 40)))
    tiny_model(folder / "model.isomodel")
    judged = iso.show(folder / "model.isomodel").digest
    metrics(folder / "evidence", digest=judged)
    metrics(folder / "evidence-other-val", digest=judged, split="val", cohort="/data/other", seen=True)
    found = iso.show(folder)
    assert (found.finished, found.command) == (True, "")
    assert found.model is not None
    assert found.model.name == "tiny"
    assert [(one.split, one.look, one.seen, one.cases) for one in found.evaluations] == [
        ("test", 2, False, 30),
        ("val", 2, True, 30),
    ]
    assert found.evaluations[0].report == (folder / "evidence" / "report.html").as_posix()
    assert found.evaluations[0].metrics[0].high == 0.95
    assert found.notes == []
    assert "looks" not in found.model_dump()


def test_evidence_that_is_damaged_or_of_another_model_is_told(tmp_path: Path) -> None:
    folder = begun(tmp_path / "run")
    tiny_model(folder / "model.isomodel")
    metrics(folder / "evidence")
    (metrics(folder / "evidence-val") / "metrics.json").write_text("{")
    found = iso.show(folder)
    assert len(found.evaluations) == 1
    assert "evidence/metrics.json speaks of another model" in found.notes[0]
    assert "evidence-val/metrics.json cannot be understood" in found.notes[1]


def test_a_folder_with_nothing_but_a_model_is_a_run(tmp_path: Path) -> None:
    tiny_model(tmp_path / "model.isomodel")
    found = iso.show(tmp_path)
    assert found.finished
    assert found.started == "2026-01-01T00:00:00+00:00"
    assert "record.json is not there" in found.notes[0]


def test_a_run_whose_model_is_damaged_is_refused(tmp_path: Path) -> None:
    folder = begun(tmp_path / "run")
    path = tiny_model(folder / "model.isomodel")
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(Unreadable, match=r"model\.isomodel is not a sound model file"):
        iso.show(folder)


@pytest.mark.parametrize(("language", "words"), [("en", "## What it was made for"), ("zh", "## 用途")])
def test_a_finished_run_has_a_card_in_both_languages(tmp_path: Path, language: str, words: str) -> None:
    tiny_model(tmp_path / "run" / "model.isomodel")
    found = iso.show(tmp_path / "run", into=tmp_path / "card.md", language=language)
    assert words in (tmp_path / "card.md").read_text(encoding="utf-8")
    assert found.files == [(tmp_path / "card.md").as_posix()]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"into": "card.md"}, "has no model card: its training has not finished. Go on with `isocenter train"),
        ({"into": "card.html"}, r"card\.html cannot be written: a run has a model card.*End it in \.md"),
        ({"tiles": 4}, "`tiles` is for images"),
    ],
)
def test_what_an_unfinished_run_has_not_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: dict[str, object], words: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=words):
        iso.show(begun(tmp_path / "run"), **options)
    assert [one.name for one in tmp_path.iterdir()] == ["run"]


@pytest.mark.parametrize("name", ["recipe.yaml", "record.json", "log.jsonl", "notes.txt"])
def test_one_file_of_a_run_makes_no_run(tmp_path: Path, name: str) -> None:
    """`isocenter plan --into recipe.yaml` may have been called in a folder of images."""
    (tmp_path / name).write_text("task: classify\n")
    with pytest.raises(IsocenterError, match="holds no image that can be read"):
        iso.show(tmp_path)
