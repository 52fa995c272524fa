"""A reading is explained by a map over the image, in words that a clinician reads, and put to a test."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from explain_samples import bright_model
from PIL import Image as Picture

import isocenter as iso
from isocenter.cli.app import run
from isocenter.core.errors import UnknownName, Unreadable, UsageError
from isocenter.core.geometry import Geometry
from isocenter.core.image import Image, Intensity
from isocenter.core.progress import Silent
from isocenter.core.reading import ClassFinding
from isocenter.core.run import Model
from isocenter.delivery.check import quantise
from isocenter.delivery.modelfile.package import GRAPH, INT8, RuntimeChoice
from isocenter.delivery.modelfile.read import read_model
from isocenter.delivery.modelfile.write import write_model
from isocenter.drawing import look
from isocenter.stages.explain import ExplainSettings, Explanation


@pytest.fixture
def photograph(tmp_path: Path) -> Path:
    """A dark picture of 96 x 128 with a bright disc, upper image right."""
    rows, columns = np.indices((96, 128))
    pixels = np.full((96, 128), 40, np.uint8)
    pixels[(rows - 20) ** 2 + (columns - 104) ** 2 < 13**2] = 230
    Picture.fromarray(pixels).save(tmp_path / "skin 1.png")
    return tmp_path / "skin 1.png"


def scan(path: Path) -> Path:
    """A volume with a bright ball to the patient's left, at the back and low, stored in another orientation."""
    z, y, x = np.indices((20, 30, 30))
    ball = (x - 24) ** 2 + (y - 24) ** 2 + (1.5 * (z - 3)) ** 2 < 5**2
    array = np.where(ball, 230, 40).astype(np.uint8)
    image = Image(array=array[None], axes="CZYX", geometry=Geometry(np.diag([1.0, 1.0, 1.5, 1.0])))
    iso.write(image.oriented("RAS"), path)
    return path


@pytest.mark.parametrize("method", ["gradcam", "occlusion"])
def test_a_picture_is_explained(photograph: Path, tmp_path: Path, method: str) -> None:
    model = bright_model(tmp_path / "bright.isomodel")
    found = iso.explain(model, source=photograph, method=method, into=tmp_path / "out", language="en")
    assert (found.label, found.method, found.task) == ("malignant", method, "classify")
    assert found.probability is not None
    assert found.probability > 0.5
    assert found.places == ("upper third, image right",)
    assert found.gathered is not None
    assert found.gathered > 0.8
    assert found.beyond == 0
    assert found.test is not None
    assert found.test.supported
    assert found.test.strongest < found.test.elsewhere <= found.test.whole == found.probability
    assert any("no proof" in sentence for sentence in found.words)
    assert sorted(found.files) == ["map", "overlay", "picture"]
    laid = np.load(found.files["map"])
    assert laid.shape == (96, 128)
    peak = np.unravel_index(int(laid.argmax()), laid.shape)
    assert np.hypot(peak[0] - 20, peak[1] - 104) < 13
    with Picture.open(found.files["overlay"]) as overlay:
        assert overlay.size == (128, 96)
    assert Path(found.files["picture"]).name == f"skin_1_malignant_{method}.png"


def test_it_speaks_of_the_reading_that_predict_gives(photograph: Path, tmp_path: Path) -> None:
    """Also where that is computed in coarser arithmetic than the map is."""
    exact = bright_model(tmp_path / "bright.isomodel")
    package = read_model(exact)
    dark = np.random.default_rng(0).integers(0, 60, (32, 1, 32, 32), dtype=np.uint8)
    coarse = quantise(package.graphs[GRAPH], dark)
    assert coarse is not None
    choice = RuntimeChoice(name="onnxruntime", precision="int8", milliseconds=1.0, difference=0.1, cases=1)
    manifest = package.manifest.model_copy(update={"runtimes": [choice]})
    model = tmp_path / "coarse.isomodel"
    write_model(model, replace(package, manifest=manifest, graphs={**package.graphs, INT8: coarse}))
    found = iso.explain(model, source=photograph, class_="malignant", language="en")
    (reading,) = iso.predict(model, photograph).readings
    said = {one.label: one.probability for one in reading.findings if isinstance(one, ClassFinding)}
    assert found.probability == said["malignant"]
    assert found.probability != iso.explain(exact, source=photograph, class_="malignant", language="en").probability
    assert found.test is not None
    assert found.test.whole == found.probability


def test_without_a_chinese_font_the_picture_is_english_and_the_words_are_not(
    photograph: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = bright_model(tmp_path / "bright.isomodel")
    monkeypatch.setattr(look, "chinese_font", lambda: None)
    found = {one: iso.explain(model, source=photograph, into=tmp_path / one, language=one) for one in ("en", "zh")}
    pictures = [Path(one.files["picture"]).read_bytes() for one in found.values()]
    assert pictures[0] == pictures[1]
    assert found["zh"].words != found["en"].words


def test_a_volume_is_explained_in_terms_of_the_patient(tmp_path: Path) -> None:
    model = bright_model(tmp_path / "solid.isomodel", shape=(16, 32, 32))
    source = scan(tmp_path / "scan.nii.gz")
    found = iso.explain(model, source=source, into=tmp_path / "out", language="en")
    assert found.places == ("lowest third (towards the feet), posterior third, towards the patient's left",)
    assert sorted(found.files) == ["map", "picture"]
    (laid,) = iso.read(found.files["map"])
    (image,) = iso.read(source)
    assert laid.geometry.matches(image.geometry)
    peak = np.unravel_index(int(laid.array[0].argmax()), laid.array.shape[1:])
    assert np.linalg.norm(laid.geometry.points(peak[::-1]) - [24, 24, 4.5]) < 6


def test_a_picture_never_names_a_side_of_the_patient(tmp_path: Path) -> None:
    array = np.full((1, 16, 32, 32), 40, np.uint8)
    array[0, 1:5, 2:9, 2:9] = 230
    iso.write(Image(array=array, axes="CZYX", geometry=Geometry.unknown()), tmp_path / "stack.tiff")
    model = bright_model(tmp_path / "solid.isomodel", shape=(16, 32, 32))
    found = iso.explain(model, source=tmp_path / "stack.tiff", class_="malignant", language="en")
    assert found.places == ("first third of the slices, upper third, image left",)
    assert found.files == {}


def test_evidence_in_the_border_is_told(tmp_path: Path) -> None:
    """A model that takes darkness for disease looks at the black border of a bright picture."""
    Picture.fromarray(np.full((32, 96), 200, np.uint8)).save(tmp_path / "wide.png")
    step = {"step": "resize", "settings": {"shape": [32, 32], "method": "fit", "fill": 0}}
    steps = ({"step": "orient", "settings": {"dimensions": 2}}, {"step": "grey"}, step)
    model = bright_model(tmp_path / "dark.isomodel", sign=-2.0, preparation=steps)
    found = iso.explain(model, source=tmp_path / "wide.png", class_="malignant", language="en")
    assert found.beyond > 0.5
    assert any("border" in sentence for sentence in found.words)


def test_a_map_that_the_test_does_not_bear_out_is_told(photograph: Path, tmp_path: Path) -> None:
    model = bright_model(tmp_path / "bright.isomodel")
    # what speaks for the other class is darkness; blanking it with the darkness of the mean takes nothing away
    found = iso.explain(model, source=photograph, class_="benign", language="en")
    assert found.label == "benign"
    assert found.test is not None
    assert not found.test.supported
    assert any("do not rely on it" in sentence for sentence in found.words)


def test_an_answer_that_nothing_moves_is_not_said_to_be_borne_out(tmp_path: Path) -> None:
    Picture.fromarray(np.tile(np.linspace(220, 255, 64).astype(np.uint8), (64, 1))).save(tmp_path / "bright.png")
    model = bright_model(tmp_path / "bright.isomodel")
    found = iso.explain(model, source=tmp_path / "bright.png", language="en")
    assert found.test is not None
    assert found.test.supported is None
    assert found.places == ()
    assert "spread over the whole image" in found.words[0]
    assert any(">0.99 to >0.99" in sentence and "enough for this test to tell" in sentence for sentence in found.words)


def test_no_evidence_is_no_place(tmp_path: Path) -> None:
    Picture.fromarray(np.full((40, 40), 40, np.uint8)).save(tmp_path / "plain.png")
    model = bright_model(tmp_path / "bright.isomodel")
    found = iso.explain(model, source=tmp_path / "plain.png", class_="malignant", into=tmp_path, language="en")
    assert (found.places, found.test, found.gathered) == ((), None, None)
    assert found.words[0] == "By this method no place in the image speaks for malignant."
    assert "gathered" not in found.model_dump(exclude_none=True)


@pytest.mark.parametrize(("task", "classes"), [("multilabel", ("effusion", "nodule")), ("regress", ())])
def test_other_questions_are_explained_too(
    photograph: Path, tmp_path: Path, task: str, classes: tuple[str, ...]
) -> None:
    model = bright_model(tmp_path / "other.isomodel", task=task, classes=classes)
    found = iso.explain(model, source=photograph, language="en")
    assert found.places == ("upper third, image right",)
    if task == "regress":
        assert found.label == "class"
        assert found.value is not None
        assert found.probability is None
        with pytest.raises(UsageError, match="for models of classes"):
            iso.explain(model, source=photograph, class_="nodule")
    else:
        assert found.label == "nodule"


def test_a_colour_picture_and_chinese(tmp_path: Path) -> None:
    pixels = np.full((60, 60, 3), 40, np.uint8)
    pixels[40:55, 5:20] = (230, 220, 240)
    Picture.fromarray(pixels).save(tmp_path / "colour.png")
    model = bright_model(tmp_path / "bright.isomodel")
    found = Model(model).explain(tmp_path / "colour.png", into=tmp_path, language="zh")
    assert found.places == ("下三分之一、图像左侧",)
    with Picture.open(found.files["overlay"]) as overlay:
        assert (overlay.size, overlay.mode) == ((60, 60), "RGB")


def test_a_model_from_elsewhere_is_explained_by_occlusion(photograph: Path, tmp_path: Path) -> None:
    model = bright_model(tmp_path / "bare.isomodel", features=False)
    with pytest.raises(UsageError, match="--method occlusion"):
        iso.explain(model, source=photograph)
    assert iso.explain(model, source=photograph, method="occlusion", language="en").places


def test_what_cannot_be_meant_is_told(photograph: Path, tmp_path: Path) -> None:
    model = bright_model(tmp_path / "bright.isomodel")
    with pytest.raises(UnknownName, match="Did you mean `malignant`"):
        iso.explain(model, source=photograph, class_="malignent")
    with pytest.raises(UnknownName, match="Did you mean `gradcam`"):
        iso.explain(model, source=photograph, method="grad_cam")
    with pytest.raises(UsageError, match="does not exist"):
        iso.explain(model, source=tmp_path / "nowhere.png")
    folder = tmp_path / "two"
    folder.mkdir()
    (folder / "notes.txt").write_text("nothing to see")
    with pytest.raises(Unreadable, match="holds no image"):
        iso.explain(model, source=folder)
    for name in ("a.png", "b.png"):
        (folder / name).write_bytes(photograph.read_bytes())
    with pytest.raises(UsageError, match=r"2 cases.*a\.png and b\.png"):
        iso.explain(model, source=folder)
    with pytest.raises(UsageError, match="made for single images"):
        iso.explain(model, source=scan(tmp_path / "scan.nii.gz"))


def test_is_the_same_again_and_tells_how_it_goes(photograph: Path, tmp_path: Path) -> None:
    class Counting(Silent):
        steps = 0

        def advance(self, steps: int = 1) -> None:
            self.steps += steps

    model = bright_model(tmp_path / "bright.isomodel")
    told = Counting()
    given = ExplainSettings(model=model, source=photograph, method="occlusion", into=tmp_path / "out")
    first = iso.explain(given, progress=told)
    before = {name: Path(path).read_bytes() for name, path in first.files.items()}
    again = iso.explain(given)
    assert again.model_copy(update={"seconds": first.seconds}) == first
    assert {name: Path(path).read_bytes() for name, path in again.files.items()} == before
    assert told.steps > 200


def test_the_command_line_prints_sentences_or_one_document(
    photograph: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = bright_model(tmp_path / "bright.isomodel")
    arguments = ["explain", str(model), str(photograph), "--class", "malignant", "--language", "en"]
    assert run(arguments) == 0
    shown = capsys.readouterr().out
    assert "skin 1.png: malignant 0." in shown
    assert "upper third, image right" in shown
    assert "--into FOLDER" in shown
    assert run([*arguments, "--into", str(tmp_path / "out"), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert Explanation.model_validate(document).files["map"].endswith("skin_1_malignant_gradcam_map.npy")
    assert "value" not in document


def test_a_stack_of_sequences_is_laid_over_its_first_channel(tmp_path: Path) -> None:
    array = np.stack([np.full((32, 32), 90), np.full((32, 32), 10)]).astype(np.uint8)
    image = Image(
        array=array, axes="CYX", geometry=Geometry.unknown(), intensity=Intensity.NAMED, channels=("t1", "t2")
    )
    from isocenter.stages.explain import _drawn, _still

    parts = {
        name: Image(array=array[[place]], axes="CYX", geometry=Geometry.unknown())
        for place, name in enumerate(("t1", "t2"))
    }
    assert _drawn({"image": image}, ("t1", "t2")) is image
    assert _drawn(parts, ("t2", "t1")).array[0, 0, 0] == 10
    moment = Image(array=array[:, None, None], axes="CTZYX", geometry=Geometry.unknown())
    assert _still(moment).axes == "CYX"


@pytest.mark.parametrize(("threshold", "label"), [(0.01, "malignant"), (0.999, "benign")])
def test_the_called_class_is_explained(photograph: Path, tmp_path: Path, threshold: float, label: str) -> None:
    package = read_model(bright_model(tmp_path / "bright.isomodel", sign=-1.0 if label == "malignant" else 1.0))
    decided = replace(package, decision=replace(package.decision, thresholds={"malignant": threshold}))
    write_model(tmp_path / "decided.isomodel", decided)
    found = iso.explain(tmp_path / "decided.isomodel", source=photograph, method="occlusion", language="en")
    assert found.label == label
    assert found.probability is not None
    assert found.probability < 0.5  # it is called, and is not the likelier one


@pytest.mark.parametrize(("thresholds", "label"), [({"a": 0.1, "b": 0.999}, "a"), ({"a": 0.999, "b": 0.999}, "b")])
def test_of_findings_the_likeliest_called_one_is_explained(
    photograph: Path, tmp_path: Path, thresholds: dict[str, float], label: str
) -> None:
    model = bright_model(tmp_path / "several.isomodel", task="multilabel", classes=("a", "b"))
    package = read_model(model)
    decided = replace(package, decision=replace(package.decision, thresholds=thresholds))
    write_model(tmp_path / "decided.isomodel", decided)
    found = iso.explain(tmp_path / "decided.isomodel", source=photograph, method="occlusion", language="en")
    assert found.label == label
