"""Package: a run's model under a new name, a model from elsewhere, and 8 bits where they pay."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper
from PIL import Image as Picture

import isocenter
from isocenter.core.errors import UnknownName, UsageError
from isocenter.delivery.modelfile.package import INT8, RuntimeChoice
from isocenter.delivery.modelfile.read import read_model
from isocenter.delivery.modelfile.write import write_model
from isocenter.stages._shared import eight_bits
from model_samples import graph_bytes, tiny_model, tiny_package


@pytest.fixture
def foreign(tmp_path: Path) -> Path:
    """A softmax over 64 pixels."""
    weight = np.random.default_rng(0).normal(size=(64, 2)).astype(np.float32)
    nodes = [
        helper.make_node("Flatten", ["image"], ["flat"]),
        helper.make_node("MatMul", ["flat", "w"], ["z"]),
        helper.make_node("Softmax", ["z"], ["p"]),
    ]
    path = tmp_path / "theirs.onnx"
    inputs = [("image", TensorProto.FLOAT, ["N", 8, 8, 1])]
    path.write_bytes(graph_bytes(nodes, inputs, [("p", TensorProto.FLOAT, ["N", 2])], {"w": weight}))
    return path


@pytest.fixture
def cohort(tmp_path: Path) -> Path:
    drawn = np.random.default_rng(1)
    for number in range(24):
        place = tmp_path / "scans" / ("benign" if number % 2 else "malignant") / f"{number:02}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        Picture.fromarray(drawn.integers(0, 120 + 120 * (number % 2), (16, 16), dtype=np.uint8)).save(place)
    isocenter.ingest(tmp_path / "scans", into=tmp_path / "cohort")
    return tmp_path / "cohort"


def test_a_runs_model_takes_its_new_name(tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    tiny_model(run / "model.isomodel")
    report = isocenter.package(run, into=tmp_path / "nodules.isomodel")
    found = read_model(tmp_path / "nodules.isomodel")
    assert found.manifest.name == "nodules"
    assert found.card.startswith("# nodules")
    assert report.digest == found.digest
    assert found.graphs == read_model(run / "model.isomodel").graphs


def test_a_model_from_elsewhere_is_read_judged_and_verified_like_ours(foreign: Path, tmp_path: Path) -> None:
    into = tmp_path / "theirs.isomodel"
    report = isocenter.package(foreign, into=into, labels="benign, malignant", range="0..1")
    assert report.origin == "theirs.onnx"
    assert report.classes == ["benign", "malignant"]
    assert any("NHWC" in note for note in report.notes)
    assert {one.name for one in report.runtimes} >= {"onnxruntime"}
    assert isocenter.verify(into).sound
    recipe = read_model(into).recipe
    assert (recipe.positive, recipe.input.shape, recipe.input.deviation) == ("malignant", (8, 8), (255.0,))
    drawn = np.random.default_rng(2).integers(0, 255, (8, 8), dtype=np.uint8)
    Picture.fromarray(drawn).save(tmp_path / "x.png")
    Picture.fromarray(np.stack([drawn] * 3, axis=-1)).save(tmp_path / "colour.png")
    grey, colour = isocenter.predict(into, tmp_path / "x.png", tmp_path / "colour.png").readings
    assert grey.findings == colour.findings
    assert sum(finding.model_dump()["probability"] for finding in grey.findings) == pytest.approx(1)


def test_the_positive_class_may_be_named(foreign: Path, tmp_path: Path) -> None:
    into = tmp_path / "m.isomodel"
    isocenter.package(foreign, into=into, labels=("ill", "well"), range="0..1", positive="ill", label="finding")
    found = read_model(into)
    assert (found.recipe.positive, found.label.name) == ("ill", "finding")


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({}, UsageError, "`labels` must name the classes"),
        ({"labels": "a,a"}, UsageError, "each once"),
        ({"labels": "a,b", "positive": "c"}, UnknownName, "no class named `c`"),
        ({"labels": "a", "task": "regress"}, UsageError, "Leave them out"),
    ],
)
def test_labels_that_cannot_be_meant_are_refused(
    foreign: Path, tmp_path: Path, options: dict[str, str], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        isocenter.package(foreign, into=tmp_path / "m.isomodel", range="0..1", **options)


def test_places_that_cannot_be_meant_are_refused(foreign: Path, tmp_path: Path) -> None:
    model = tiny_model(tmp_path / "tiny.isomodel")
    with pytest.raises(UsageError, match=r"must end in \.isomodel"):
        isocenter.package(model, into=tmp_path / "x.zip")
    with pytest.raises(UsageError, match="--overwrite"):
        isocenter.package(model, into=model)
    assert isocenter.package(model, into=model, overwrite=True).origin == "isocenter"
    with pytest.raises(UsageError, match=r"`labels` is for \.onnx files"):
        isocenter.package(model, into=tmp_path / "x.isomodel", labels="a,b")


def trained(place: Path, cohort: Path) -> Path:
    package = tiny_package()
    write_model(place, package)
    record = package.record.model_copy(update={"cohort": str(cohort)})
    (place.parent / "record.json").write_text(record.model_dump_json(), encoding="utf-8")
    return place


def test_eight_bits_need_the_run(tmp_path: Path) -> None:
    tiny_model(tmp_path / "m.isomodel")
    with pytest.raises(UsageError, match="Give the run that made it"):
        isocenter.package(tmp_path / "m.isomodel", into=tmp_path / "small.isomodel", int8=True)


def test_eight_bits_that_do_not_pay_are_left_out_and_it_is_said_why(
    cohort: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(eight_bits, "quantise", lambda graph, pixels: None)
    source = trained(tmp_path / "m.isomodel", cohort)
    report = isocenter.package(source, into=tmp_path / "small.isomodel", int8=True)
    assert any("8-bit integers" in note for note in report.notes)
    assert INT8 not in read_model(tmp_path / "small.isomodel").graphs


def test_eight_bits_that_pay_are_kept(cohort: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    held: list[bool] = []

    def checked(graphs: dict[str, bytes], examples: object, **_: object) -> list[RuntimeChoice]:
        held.append(examples.holds(examples.logits))
        held.append(examples.holds(-examples.logits))
        assert examples.decode(examples.logits).shape[1] == 2
        return [RuntimeChoice(name="onnxruntime", precision="int8", milliseconds=1, difference=0.01, cases=3)]

    monkeypatch.setattr(eight_bits, "checked_runtimes", checked)
    source = trained(tmp_path / "m.isomodel", cohort)
    report = isocenter.package(source, into=tmp_path / "small.isomodel", int8=True)
    assert report.runtimes[0].precision == "int8"
    assert held[0]
    small = tmp_path / "small.isomodel"
    assert INT8 in read_model(small).graphs
    picture = next((tmp_path / "scans" / "benign").iterdir())
    assert isocenter.predict(small, picture).runtime == "onnxruntime int8"
    assert isocenter.predict(small, picture, precision="fp32").runtime == "onnxruntime fp32"
