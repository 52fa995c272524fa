"""A model is looked into: its layers, how far it sees, and the pictures; of files, of runs and of models by name."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image as Picture
from safetensors.torch import save

import isocenter as iso
from isocenter.cli.app import run
from isocenter.core.errors import UnknownName, Unreadable, UsageError
from isocenter.core.recipe import ModelRecipe, Recipe
from isocenter.core.run import MODEL_FILE, RECORD_FILE
from isocenter.delivery.modelfile.package import GRAPH, HEAD
from isocenter.delivery.modelfile.write import write_model
from isocenter.learning.build import build_model, input_form
from isocenter.learning.export import export_onnx
from isocenter.learning.inside import effective_field, extent_of, heeded
from isocenter.learning.models._shared import Ensemble, Estimator, Network, count_parameters
from isocenter.pathway.entrance import Entrance
from isocenter.stages.layers.results import LayersShown
from model_samples import tiny_model, tiny_package

SIDE = 32
RESNET = ModelRecipe(name="resnet", settings={"width": 4, "stages": [1, 1], "stem": "small"})


def networks(recipe: Recipe) -> list[Network]:
    """The members of a model; a classical one has learned noise."""
    torch.manual_seed(0)
    built = [build_model(recipe.model, input_form(recipe), 2) for _ in range(recipe.model.members)]
    return [one.eval() if isinstance(one, Network) else fitted(one, recipe) for one in built]


def fitted(estimator: Estimator, recipe: Recipe) -> Network:
    pixels = np.random.default_rng(0).normal(size=(12, *recipe.input.array_shape)).astype(np.float32)
    estimator.fit(pixels, np.eye(2, dtype=np.float32)[np.arange(12) % 2], np.ones(12, np.float32), seed=0)
    return estimator.network()


def run_of(
    folder: Path,
    *,
    model: ModelRecipe = RESNET,
    shape: tuple[int, ...] = (SIDE, SIDE),
    cohort: Path | str = "",
    **given: Any,
) -> Path:
    """The run of a network that has not learned much."""
    package = tiny_package(shape=shape, **given)
    recipe = package.recipe.model_copy(update={"model": model})
    members = networks(recipe)
    network = members[0] if len(members) == 1 else Ensemble(members, "softmax")
    graph, head = export_onnx(network, input_form(recipe), recipe.input.given_type)
    weights = save({name: value.contiguous() for name, value in network.state_dict().items()})
    folder.mkdir()
    write_model(
        folder / MODEL_FILE, replace(package, recipe=recipe, weights=weights, graphs={GRAPH: graph, HEAD: head})
    )
    record = package.record.model_copy(update={"cohort": str(cohort)})
    (folder / RECORD_FILE).write_text(record.model_dump_json(), encoding="utf-8")
    return folder


def save_picture(path: Path, pixels: NDArray[np.uint8]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Picture.fromarray(pixels).save(path)
    return path


def drawn_cases(root: Path, *, masks: bool, count: int = 4) -> Path:
    """Pictures of 64 x 64 with one bright square of 8 x 16 on noisy air, and its outline where that is wanted."""
    for number in range(count):
        pixels = np.random.default_rng(number).integers(0, 4, (64, 64)).astype(np.uint8)
        pixels[10 : 10 + 8, 20 + number : 20 + number + 16] = 200
        save_picture(root / "images" / f"p{number}.png", pixels)
        if masks:
            save_picture(root / "masks" / f"p{number}.png", np.where(pixels > 100, 255, 0).astype(np.uint8))
    cohort = root.with_name(f"{root.name}-cohort")
    iso.ingest(root, into=cohort)
    return cohort


@pytest.fixture
def image(tmp_path: Path) -> Path:
    return save_picture(tmp_path / "seen.png", np.random.default_rng(0).integers(0, 255, (40, 48)).astype(np.uint8))


def test_the_layers_of_a_run(tmp_path: Path) -> None:
    found = iso.layers(run_of(tmp_path / "run"))
    assert isinstance(found, LayersShown)
    assert (found.network, found.by, found.input, found.members) == ("resnet", "network", (1, SIDE, SIDE), 1)
    network = networks(tiny_package(shape=(SIDE, SIDE)).recipe.model_copy(update={"model": RESNET}))[0]
    assert found.parameters == count_parameters(network) == sum(one.parameters for one in found.layers)
    assert found.multiply_adds == sum(one.multiply_adds for one in found.layers)
    assert found.layers[1].name == "conv1"
    assert found.sight is not None
    assert found.sight.map == (8, 16, 16)
    assert found.sight.theory.size == (13, 13)
    assert found.sight.effective is not None
    assert 1 <= found.sight.effective <= 13
    assert (found.sight.by, found.sight.objects) == ("noise", None)
    assert "not known here" in found.sight.words[-1]
    assert found.files == {}


def test_an_image_is_heeded_as_the_network_says(tmp_path: Path, image: Path) -> None:
    folder = run_of(tmp_path / "run")
    found = iso.layers(folder, image=image, into=tmp_path / "out")
    assert sorted(found.files) == ["filters", "layers", "maps", "receptive_field"]
    for path in found.files.values():
        with Picture.open(path) as picture:
            assert min(picture.size) > 200
    assert found.sight is not None
    assert (found.sight.by, found.sight.images) == ("image", 1)
    recipe = tiny_package(shape=(SIDE, SIDE)).recipe.model_copy(update={"model": RESNET})
    prepared = Entrance(recipe).prepare({"image": iso.read(image)[0]}).array
    strength = effective_field(networks(recipe)[0], prepared[None].astype(np.float32))
    assert found.sight.effective == pytest.approx(extent_of(heeded(strength)))


def test_outlined_objects_are_measured_as_the_network_is_shown_them(tmp_path: Path) -> None:
    cohort = drawn_cases(tmp_path / "cases", masks=True)
    sight = iso.layers(run_of(tmp_path / "run", cohort=cohort)).sight
    assert sight is not None
    assert sight.by == "cohort"
    objects = sight.objects
    assert objects is not None
    # 64 pixels are prepared to 32
    assert (objects.kind, objects.count, objects.cases) == ("masks", 4, sight.images)
    assert objects.extents == pytest.approx((4, 8))
    assert objects.longest == pytest.approx(8)
    assert objects.covered == float(sight.effective is not None and sight.effective >= 8)
    assert "4 outlined objects" in sight.words[-1]


def test_the_test_split_is_not_looked_at(tmp_path: Path) -> None:
    cohort = drawn_cases(tmp_path / "cases", masks=True, count=12)
    held = iso.open_cohort(cohort).splits.get("test", 0)
    sight = iso.layers(run_of(tmp_path / "run", cohort=cohort)).sight
    assert sight is not None
    assert held > 0
    assert sight.images == 12 - held


def test_without_outlines_what_is_imaged_is_told(tmp_path: Path) -> None:
    cohort = drawn_cases(tmp_path / "cases", masks=False)
    sight = iso.layers(run_of(tmp_path / "run", cohort=cohort)).sight
    assert sight is not None
    assert sight.objects is not None
    assert sight.objects.kind == "foreground"
    assert sight.objects.extents == pytest.approx((5, 9), abs=1)  # with the softened edge
    assert "Nothing is outlined" in sight.words[-1]


def test_boxes_are_measured_too(tmp_path: Path) -> None:
    root = tmp_path / "cases"
    names = [f"p{number}.png" for number in range(3)]
    for name in names:
        save_picture(root / name, np.full((64, 64), 90, np.uint8))
    boxes = [{"id": at, "image_id": at, "category_id": 1, "bbox": [10, 20, 16, 24]} for at in range(3)]
    document = {
        "images": [{"id": at, "file_name": name, "width": 64, "height": 64} for at, name in enumerate(names)],
        "annotations": boxes,
        "categories": [{"id": 1, "name": "mass"}],
    }
    (root / "annotations.json").write_text(json.dumps(document), encoding="utf-8")
    iso.ingest(root, into=tmp_path / "cohort")
    sight = iso.layers(run_of(tmp_path / "run", cohort=tmp_path / "cohort")).sight
    assert sight is not None
    assert sight.objects is not None
    assert (sight.objects.kind, sight.objects.count) == ("boxes", 3)
    assert sight.objects.extents == pytest.approx((12, 8))


def test_of_several_members_one_is_shown(tmp_path: Path) -> None:
    alone = iso.layers(run_of(tmp_path / "one"))
    several = iso.layers(run_of(tmp_path / "three", model=RESNET.model_copy(update={"members": 3})))
    assert several.members == 3
    assert several.layers == alone.layers
    assert (several.parameters, several.sight) == (alone.parameters, alone.sight)
    assert any("mean of 3 networks" in note for note in several.notes)


def test_a_volume_is_drawn_too(tmp_path: Path) -> None:
    model = ModelRecipe(name="cnn", settings={"kernels": [3, 4], "hidden": 0})
    folder = run_of(tmp_path / "run", model=model, shape=(12, 16, 20))
    array = np.random.default_rng(0).integers(0, 255, (1, 12, 16, 20)).astype(np.uint8)
    volume = iso.Image(array=array, axes="CZYX", geometry=iso.Geometry(np.diag([1.0, 1.0, 2.0, 1.0])))
    iso.write(volume, tmp_path / "scan.nii.gz")
    found = iso.layers(folder, image=tmp_path / "scan.nii.gz", into=tmp_path / "out")
    assert found.sight is not None
    assert found.sight.theory.size == (10, 10, 10)
    assert sorted(found.files) == ["filters", "layers", "maps", "receptive_field"]


def test_a_model_of_the_shelf_is_shown_before_it_learns() -> None:
    found = iso.layers("cnn", size=20, channels=3)
    assert (found.network, found.model, found.input) == ("cnn", "cnn", (3, 20, 20))
    assert any("has not learned" in note for note in found.notes)
    deeper = iso.layers("cnn", size=20, set=("model.settings.kernels=[4, 4, 4]",))
    assert deeper.sight is not None
    assert deeper.sight.map == (4, 2, 2)
    volume = iso.layers("cnn", size=12, volume=True)
    assert volume.input == (1, 12, 12, 12)
    assert iso.layers("cnn", size=20, channels=3).sight == found.sight


def test_a_network_without_maps_has_no_receptive_field() -> None:
    assert iso.layers("mlp", size=16).sight is None


def test_a_classical_model_is_what_its_graph_tells(tmp_path: Path, image: Path) -> None:
    model = ModelRecipe(name="forest", settings={"trees": 3, "pixels": 16})
    found = iso.layers(run_of(tmp_path / "run", model=model, shape=(8, 8)), into=tmp_path / "out")
    assert (found.network, found.by, found.sight) == ("forest", "graph", None)
    assert any("classical model" in note for note in found.notes)
    assert found.layers[-1].output == (2,)
    assert all(one.receptive_field is None for one in found.layers)
    assert list(found.files) == ["layers"]
    with pytest.raises(UsageError, match="cannot be shown"):
        iso.layers(tmp_path / "run", image=image)


def test_a_model_from_elsewhere_is_what_its_graph_tells(tmp_path: Path) -> None:
    found = iso.layers(tiny_model(tmp_path / "foreign.isomodel"))
    assert (found.network, found.by, found.sight) == ("", "graph", None)
    assert any("no weights of a network of ours" in note for note in found.notes)
    assert found.multiply_adds == 4 * 16 * 16 * 9 + 4 * 2


@pytest.mark.parametrize(
    ("given", "options", "error", "words"),
    [
        ("resnett", {}, UnknownName, "Did you mean `resnet`"),
        ("forest", {}, UsageError, "no layers before it has learned"),
        ("missing.isomodel", {}, UsageError, "There is no model at"),
        ("cnn", {"image": "seen.png"}, UsageError, "nothing says how its images are prepared"),
        ("run", {"size": 32}, UsageError, "`size` is for a model that is given by its name"),
        ("run", {"image": "."}, UsageError, "holds 2 cases"),
        ("run", {"image": "notes.txt"}, Unreadable, "holds no image"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    tmp_path: Path,
    image: Path,
    monkeypatch: pytest.MonkeyPatch,
    given: str,
    options: dict[str, Any],
    error: Any,
    words: str,
) -> None:
    run_of(tmp_path / "run")
    monkeypatch.chdir(tmp_path)
    save_picture(tmp_path / "other.png", np.zeros((8, 8), np.uint8))
    Path("notes.txt").write_text("no image", encoding="utf-8")
    with pytest.raises(error, match=words):
        iso.layers(given, **options)


def test_the_command_prints_the_table_or_one_document(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = run_of(tmp_path / "run")
    assert run(["layers", str(folder)]) == 0
    out = capsys.readouterr().out
    assert "conv1" in out
    assert "Conv2d 3" in out
    assert "4x32x32" in out
    assert "heeds about" in " ".join(out.split())
    assert "Add `--into FOLDER`" in out
    assert run(["layers", str(folder), "--json"]) == 0
    assert LayersShown.model_validate_json(capsys.readouterr().out).layers[1].name == "conv1"
    assert run(["layers", "googlenet", "--size", "16", "--set", "model.settings.width=4"]) == 0
    assert "only help it to learn" in " ".join(capsys.readouterr().out.split())
    assert run(["layers", "mlp", "--size", "8", "--into", str(tmp_path / "out")]) == 0
    assert str(tmp_path / "out" / "layers.png") in capsys.readouterr().out.replace("\n", "")
