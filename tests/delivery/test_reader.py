"""A model at work: what it refuses, what it warns of, views, batches, and how outputs become readings."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from isocenter.core.errors import UnknownName, Unreadable, UsageError
from isocenter.core.geometry import Geometry
from isocenter.core.image import Image, Intensity
from isocenter.core.reading import ClassFinding, NumberFinding
from isocenter.core.recipe import DecisionRecipe, StepRecipe
from isocenter.delivery import reader as reader_module
from isocenter.delivery.modelfile.package import HEAD, Package, RuntimeChoice
from isocenter.delivery.reader import Reader
from isocenter.pathway.tasks._shared import Decision
from model_samples import SIDE, tiny_package

DRAWN = np.random.default_rng(2)


def image(shape: tuple[int, ...] = (1, 20, 30), axes: str = "CYX", **known: object) -> Image:
    array = DRAWN.integers(0, 256, shape, dtype=np.uint8)
    return Image(array=array, axes=axes, geometry=Geometry.unknown(), **known)


def pixels(cases: int, channels: int = 1) -> np.ndarray:
    return DRAWN.integers(0, 256, (cases, channels, SIDE, SIDE), dtype=np.uint8)


def offered(package: Package, *choices: tuple[str, str]) -> Package:
    found = [
        RuntimeChoice(name=name, precision=precision, milliseconds=1, difference=0, cases=1)
        for name, precision in choices
    ]
    return replace(package, manifest=package.manifest.model_copy(update={"runtimes": found}))


def test_a_case_is_prepared_and_read() -> None:
    reader = Reader(tiny_package())
    prepared = reader.prepare({"image": image()})
    assert prepared.array.shape == (1, SIDE, SIDE)
    logits = reader.logits(prepared.array[None])
    scores = reader.scores(logits)
    assert scores.shape == (1, 2)
    assert scores.sum() == pytest.approx(1)
    reading = reader.readings(logits, [("case", "file.png")])[0]
    called = [finding.label for finding in reading.findings if isinstance(finding, ClassFinding) and finding.called]
    assert called == [reader.package.recipe.classes[reader.called(scores)[0]]]
    assert reader.findings(scores[0]) == reading.findings
    assert reader.warnings(prepared) == ()
    assert reader.key


def test_outputs_are_those_of_the_graph() -> None:
    reader = Reader(tiny_package())
    given = pixels(3)
    answer = reader.run(given)
    assert set(answer) == set(reader.outputs) == {"logits", "features", "embedding"}
    assert np.allclose(reader.head(answer["features"]), answer["logits"], atol=1e-5)
    assert np.allclose(reader.head(answer["features"][:1]), answer["logits"][:1], atol=1e-5)


def test_a_model_without_a_head_says_so() -> None:
    package = tiny_package()
    graphs = {name: graph for name, graph in package.graphs.items() if name != HEAD}
    with pytest.raises(UsageError, match="cannot be explained"):
        Reader(replace(package, graphs=graphs)).head(np.zeros((1, 4, SIDE, SIDE), np.float32))


def test_many_cases_are_computed_a_batch_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    reader = Reader(tiny_package(), threads=1)
    given = pixels(7)
    whole = reader.logits(given)
    monkeypatch.setattr(reader_module, "_MOST_CASES", 3)
    assert reader.batch == 3
    assert np.allclose(reader.logits(given), whole, atol=1e-6)
    assert reader.logits(given[:0]).shape == (0, 2)
    monkeypatch.setattr(reader_module, "_BATCH_BYTES", 1)
    assert reader.batch == 1


@pytest.mark.parametrize(
    ("task", "classes"), [("classify", ("a", "b", "c")), ("multilabel", ("a", "b")), ("regress", ())]
)
def test_views_are_averaged_as_members_are(task: str, classes: tuple[str, ...]) -> None:
    package = tiny_package(task=task, classes=classes)
    mirrored = package.recipe.model_copy(update={"decision": DecisionRecipe(views=("plain", "mirror_x", "mirror_y"))})
    plain, several = Reader(package), Reader(replace(package, recipe=mirrored))
    given = pixels(4)
    views = [plain.logits(given), plain.logits(given[..., ::-1]), plain.logits(given[..., ::-1, :])]
    expected = np.mean([plain.scores(one) for one in views], axis=0)
    assert np.allclose(several.scores(several.logits(given)), expected, atol=1e-5)


def test_slices_are_mirrored_too() -> None:
    package = tiny_package(shape=(4, 6, 8))
    mirrored = package.recipe.model_copy(update={"decision": DecisionRecipe(views=("mirror_z",))})
    given = DRAWN.integers(0, 256, (2, 1, 4, 6, 8), dtype=np.uint8)
    found = Reader(replace(package, recipe=mirrored)).logits(given)
    assert np.allclose(found, Reader(package).logits(given[:, :, ::-1]), atol=1e-6)


def test_outputs_that_are_no_numbers_abstain() -> None:
    reader = Reader(tiny_package())
    logits = np.array([[np.nan, 1.0], [0.0, 2.0]], np.float32)
    broken, sound = reader.readings(logits, [("a", "a.png"), ("b", "b.png")])
    assert broken.abstained
    assert broken.reason
    assert broken.findings == ()
    assert not sound.abstained
    assert sound.called == ("malignant",)


@pytest.mark.parametrize("combine", ["softmax", "sigmoid", "mean"])
def test_no_number_stays_none_when_views_are_averaged(combine: str) -> None:
    logits = np.array([[[np.nan, 0.0], [1.0, 2.0]]] * 2, np.float32)
    found = reader_module._mean_view(logits, combine)
    assert np.isnan(found[0]).any()
    assert np.isfinite(found[1]).all()


def test_thresholds_and_numbers_become_findings() -> None:
    careful = Reader(replace(tiny_package(), decision=Decision(thresholds={"malignant": 0.1})))
    reading = careful.readings(np.array([[1.0, 0.0]], np.float32), [("a", "a")])[0]
    assert reading.called == ("malignant",)
    scaled = replace(tiny_package(task="regress", classes=()), decision=Decision(thresholds={}, offset=50, scale=10))
    number = Reader(scaled).readings(np.array([[0.5]], np.float32), [("a", "a")])[0].findings[0]
    assert isinstance(number, NumberFinding)
    assert number.value == pytest.approx(55)


def test_an_empty_image_is_told() -> None:
    reader = Reader(tiny_package())
    empty = replace(image(), array=np.full((1, 20, 30), 7, np.uint8))
    assert "the same value" in reader.warnings(reader.prepare({"image": empty}))[0]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (image((1, 5, 20, 30), "CZYX"), "This is a volume: this model was made for single images"),
        (image((1, 4, 20, 30), "CTYX"), "4 frames over time"),
        (image(modality="MR"), "modality MR: this model was made for CT and PT"),
    ],
)
def test_what_it_was_not_made_for_is_refused(given: Image, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        Reader(tiny_package(modalities=("CT", "PT"))).prepare({"image": given})


def test_images_whose_modality_nobody_knows_are_taken() -> None:
    assert Reader(tiny_package(modalities=("CT",))).prepare({"image": image()}).array.any()


def test_a_volume_model_refuses_single_images() -> None:
    with pytest.raises(UsageError, match="This is a single image: this model was made for volumes"):
        Reader(tiny_package(shape=(4, 8, 8))).prepare({"image": image()})


def test_unknown_spacing_is_refused_where_it_is_needed() -> None:
    steps = (
        StepRecipe(step="resample", settings={"spacing": [1.0, 1.0]}),
        StepRecipe(step="resize", settings={"shape": [SIDE, SIDE]}),
    )
    with pytest.raises(UsageError, match="how large its pixels are"):
        Reader(tiny_package(preparation=steps)).prepare({"image": image()})


def test_missing_channels_are_refused_or_told() -> None:
    one = {"T1": replace(image(), channels=("T1",)), "T2": replace(image(), channels=("T2",))}
    with pytest.raises(UsageError, match="The channel FLAIR is missing"):
        Reader(tiny_package(channels=("T1", "FLAIR"))).prepare(one)
    tolerant = Reader(tiny_package(channels=("T1", "FLAIR"), missing=True))
    prepared = tolerant.prepare(one)
    assert tolerant.warnings(prepared) == ("The channel FLAIR is missing; it was left blank.",)


def test_colours_become_grey_for_a_grey_model() -> None:
    coloured = image((3, 20, 30), intensity=Intensity.RGB)
    assert Reader(tiny_package()).prepare({"image": coloured}).array.shape == (1, SIDE, SIDE)


def test_the_first_checked_runtime_that_is_here_computes(monkeypatch: pytest.MonkeyPatch) -> None:
    package = offered(
        tiny_package(), ("gone", "fp32"), ("onnxruntime", "int8"), ("openvino", "fp32"), ("onnxruntime", "fp32")
    )
    assert Reader(package).runtime == "openvino"
    assert Reader(package, runtime="onnxruntime").runtime == "onnxruntime"
    monkeypatch.setattr(reader_module, "present", lambda module: module != "openvino")
    assert (Reader(package).runtime, Reader(package).precision) == ("onnxruntime", "fp32")


def test_bf16_that_this_processor_lacks_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    package = offered(tiny_package(), ("onnxruntime", "bf16"), ("onnxruntime", "fp32"))
    assert Reader(package).precision == "fp32"
    with pytest.raises(UsageError, match="cannot compute in bf16"):
        Reader(package, runtime="onnxruntime", precision="bf16")


def test_unchecked_models_compute_with_what_is_always_there() -> None:
    assert Reader(offered(tiny_package())).runtime == "onnxruntime"


def test_wishes_that_cannot_be_met_are_refused() -> None:
    with pytest.raises(UnknownName, match="Did you mean `openvino`"):
        Reader(tiny_package(), runtime="openvin")
    with pytest.raises(UsageError, match="no 8-bit graph"):
        Reader(tiny_package(), precision="int8")
    with pytest.raises(Unreadable, match="cannot be computed"):
        Reader(replace(tiny_package(), graphs={"graph.onnx": b"x"}))
