"""A model is judged on cases that it has not seen; what was found is written down, and every look is counted."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import isocenter as iso
from evaluate_samples import CLASSES, brightness_model, squares
from isocenter.core.cohort import Cohort
from isocenter.core.errors import UsageError
from isocenter.core.labels import ClassDefinition, Kind, LabelDefinition, LabelSchema
from isocenter.core.record import Record
from isocenter.core.run import Model, Run
from isocenter.data.looks import read_looks
from isocenter.stages._shared.material import task_named
from isocenter.stages.evaluate import evaluate, folder, results
from isocenter.stages.evaluate.bench import _check_labels
from model_samples import tiny_recipe


@pytest.fixture(scope="module", autouse=True)
def _few_repeats() -> Iterator[None]:
    """Intervals are tested where they are made; here a few draws will do."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(results, "_REPEATS", 30)
        yield


@pytest.fixture
def unpictured(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is drawn."""
    monkeypatch.setattr(folder, "figures", lambda *_: {})


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cohort and a run on it; tests work on copies of the folder's cohort where they change it."""
    root = tmp_path_factory.mktemp("made")
    cohort = squares(root / "squares")
    brightness_model(root / "run" / "model.isomodel", cohort=cohort, thresholds={"bright": 0.4})
    log = [{"member": 0, "step": step, "loss": 1 / step, "metric": {"auroc": step / 9}} for step in (1, 2, 3)]
    (root / "run" / "log.jsonl").write_text("".join(json.dumps(one) + "\n" for one in log), encoding="utf-8")
    return root


@pytest.fixture(scope="module")
def judged(made: Path) -> Path:
    """The evidence of the run, in English."""
    (made / "squares-cohort" / "looks.jsonl").unlink(missing_ok=True)
    evaluate(made / "run", language="en")
    return made / "run" / "evidence"


def test_the_evidence_is_all_there(judged: Path) -> None:
    pictures = {"roc", "precision_recall", "reliability", "probabilities", "confusion", "training"}
    assert {one.name for one in judged.iterdir()} == {
        *(f"{name}.png" for name in pictures),
        "metrics.json",
        "predictions.csv",
        "report.html",
    }


def test_the_numbers_are_those_of_the_rows(judged: Path) -> None:
    document = json.loads((judged / "metrics.json").read_text(encoding="utf-8"))
    with (judged / "predictions.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert set(document) >= {"model", "cohort", "split", "task", "look", "metrics", "per_class"}
    assert (document["split"], document["task"], document["look"], document["seen"]) == ("test", "classify", 1, False)
    assert (document["cases"], document["patients"], len(rows)) == (15, 8, 15)
    known = {one["name"]: one for one in document["metrics"]}
    assert known["accuracy"]["value"] == pytest.approx(np.mean([row["correct"] == "1" for row in rows]))
    assert known["accuracy"]["low"] <= known["accuracy"]["value"] <= known["accuracy"]["high"]
    assert all("value" in one for one in document["metrics"])
    bright = sum(row["truth"] == "bright" for row in rows)
    calls = sum(row["called"] == "bright" for row in rows)
    of_whom = {"accuracy": 15, "auroc": 15, "sensitivity": bright, "specificity": 15 - bright, "precision": calls}
    assert {name: known[name]["n"] for name in of_whom} == of_whom
    assert "low" not in known["ece"]
    assert known["ece"]["rule"] in (judged / "report.html").read_text(encoding="utf-8")
    assert "8 patients" in known["accuracy"]["method"]
    assert {row["called"] == "bright" for row in rows if float(row["probability_bright"]) >= 0.4} == {True}
    assert [len(row) for row in document["confusion"]["counts"]] == [2, 2]
    assert sum(map(sum, document["confusion"]["counts"])) == 15
    assert set(document["per_class"]) == {"clear", "bright"}
    assert document["left_out"] == {"has no label class": 1}
    assert document["thresholds"] == {"bright": 0.4}
    assert any("Only 7 cases of clear" in one for one in document["warnings"])


def test_the_report_shows_what_was_found(judged: Path) -> None:
    report = (judged / "report.html").read_text(encoding="utf-8")
    for words in ("is it bright, or clear?", "It is enough.", "The most confident mistakes", "has no label class"):
        assert words in report
    assert report.count("data:image/png;base64") >= 5


@pytest.mark.usefixtures("unpictured")
def test_every_look_is_counted_by_split(made: Path, tmp_path: Path) -> None:
    cohort = Path(shutil.copytree(made / "squares-cohort", tmp_path / "cohort"))
    (cohort / "looks.jsonl").unlink(missing_ok=True)
    model = brightness_model(tmp_path / "m.isomodel", cohort=cohort)
    looks = [evaluate(model, split=split).look for split in ("test", "val", "test")]
    assert looks == [1, 1, 2]
    assert [one.split for one in read_looks(cohort).known] == ["test", "val", "test"]
    assert (tmp_path / "m-evidence" / "report.html").is_file()
    assert (tmp_path / "m-evidence-val" / "report.html").is_file()


@pytest.mark.usefixtures("unpictured")
def test_cases_that_the_model_has_seen_are_told_loudly(made: Path, tmp_path: Path) -> None:
    for split, words in (
        ("train", "has learned from these"),
        ("val", "helped to choose"),
        ("all", "Among these cases"),
    ):
        found = iso.evaluate(Run(made / "run"), split=split, into=tmp_path / split)
        assert found.seen
        assert words in found.warnings[0]


@pytest.mark.usefixtures("unpictured")
def test_a_foreign_cohort_is_judged_whole_but_for_the_training_images(made: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(made / "squares" / "pictures", other / "pictures")
    rows = (made / "squares" / "list.csv").read_text().splitlines()
    (other / "list.csv").write_text("\n".join(row.rpartition(",")[0] for row in rows[:30]) + "\n")
    iso.ingest(other, into=tmp_path / "cohort", label="class")
    found = evaluate(made / "run", cohort=iso.open_cohort(tmp_path / "cohort"), split="all", language="zh")
    assert not found.seen
    assert found.left_out["the same image is among the training cases"] == 13
    assert found.cases == 15
    assert "evidence-cohort-all" in found.folder
    assert "通俗解读" in Path(found.report).read_text(encoding="utf-8")


@pytest.mark.usefixtures("unpictured")
@pytest.mark.parametrize("again", [False, True])
def test_a_copy_of_its_cohort_is_known_by_content(made: Path, tmp_path: Path, again: bool) -> None:
    """Moved, or ingested once more somewhere else: the cases stay those that the model learned from."""
    model = tmp_path / "m.isomodel"
    shutil.copy(made / "run" / "model.isomodel", model)
    if again:
        shutil.copytree(made / "squares", tmp_path / "squares")
        iso.ingest(tmp_path / "squares", into=tmp_path / "cohort", label="class")
    else:
        shutil.copytree(made / "squares-cohort", tmp_path / "cohort")
    found = evaluate(model, cohort=tmp_path / "cohort", split="train", into=tmp_path / "train", language="en")
    assert found.seen
    assert "has learned from these" in found.warnings[0]
    assert not any("come from another cohort" in one for one in found.limits)
    assert evaluate(model, cohort=tmp_path / "cohort", into=tmp_path / "test").cases == 15


def test_a_model_file_alone_asks_for_its_cohort(made: Path, tmp_path: Path) -> None:
    model = tmp_path / "m.isomodel"
    shutil.copy(made / "run" / "model.isomodel", model)
    with pytest.raises(UsageError, match=r"Which cohort.*no run lies beside it.*evaluate MODEL COHORT"):
        evaluate(model)
    # The record of another training is not its own.
    shutil.copy(made / "run" / "record.json", tmp_path / "record.json")
    record = Record.model_validate_json((tmp_path / "record.json").read_text(encoding="utf-8"))
    (tmp_path / "record.json").write_text(record.model_copy(update={"data": "other"}).model_dump_json())
    with pytest.raises(UsageError, match="Which cohort"):
        evaluate(model)


@pytest.mark.usefixtures("unpictured")
def test_several_classes_are_judged_one_against_the_rest(tmp_path: Path) -> None:
    three = squares(tmp_path / "three", classes=CLASSES, test=24)
    model = brightness_model(
        tmp_path / "three.isomodel",
        cohort=three,
        classes=CLASSES,
        outputs=((-9.0, 4.5), (0.0, 0.0), (9.0, -4.5)),
        thresholds={},
    )
    found = Model(model).evaluate(language="en")
    assert found.metrics[0].name == "auroc"
    assert len(found.confusion.counts) == 3
    assert list(found.per_class) == list(CLASSES)


def test_numbers_are_judged_by_how_far_they_are_off(tmp_path: Path) -> None:
    levels = squares(tmp_path / "levels", column="level")
    model = brightness_model(
        tmp_path / "levels.isomodel",
        cohort=levels,
        task="regress",
        classes=(),
        outputs=((1.0, 0.0),),
        changes={"label": "level"},
    )
    found = evaluate(model, language="en")
    assert found.metrics[0].name == "mae"
    assert found.metrics[0].value < 10
    assert found.confusion is None
    assert (tmp_path / "levels-evidence" / "agreement.png").is_file()
    assert "off by" in (tmp_path / "levels-evidence" / "report.html").read_text(encoding="utf-8")


def test_findings_that_nobody_looked_for_are_not_taken_for_absent(tmp_path: Path) -> None:
    recipe = tiny_recipe(task="multilabel", classes=("effusion", "nodule", "fracture"))
    looked_for = tuple(ClassDefinition(name=name) for name in ("nodule", "effusion"))
    schema = LabelSchema(labels=(LabelDefinition(name="class", kind=Kind.CLASSES, classes=looked_for),))
    cohort = Cohort(folder=tmp_path, name="chests", schema=schema, cases=[])
    assert _check_labels(cohort, recipe, task_named(recipe.task)) == [2]
    with pytest.raises(UsageError, match=r"of the kind classes: this model says labels of the kind class"):
        _check_labels(cohort, tiny_recipe(), task_named(tiny_recipe().task))


@pytest.mark.parametrize(
    ("given", "options", "words"),
    [
        ({"classes": ("cat", "dog")}, {}, "classes of the cohort squares are not those of the model"),
        ({"changes": {"label": "grade"}}, {}, "has no label `grade`"),
        ({}, {"split": "fold_1"}, "has no split `fold_1`.*train, val, test, all"),
        ({"cohort": ""}, {}, "Which cohort"),
        ({"cohort": "/no/such/place"}, {}, "is not here"),
    ],
)
def test_what_cannot_be_judged_is_refused(
    made: Path, tmp_path: Path, given: dict[str, object], options: dict[str, str], words: str
) -> None:
    model = brightness_model(tmp_path / "m.isomodel", **{"cohort": made / "squares-cohort", **given})
    before = len(read_looks(made / "squares-cohort").known)
    with pytest.raises(UsageError, match=words):
        evaluate(model, **options)
    assert len(read_looks(made / "squares-cohort").known) == before


def test_a_split_without_labels_is_refused(tmp_path: Path) -> None:
    cohort = squares(tmp_path / "squares", test=2)
    table = tmp_path / "squares" / "list.csv"
    table.write_text("\n".join(row.replace(",clear,test", ",,test") for row in table.read_text().splitlines()))
    iso.ingest(tmp_path / "squares", into=tmp_path / "again", label="class")
    model = brightness_model(tmp_path / "m.isomodel", cohort=tmp_path / "again")
    with pytest.raises(UsageError, match=r"test split, can judge this model: 2 cases: has no label class"):
        evaluate(model)
    assert cohort.is_dir()


@pytest.mark.usefixtures("unpictured")
def test_classes_that_the_model_does_not_know_are_left_out_and_told(tmp_path: Path) -> None:
    cohort = squares(tmp_path / "three", classes=CLASSES, test=12)
    found = evaluate(brightness_model(tmp_path / "m.isomodel", cohort=cohort))
    assert found.left_out["of a class that the model does not know"] == 4
    assert any("does not know their class: dim" in one for one in found.warnings)


def test_a_cohort_divided_anew_cannot_test_an_older_model(tmp_path: Path) -> None:
    cohort = squares(tmp_path / "squares")
    model = brightness_model(tmp_path / "m.isomodel", cohort=cohort, started="2020-01-01T00:00:00+00:00")
    iso.ingest(tmp_path / "squares", into=cohort, label="class", resplit=True)
    with pytest.raises(UsageError, match="divided anew after this model was trained"):
        evaluate(model)


def test_a_model_that_gives_no_number_says_nothing_of_the_case(tmp_path: Path) -> None:
    cohort = squares(tmp_path / "squares")
    broken = brightness_model(tmp_path / "m.isomodel", cohort=cohort, outputs=((float("nan"), 0.0), (1.0, 0.0)))
    with pytest.raises(UsageError, match="gave no number"):
        evaluate(broken)


@pytest.mark.usefixtures("unpictured")
def test_a_threshold_that_misses_its_aim_is_told(tmp_path: Path, made: Path) -> None:
    decision = {"threshold": "argmax", "sensitivity": 1.0}
    recipe = tiny_recipe().changed("decision", **decision)
    model = brightness_model(
        tmp_path / "m.isomodel",
        cohort=made / "squares-cohort",
        thresholds={"bright": 0.97},
        changes={"decision": recipe.decision},
    )
    found = evaluate(model, into=tmp_path / "evidence", language="en")
    assert any("was to find 100 % of the cases that are bright" in one for one in found.warnings)
