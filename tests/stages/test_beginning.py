"""Training begins with weights from a model, a file or an address, and the recipe says which."""

from __future__ import annotations

import threading
import zipfile
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load, save_file

import isocenter as iso
from isocenter.core.errors import UsageError
from isocenter.core.recipe import read_recipe
from isocenter.core.run import Run
from isocenter.data.phantoms.shapes import write_pictures
from progress_samples import Told

TINY = ("model.settings.width=8", "model.settings.stages=[1,1]")
QUICK = ("training.steps=2", "training.batch=8", "training.looks=1", "training.average=0.0")


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("beginning")
    write_pictures(place / "pictures", cases=24, classes=("round", "lobed"), seed=0, size=16, dimensions=2)
    iso.ingest(place / "pictures", into=place / "cohort")
    return place / "cohort"


@pytest.fixture(scope="module")
def first(cohort: Path) -> Run:
    torch.set_num_threads(1)
    return iso.train(cohort, into=cohort.with_name("first"), members=1, threads=1, set=(*QUICK, *TINY))


def weights(run: Run) -> dict[str, torch.Tensor]:
    with zipfile.ZipFile(run.folder / "model.isomodel") as file:
        return dict(load(file.read("weights.safetensors")))


HEAD = ("fc.weight", "fc.bias")


def begun(cohort: Path, into: Path, source: str | Path, *more: str, **options: Any) -> Run:
    given: dict[str, Any] = {"members": 1, "threads": 1} | options
    return iso.train(cohort, into=into, weights=str(source), set=(*QUICK, "training.weights_rate=0.0", *more), **given)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """A server on this machine's loopback alone."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *about: object) -> None: ...

    (tmp_path / "served").mkdir()
    serving = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path / "served")))
    thread = threading.Thread(target=serving.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{serving.server_address[1]}"
    serving.shutdown()
    serving.server_close()
    thread.join()


def test_a_model_brings_its_network_along(cohort: Path, first: Run, tmp_path: Path) -> None:
    told = Told()
    run = begun(cohort, tmp_path / "run", first.folder, progress=told)
    recipe = read_recipe(run.folder / "recipe.yaml")
    assert recipe.model.settings["width"] == 8
    assert recipe.model.weights == str(first.folder)
    assert recipe.model.weights_sha256
    assert "begins with" in recipe.reasons["model.name"]
    assert any("arrays are taken" in one for one in told.messages)
    before, after = weights(first), weights(run)
    assert before.keys() == after.keys()
    # What is kept is kept to the bit, and the head learns.
    assert all(torch.equal(after[name], value) is not name.endswith(HEAD) for name, value in before.items())


def test_a_file_is_laid_into_each_member(cohort: Path, first: Run, tmp_path: Path) -> None:
    kept = {name: value for name, value in weights(first).items() if not name.startswith("normalise")}
    save_file(kept, tmp_path / "w.safetensors")
    run = begun(cohort, tmp_path / "run", tmp_path / "w.safetensors", *TINY, members=2)
    after = weights(run)
    for member in range(2):
        same = {name: torch.equal(after[f"members.{member}.{name}"], value) for name, value in kept.items()}
        assert {name for name, alike in same.items() if not alike} == set(HEAD)


def test_an_address_is_brought_once_and_named_by_its_hash(
    cohort: Path, first: Run, tmp_path: Path, server: str
) -> None:
    served = tmp_path / "served" / "resnet.pth"
    torch.save({"state_dict": {f"module.{name}": value for name, value in weights(first).items()}}, served)
    run = begun(cohort, tmp_path / "run", f"{server}/resnet.pth", *TINY)
    digest = read_recipe(run.folder / "recipe.yaml").model.weights_sha256
    served.unlink()  # it is beside the cohort now
    again = begun(cohort, tmp_path / "again", f"{server}/resnet.pth", *TINY)
    assert read_recipe(again.folder / "recipe.yaml").model.weights_sha256 == digest
    assert list((cohort / "cache" / "weights").glob("*-resnet.pth"))


def test_other_weights_than_the_plan_saw_are_refused(cohort: Path, first: Run, tmp_path: Path) -> None:
    kept = weights(first)
    save_file(kept, tmp_path / "w.safetensors")
    recipe = tmp_path / "recipe.yaml"
    iso.plan(cohort, into=recipe, weights=str(tmp_path / "w.safetensors"), members=1, threads=1, set=(*QUICK, *TINY))
    assert read_recipe(recipe).training.weights_rate < 1
    save_file({name: value + 1 for name, value in kept.items()}, tmp_path / "w.safetensors")
    with pytest.raises(UsageError, match="other weights than when the plan was made"):
        iso.train(cohort, into=tmp_path / "run", recipe=recipe)


def test_what_holds_no_weights_is_refused(cohort: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="not there"):
        begun(cohort, tmp_path / "run", tmp_path / "nowhere.pth")
    with pytest.raises(UsageError, match="begins with no weights"):
        begun(cohort, tmp_path / "other", tmp_path / "nowhere.pth", model="logistic")
