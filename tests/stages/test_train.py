"""`plan` and `train`: from a cohort to a model, taken up where it was stopped, and refused where it cannot be."""

from __future__ import annotations

import json
import zipfile
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import torch

import isocenter as iso
from isocenter.core.errors import IsocenterError, UsageError
from isocenter.core.machine import machine
from isocenter.core.recipe import read_recipe
from isocenter.core.run import Run
from isocenter.data.phantoms.shapes import write_pictures
from isocenter.learning.training.forecast import Forecast
from progress_samples import Told

QUICK = (
    *("training.steps=6", "training.batch=8", "training.looks=2"),
    *("model.settings.width=8", "model.settings.stages=[1,1]"),
)


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty pictures of two kinds."""
    place = tmp_path_factory.mktemp("train")
    write_pictures(place / "pictures", cases=40, classes=("round", "lobed"), seed=0, size=16, dimensions=2)
    iso.ingest(place / "pictures", into=place / "cohort")
    return place / "cohort"


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def trained(cohort: Path, into: Path, *more: str, **options: Any) -> Run:
    given = {"members": 2, "threads": 1} | options
    return iso.train(cohort, into=into, set=(*QUICK, "augmentation.in_turn=[0]", *more), **given)


def weights(run: Run) -> bytes:
    with zipfile.ZipFile(run.folder / "model.isomodel") as file:
        return file.read("weights.safetensors")


def looks(cohort: Path) -> str:
    """What was written down of looks at the test split."""
    path = cohort / "looks.jsonl"
    return path.read_text() if path.is_file() else ""


def test_a_plan_is_written_with_its_reasons(cohort: Path, tmp_path: Path) -> None:
    before = looks(cohort)
    made = iso.plan(cohort, into=tmp_path / "recipe.yaml")
    assert read_recipe(tmp_path / "recipe.yaml") == made.recipe
    assert made.recipe.input.mean[0] > 0
    assert made.recipe.reasons
    assert looks(cohort) == before


def test_a_run_holds_everything_and_nobody_looked_at_the_test_split(cohort: Path, tmp_path: Path) -> None:
    before = looks(cohort)
    run = trained(cohort, tmp_path / "run")
    names = {path.name for path in run.folder.iterdir()}
    assert {"recipe.yaml", "record.json", "log.jsonl", "checkpoints", "model.isomodel", "evidence"} <= names
    assert (run.folder / "evidence" / "training.png").read_bytes().startswith(b"\x89PNG")
    assert run.report is not None
    assert {one.name for one in run.report.metrics} >= {"auroc", "accuracy"}
    assert all(one.n <= 34 for one in run.report.metrics)
    record = json.loads((run.folder / "record.json").read_text())
    assert set(record["cases"]) == {"train", "val"}
    assert record["seconds"] > 0
    assert looks(cohort) == before
    reading = run.model.predict(next((cohort.parent / "pictures").rglob("*.png"))).readings[0]
    assert sum(one.probability for one in reading.findings) == pytest.approx(1.0)


def test_the_same_seed_gives_the_same_weights_and_another_does_not(cohort: Path, tmp_path: Path) -> None:
    first = weights(trained(cohort, tmp_path / "a"))
    assert first == weights(trained(cohort, tmp_path / "b"))
    assert first != weights(trained(cohort, tmp_path / "c", seed=1))


def test_a_finished_run_is_not_trained_again(cohort: Path, tmp_path: Path) -> None:
    first = trained(cohort, tmp_path / "run")
    before = (first.folder / "model.isomodel").stat().st_mtime_ns
    again = trained(cohort, tmp_path / "run")
    assert (first.folder / "model.isomodel").stat().st_mtime_ns == before
    assert first.report is not None
    assert again.report is not None
    assert [one.value for one in first.report.metrics] == [one.value for one in again.report.metrics]


def test_a_folder_that_holds_another_training_is_refused(cohort: Path, tmp_path: Path) -> None:
    trained(cohort, tmp_path / "run")
    with pytest.raises(UsageError, match="asked for otherwise.*seed"):
        trained(cohort, tmp_path / "run", seed=3)


def test_a_recipe_file_repeats_a_run_to_the_bit(cohort: Path, tmp_path: Path) -> None:
    first = trained(cohort, tmp_path / "a")
    again = iso.train(cohort, into=tmp_path / "b", recipe=first.folder / "recipe.yaml")
    assert weights(first) == weights(again)


def test_a_wish_beside_a_recipe_is_refused(cohort: Path, tmp_path: Path) -> None:
    iso.plan(cohort, into=tmp_path / "recipe.yaml")
    with pytest.raises(UsageError, match=r"`--seed`, .*cannot stand beside|`--budget`.*cannot stand beside"):
        iso.train(cohort, into=tmp_path / "run", recipe=tmp_path / "recipe.yaml", budget="10s", seed=4)


def test_an_edited_recipe_is_another_training(cohort: Path, tmp_path: Path) -> None:
    first = trained(cohort, tmp_path / "a")
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text((first.folder / "recipe.yaml").read_text())
    iso.train(cohort, into=tmp_path / "b", recipe=recipe)
    recipe.write_text(recipe.read_text().replace("seed: 0", "seed: 5"))
    with pytest.raises(UsageError, match="asked for otherwise.*recipe"):
        iso.train(cohort, into=tmp_path / "b", recipe=recipe)


def test_a_run_of_a_version_that_knew_fewer_wishes_is_taken_up(cohort: Path, tmp_path: Path) -> None:
    run = trained(cohort, tmp_path / "run")
    path = run.folder / "record.json"
    record = json.loads(path.read_text())
    for name in ("features", "weights"):
        del record["settings"][name]
    path.write_text(json.dumps(record))
    assert trained(cohort, tmp_path / "run").report is not None
    with pytest.raises(UsageError, match="not alike: features"):
        trained(cohort, tmp_path / "run", features="statistics")


def test_half_precision_where_the_machine_has_none_is_told(
    cohort: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = import_module("isocenter.stages.train")
    here = machine()
    monkeypatch.setattr(module, "machine", lambda: here.model_copy(update={"bf16": False}))
    told = Told()
    trained(cohort, tmp_path / "run", "training.precision=bf16", progress=told)
    assert any("no instructions" in one for one in told.messages)


def test_a_budget_is_spent_into_steps_and_kept(cohort: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = import_module("isocenter.stages.train")  # the door knows the verb of that name
    monkeypatch.setattr(module, "probe", lambda _: Forecast(step=10.0, judge=0.0, memory=1))
    run = iso.train(
        cohort, into=tmp_path / "run", budget="10m", members=1, threads=1, set=("model.name=mlp", "model.settings={}")
    )
    recipe = read_recipe(run.folder / "recipe.yaml")
    assert recipe.compute.budget is None
    assert recipe.training.steps > 0
    assert recipe.augmentation.in_turn == (0.5,)
    assert "10 min" in recipe.reasons["training.steps"]
    assert "one member" in recipe.reasons["augmentation"]


def test_variations_by_hand_are_left_alone(cohort: Path, tmp_path: Path) -> None:
    more = ("augmentation.rotation=30", "augmentation.mixup=0")
    run = iso.train(cohort, into=tmp_path / "run", members=1, threads=1, set=(*QUICK, *more))
    recipe = read_recipe(run.folder / "recipe.yaml")
    assert recipe.augmentation.mixup == 0.0
    assert recipe.augmentation.of_member(0).rotation == 30.0


def test_a_classical_model_takes_the_same_way(cohort: Path, tmp_path: Path) -> None:
    run = iso.train(cohort, into=tmp_path / "run", model="logistic", members=2, threads=1, budget="5m")
    assert run.report is not None
    assert run.report.metrics
    assert run.evaluate().look == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"model": "resnt"}, "resnet"),
        ({"task": "regress"}, "Use `--task classify`"),
        ({"label": "colour"}, "colour"),
        ({"set": ("model.settings.widht=3",)}, "width"),
        ({"budget": "soon"}, "budget"),
    ],
)
def test_what_cannot_be_is_refused_with_a_remedy(
    cohort: Path, tmp_path: Path, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        iso.train(cohort, into=tmp_path / "run", **options)


def test_one_class_alone_is_refused(tmp_path: Path) -> None:
    write_pictures(tmp_path / "pictures", cases=12, classes=("round", "lobed"), seed=0, size=16, dimensions=2)
    for path in list((tmp_path / "pictures").rglob("*.png")):
        if "lobed" in path.parent.name:
            path.unlink()
    iso.ingest(tmp_path / "pictures", into=tmp_path / "cohort")
    with pytest.raises(IsocenterError, match=r"nothing to tell apart|two classes|label"):
        iso.train(tmp_path / "cohort", into=tmp_path / "run")
