"""Models are compared on one cohort: trained once, taken up, refused, listed where they fail, and judged alike."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
from collections.abc import Callable, Iterator
from io import StringIO
from multiprocessing import active_children, get_context
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image as Picture
from rich.console import Console

import isocenter as iso
from isocenter.cli.commands import compare as command
from isocenter.core import registry
from isocenter.core.errors import IsocenterError, UnknownName, UsageError
from isocenter.core.progress import Silent
from isocenter.core.reading import Measure
from isocenter.data.looks import read_looks
from isocenter.data.phantoms.shapes import write_pictures
from isocenter.delivery.modelfile.read import read_model
from isocenter.learning import models
from isocenter.learning.build import build_model, input_form
from isocenter.stages.evaluate import folder, results
from isocenter.stages.train import TrainSettings
from isocenter.workflows.compare import CompareSettings, Comparison, _asked, _fitting
from isocenter.workflows.compare.apart import _died, _heard, _train_here, peak_memory
from isocenter.workflows.compare.results import Compared, ranked
from isocenter.workflows.compare.table import markdown, notes, points

QUICK = ("training.steps=2", "training.batch=8", "training.looks=1", "augmentation.in_turn=[0]")


@pytest.fixture(scope="module", autouse=True)
def _few_repeats() -> Iterator[None]:
    """Intervals and drawings of an evaluation are tested where they are made."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(results, "_REPEATS", 30)
        patch.setattr(folder, "figures", lambda *_: {})
        yield


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty pictures of two kinds."""
    torch.set_num_threads(1)
    place = tmp_path_factory.mktemp("compare")
    write_pictures(place / "pictures", cases=40, size=16)
    iso.ingest(place / "pictures", into=place / "cohort")
    return place / "cohort"


class At(Silent):
    """Does something once, when a piece of work of that name begins, or with the first step after a message."""

    def __init__(self, act: Callable[[], None], *, work: str = "", after: str = "") -> None:
        self.act = act
        self.work = work
        self.after = after
        self.messages: list[str] = []

    def start(self, what: str, total: int | None = None) -> None:
        if what == self.work:
            self.act()

    def advance(self, steps: int = 1) -> None:
        if self.after and any(one.startswith(self.after) for one in self.messages):
            self.after = ""
            self.act()

    def say(self, message: str) -> None:
        self.messages.append(message)


def kill() -> None:
    (child,) = active_children()
    os.kill(child.pid or 0, signal.SIGKILL)


def stop() -> None:
    raise KeyboardInterrupt


def settings(cohort: Path, into: Path, model: str) -> TrainSettings:
    """What a comparison asks of `train`."""
    return TrainSettings(cohort=cohort, into=into, model=model, members=1, threads=1, set=QUICK)


@pytest.fixture(scope="module")
def made(cohort: Path) -> tuple[Comparison, list[str]]:
    """Three models, and what was said: one was trained already, one was stopped, and one dies."""
    into = cohort.parent / "made"
    iso.train(settings(cohort, into / "cnn", "cnn"))
    with pytest.raises(KeyboardInterrupt):
        iso.train(settings(cohort, into / "logistic", "logistic"), progress=At(stop, work="Training"))
    progress = At(kill, after="mlp: model")
    found = compared(cohort, into, models=("mlp,cnn", "logistic"), progress=progress)
    return found, progress.messages


@pytest.fixture
def again(made: tuple[Comparison, list[str]], tmp_path: Path) -> Path:
    """A copy of the folder, to go on in."""
    return Path(shutil.copytree(made[0].folder, tmp_path / "again"))


def compared(cohort: Path, into: Path, **options: Any) -> Comparison:
    found: Comparison = iso.compare(cohort, into=into, **{"threads": 1, "set": QUICK, **options})
    return found


def by_name(comparison: Comparison) -> dict[str, Compared]:
    return {one.model: one for one in comparison.models}


def test_each_model_is_a_run_that_train_made_and_its_numbers_are_those_of_its_file(
    made: tuple[Comparison, list[str]],
) -> None:
    for name in ("cnn", "logistic"):
        one = by_name(made[0])[name]
        path = Path(one.run) / "model.isomodel"
        package = read_model(path)
        assert one.state == "finished"
        assert package.recipe.model.name == name
        assert package.recipe.model.members == 1
        assert one.metrics == package.reference.validation
        assert {measure.n for measure in one.metrics[:3]} == {package.record.cases["val"]}
        if name == "cnn":
            network = build_model(package.recipe.model, input_form(package.recipe), 2)
            assert one.parameters == sum(weight.numel() for weight in network.parameters())
        else:
            assert one.parameters == 2 * (16 * 16 + 1)
        assert one.milliseconds == package.manifest.runtimes[0].milliseconds
        assert one.megabytes == pytest.approx(path.stat().st_size / 1e6, abs=1e-3)
        assert one.seconds == package.record.seconds


def test_what_is_finished_is_left_alone_and_what_was_stopped_is_taken_up(made: tuple[Comparison, list[str]]) -> None:
    comparison, said = made
    into = Path(comparison.folder)
    assert said[0] == f"{into / 'cnn'} is trained already: nothing is left to do."
    assert said.count(f"Taking up the run in {into / 'logistic'}.") == 1
    assert by_name(comparison)["cnn"].memory is None  # nobody measured it when it was trained
    memory = by_name(comparison)["logistic"].memory
    assert memory is not None
    assert 50 < memory < 5000


def test_a_model_that_fails_is_listed_with_its_reason_and_the_others_go_on(made: tuple[Comparison, list[str]]) -> None:
    last = made[0].models[-1]
    assert (last.model, last.state, last.standing, last.metrics) == ("mlp", "failed", None, [])
    assert last.reason.startswith("Its training was ended by the system: most likely memory ran out.")
    assert f"mlp: {last.reason}" in notes(made[0])


def test_nobody_looked_at_the_test_split(made: tuple[Comparison, list[str]]) -> None:
    comparison, _ = made
    assert comparison.looks is None
    assert "not looked at" in " ".join(notes(comparison))
    for one in comparison.models:
        assert not one.test
        assert not (Path(one.run) / "evidence" / "metrics.json").is_file()


def test_document_table_and_picture_say_the_same(made: tuple[Comparison, list[str]]) -> None:
    comparison, _ = made
    home = Path(comparison.folder)
    document = json.loads((home / "compare.json").read_text(encoding="utf-8"))
    assert Comparison.model_validate(document) == comparison
    assert {"cohort", "task", "split", "models", "version"} <= set(document)
    keys = {"model", "state", "reason", "metrics", "parameters", "seconds", "milliseconds", "megabytes", "memory"}
    assert keys <= set(document["models"][0])
    text = (home / "compare.md").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    assert [line.split(" | ")[0].removeprefix("| ") for line in lines[2:]] == [one.model for one in comparison.models]
    assert len({line.count("|") for line in lines}) == 1
    assert text == markdown(comparison)
    best = comparison.models[0]
    assert best.first is not None
    assert f"{best.first.value:.3f}" in lines[2]
    assert f"{best.parameters:,}" in lines[2]
    with Picture.open(home / "compare.png") as picture:
        assert picture.size == (1080, 960)


def test_a_person_reads_models_standings_and_notes(made: tuple[Comparison, list[str]]) -> None:
    comparison, _ = made
    console = Console(file=StringIO(), width=2000)
    command.show(comparison, console)
    assert isinstance(console.file, StringIO)
    out = console.file.getvalue()
    for words in (*by_name(comparison), "auroc", "failed", comparison.table, comparison.picture, *notes(comparison)):
        assert words in out
    assert not command.COMMAND.failed(comparison)
    assert command.COMMAND.failed(comparison.model_copy(update={"models": comparison.models[-1:]}))


def test_again_nothing_is_trained_twice_and_memory_is_remembered(
    made: tuple[Comparison, list[str]], cohort: Path, again: Path
) -> None:
    files = {path: path.stat().st_mtime_ns for path in again.rglob("model.isomodel")}
    found = by_name(compared(cohort, again, models=("logistic", "cnn")))
    assert len(files) == 2
    assert {path: path.stat().st_mtime_ns for path in files} == files
    for name, one in found.items():
        assert one == by_name(made[0])[name].model_copy(update={"run": (again / name).as_posix()})


def test_options_that_differ_are_refused_in_the_words_of_train(cohort: Path, again: Path) -> None:
    before = (again / "compare.json").read_bytes()
    with pytest.raises(UsageError, match="asked for otherwise: not alike: seed"):
        compared(cohort, again, models=("cnn", "logistic"), seed=1)
    assert (again / "compare.json").read_bytes() == before


def test_a_model_file_that_is_damaged_costs_itself_alone(cohort: Path, again: Path) -> None:
    path = again / "logistic" / "model.isomodel"
    path.write_bytes(path.read_bytes()[:-200])
    found = by_name(compared(cohort, again, models=("logistic", "cnn")))
    assert (found["logistic"].state, found["cnn"].state) == ("failed", "finished")
    assert "model.isomodel" in found["logistic"].reason


def test_looks_at_the_test_are_counted_once_for_each_model(cohort: Path, again: Path) -> None:
    for _ in range(2):
        tested = compared(cohort, again, models="logistic", test=True)
        assert tested.looks == len(read_looks(cohort).known) == 1
    (one,) = tested.models
    assert [measure.name for measure in one.test] == [measure.name for measure in one.metrics]
    assert "looked at 1 time so far" in " ".join(notes(tested))
    assert f"{one.test[0].value:.3f}" in Path(tested.table).read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"models": "cnn,logistc"}, UnknownName, "Did you mean `logistic`"),
        ({"set": ("model.name=mlp",)}, UsageError, "would make every one of them the same"),
        ({"set": ("model={name: mlp}",)}, UsageError, "would make every one of them the same"),
        ({"label": "colour"}, IsocenterError, "colour"),
        ({"task": "regress"}, UsageError, "Use `--task classify`"),
        ({"model": "cnn"}, UsageError, "Did you mean `models`"),
    ],
)
def test_what_no_model_could_learn_is_refused_before_any_is_trained(
    options: dict[str, Any], error: type[Exception], words: str, cohort: Path, tmp_path: Path
) -> None:
    with pytest.raises(error, match=words):
        compared(cohort, tmp_path / "never", **options)
    assert not (tmp_path / "never").exists()


@pytest.mark.parametrize(
    ("splits", "cases", "options", "words"),
    [
        (("train", "test"), 2, {}, "no validation cases to compare models by"),
        (("train", "val"), 6, {"test": True}, "There are no test cases"),
    ],
)
def test_a_split_that_is_to_judge_must_hold_cases(
    splits: tuple[str, ...], cases: int, options: dict[str, Any], words: str, tmp_path: Path
) -> None:
    for seed, split in enumerate(splits):
        write_pictures(tmp_path / "pictures" / split, cases=cases, size=8, seed=seed)
    cohort = iso.ingest(tmp_path / "pictures", into=tmp_path / "cohort").folder
    with pytest.raises(UsageError, match=words):
        compared(cohort, tmp_path / "never", models="logistic", **options)
    assert not (tmp_path / "never").exists()


def test_all_models_are_those_that_can_take_the_cases(cohort: Path, tmp_path: Path) -> None:
    for given in ((), ("all",), (" all ",)):
        assert _asked(CompareSettings(cohort=cohort, into=tmp_path, models=given)) == []
    of_images, of_rows = _fitting(iso.plan(cohort)), _fitting(iso.plan(cohort, features="statistics"))
    assert set(registry.names(models)) - set(of_images) == {"slices"}
    assert {"logistic", "forest", "mlp"} <= set(of_rows) < set(of_images)
    assert "resnet" not in of_rows
    assert _asked(CompareSettings(cohort=cohort, into=tmp_path, models=("mlp,cnn", "mlp"))) == ["mlp", "cnn"]


def test_volumes_are_compared_like_pictures_and_several_members_in_folds(tmp_path: Path) -> None:
    write_pictures(tmp_path / "pictures", cases=16, size=8, dimensions=3)
    cohort = iso.ingest(tmp_path / "pictures", into=tmp_path / "cohort").folder
    asked = settings(cohort, tmp_path / "made" / "logistic", "logistic").model_copy(update={"members": 2})
    iso.train(asked)
    found = compared(cohort, tmp_path / "made", models="logistic", members=2)
    package = read_model(Path(found.models[0].run) / "model.isomodel")
    assert found.split == "folds"
    assert found.models[0].metrics[0].n > package.record.cases["val"]
    assert "in folds" in " ".join(notes(found))


def test_a_stopped_comparison_leaves_a_checkpoint_and_no_process(cohort: Path, tmp_path: Path) -> None:
    options = {"models": "cnn", "set": (*QUICK, "training.steps=5000")}
    with pytest.raises(KeyboardInterrupt):
        compared(cohort, tmp_path / "made", progress=At(stop, after="cnn, 1 member"), **options)
    assert active_children() == []
    run = tmp_path / "made" / "cnn"
    assert (run / "checkpoints" / "member-0.safetensors").is_file()
    assert not (run / "model.isomodel").is_file()
    with pytest.raises(UsageError, match="asked for otherwise: not alike: size"):
        compared(cohort, tmp_path / "made", size=12, **options)


@pytest.mark.parametrize(
    ("place", "model", "words"),
    [("run", "nothing", "no model named `nothing`.* Known: "), ("file", "cnn", "FileExistsError: .*`--debug`")],
)
def test_a_refusal_crosses_as_it_is_and_what_nobody_foresaw_in_one_line(
    place: str, model: str, words: str, cohort: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    ours, theirs = get_context("spawn").Pipe(duplex=False)
    with ours, theirs:
        with pytest.raises(SystemExit):
            _train_here(settings(cohort, tmp_path / place, model), theirs)
        theirs.close()
        heard = _heard(ours, Silent())
    assert isinstance(heard, IsocenterError)
    assert re.search(words, str(heard))


def test_how_a_process_died_is_told_as_far_as_its_code_tells() -> None:
    assert "memory ran out" in str(_died(-signal.SIGKILL))
    assert "SIGSEGV" in str(_died(-signal.SIGSEGV))
    assert "exit code 3" in str(_died(3))


def test_memory_is_what_was_held_at_the_height() -> None:
    before = peak_memory()
    held = bytearray(b"x") * 150_000_000
    assert peak_memory() >= before
    assert peak_memory() > len(held)


def a(model: str, value: float | None, low: float | None = None, high: float | None = None) -> Compared:
    measure = Measure(name="auroc", value=value, low=low, high=high, n=20)
    return Compared(model=model, state="finished", metrics=[measure], seconds=1.0, milliseconds=2.0)


def test_those_whose_intervals_overlap_that_of_the_best_are_not_clearly_worse() -> None:
    given = [
        a("far", 0.6, 0.5, 0.7),
        a("unmeasured", None),
        a("near", 0.8, 0.7, 0.9),
        a("best", 0.9, 0.85, 0.95),
        a("touching", 0.8, 0.75, 0.85),
        a("bare", 0.5),
        Compared(model="failed", state="failed"),
    ]
    found = [(one.model, one.standing) for one in ranked(given, "higher")]
    assert found == [
        ("best", "best"),
        ("near", "not clearly worse"),
        ("touching", "not clearly worse"),
        ("far", "clearly worse"),
        ("bare", "not clearly worse"),
        ("unmeasured", None),
        ("failed", None),
    ]


def test_an_error_is_better_where_it_is_lower() -> None:
    found = ranked([a("worse", 9.0, 8.0, 10.0), a("best", 2.0, 1.0, 3.0)], "lower")
    assert [(one.model, one.standing) for one in found] == [("best", "best"), ("worse", "clearly worse")]


def test_only_what_was_measured_and_timed_is_drawn(made: tuple[Comparison, list[str]]) -> None:
    given = [a("best", 0.9), a("untimed", 0.8).model_copy(update={"seconds": None}), a("unmeasured", None)]
    drawn = points(made[0].model_copy(update={"models": ranked(given, "higher")}))
    assert [[one.name for one in some] for some in drawn.values()] == [["best"], ["best", "untimed"]]
