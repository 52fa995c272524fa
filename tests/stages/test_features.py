"""Models of features: measured in training and at work alike, for images and for volumes, without torch at work."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import isocenter as iso
from isocenter.core.errors import UsageError
from isocenter.core.recipe import read_recipe
from isocenter.core.run import Run
from isocenter.data.phantoms.shapes import write_pictures
from isocenter.delivery.modelfile.read import read_model
from isocenter.delivery.reader import Reader
from isocenter.pathway.given import given_to_model, names_of


@pytest.fixture(scope="module", params=[2, 3], ids=["images", "volumes"])
def scans(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("features")
    size = 20 if request.param == 2 else 10
    write_pictures(
        place / "pictures", cases=40, classes=("round", "lobed"), seed=0, size=size, dimensions=request.param
    )
    iso.ingest(place / "pictures", into=place / "cohort")
    return place


@pytest.fixture(scope="module")
def run(scans: Path) -> Run:
    torch.set_num_threads(1)
    return learned(scans, "run")


def learned(scans: Path, name: str, **options: Any) -> Run:
    given: dict[str, Any] = {"features": "statistics,histogram", "threads": 1, "members": 2} | options
    return iso.train(scans / "cohort", into=scans / name, **given)


def test_a_plan_says_what_is_measured(run: Run) -> None:
    recipe = read_recipe(run.folder / "recipe.yaml")
    assert recipe.model.name == "logistic"
    assert list(recipe.input.features) == ["statistics", "histogram"]
    # Completed by what was learned from training cases.
    assert recipe.input.features["histogram"]["ranges"] == [[0.0, 255.0]]
    names = names_of(recipe.input)
    assert recipe.input.measured == len(names)
    assert names[0].startswith("statistics.")
    assert recipe.decision.views == ("plain",)
    assert "Measured" in recipe.reasons["input.features"] or "measured" in recipe.reasons["input.features"]


def test_it_reads_what_it_was_trained_to_read(scans: Path, run: Run) -> None:
    readings = iso.predict(run.folder, sources=scans / "cohort", split="val").readings
    assert readings
    assert all(sum(one.probability for one in reading.findings) == pytest.approx(1.0) for reading in readings)
    assert iso.evaluate(run.folder, split="val").metrics[0].value > 0.5


def test_the_graph_is_given_a_row_and_the_reader_an_image(scans: Path, run: Run) -> None:
    package = read_model(run.folder / "model.isomodel")
    wanted = package.recipe.input
    reader = Reader(package, precision="fp32")
    pixels = np.random.default_rng(0).integers(0, 255, (3, *wanted.array_shape)).astype(np.uint8)
    rows = given_to_model(pixels, wanted)
    assert rows.shape == (3, 1, 1, wanted.measured)
    assert rows.dtype == np.float32
    answer = reader.run(pixels)
    assert "features" not in answer
    assert "features" not in reader.outputs
    np.testing.assert_array_equal(answer["logits"], reader.logits(pixels))
    assert given_to_model(pixels[:0], wanted).shape == (0, 1, 1, wanted.measured)


def test_what_it_rests_on_is_shown_by_covering_parts_of_the_image(scans: Path, run: Run) -> None:
    source = next(
        path for path in sorted((scans / "pictures").rglob("*")) if path.is_file() and path.stat().st_size > 50
    )
    found = iso.explain(run.folder, source, method="occlusion")
    assert found.probability is not None
    with pytest.raises(UsageError, match="Grad-CAM cannot explain.*occlusion"):
        iso.explain(run.folder, source)


@pytest.mark.parametrize("model", ["forest", "svm"])
def test_other_classical_models_learn_from_them(scans: Path, model: str) -> None:
    run = learned(scans, model, model=model, members=1)
    # The few cases that it did not learn from would tell little of either.
    assert iso.evaluate(run.folder, split="train").metrics[0].value > 0.7


def test_a_dense_network_learns_from_them_and_one_of_images_is_refused(scans: Path) -> None:
    quick = ("training.steps=2", "training.batch=8", "training.looks=1", "training.precision=fp32")
    assert learned(scans, "mlp", model="mlp", members=1, set=quick).report is not None
    with pytest.raises(UsageError, match="looks at images"):
        learned(scans, "cnn", model="cnn")
    with pytest.raises(UsageError, match="statistics"):
        learned(scans, "unknown", features="statistic")
