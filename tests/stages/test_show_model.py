"""A model file is shown as what it answers, how it decides and how well it did; its card comes in two languages."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save

import isocenter as iso
from isocenter.core.errors import IsocenterError, Unreadable, UsageError
from isocenter.core.reading import Measure
from isocenter.core.recipe import ValidationRecipe
from isocenter.core.record import Record
from isocenter.core.run import Model
from isocenter.delivery.modelfile.package import Package, Reference
from isocenter.delivery.modelfile.read import read_model
from isocenter.delivery.modelfile.write import write_model
from isocenter.pathway.tasks._shared import Decision
from isocenter.stages.show.model import ModelShown
from model_samples import tiny_model, tiny_package

HEAVY = (
    *("torch", "scipy", "sklearn", "matplotlib", "sqlalchemy", "safetensors"),
    *("pydicom", "skimage", "nibabel", "alembic", "onnx", "pandas"),
)


@pytest.fixture
def package() -> Package:
    """A package with all that a trained model has."""
    weights = {"layer.weight": torch.zeros(3, 4), "layer.bias": torch.zeros(3), "bn.running_mean": torch.zeros(3)}
    return replace(
        tiny_package(modalities=("CT",)),
        weights=save(weights),
        decision=Decision(temperature=1.5, thresholds={"malignant": 0.3}, shift=(-0.25, 1.5)),
        reference=Reference(
            prevalence={"benign": 0.75, "malignant": 0.25},
            validation=[Measure(name="auroc", value=0.9, low=0.8, high=0.95, n=40, level=0.95)],
        ),
        record=Record(
            started="2026-01-01T00:00:00+00:00",
            machine="a machine",
            versions={},
            seed=7,
            cohort_name="Breasts",
            cases={"train": 120, "val": 40},
            left_out={"no label": 3},
            seconds=61.0,
        ),
    )


@pytest.fixture
def model(package: Package, tmp_path: Path) -> Path:
    write_model(tmp_path / "tiny.isomodel", package)
    return tmp_path / "tiny.isomodel"


def test_a_model_is_told_in_full(model: Path) -> None:
    found = iso.show(model)
    assert isinstance(found, ModelShown)
    assert (found.kind, found.name, found.origin) == ("model", "tiny", "isocenter")
    assert (found.task, found.label, found.classes, found.positive) == (
        "classify",
        "class",
        ["benign", "malignant"],
        "malignant",
    )
    assert found.input.model_dump() == {"channels": ["intensity"], "shape": [16, 16], "modalities": ["CT"]}
    assert (found.network.name, found.network.members, found.network.parameters) == ("cnn", 1, 15)
    assert (found.decision.temperature, found.decision.thresholds) == (1.5, {"malignant": 0.3})
    assert found.decision.shift == {"benign": -0.25, "malignant": 1.5}
    assert [(one.name, one.low, one.high, one.n) for one in found.validation] == [("auroc", 0.8, 0.95, 40)]
    assert [(one.name, one.cases) for one in found.runtimes] == [("onnxruntime", 8)]
    assert (found.cohort, found.cases, found.left_out) == ("Breasts", {"train": 120, "val": 40}, {"no label": 3})
    assert (found.seed, found.seconds) == (7, 61.0)
    assert found.size == model.stat().st_size
    assert found.digest == read_model(model).digest
    assert (found.notes, found.files) == ([], [])


def test_a_document_begins_with_what_it_is(model: Path) -> None:
    assert list(iso.show(Model(model)).model_dump(mode="json"))[:3] == ["version", "kind", "name"]


def test_without_weights_and_numbers_nothing_is_made_up(tmp_path: Path) -> None:
    found = iso.show(tiny_model(tmp_path / "tiny.isomodel"))
    assert found.network.parameters is None
    assert found.cases == {}
    assert "Nothing was measured" in found.notes[0]


def test_of_several_findings_each_has_the_threshold_that_is_applied(package: Package, tmp_path: Path) -> None:
    several = replace(
        tiny_package(task="multilabel", classes=("mass", "cyst")), decision=Decision(thresholds={"cyst": 0.2})
    )
    write_model(tmp_path / "several.isomodel", several)
    found = iso.show(tmp_path / "several.isomodel")
    assert found.decision.thresholds == {"mass": 0.5, "cyst": 0.2}
    assert found.positive is None


def test_numbers_of_folds_speak_of_single_members(package: Package, tmp_path: Path) -> None:
    recipe = package.recipe.model_copy(update={"validation": ValidationRecipe(design="folds")})
    write_model(tmp_path / "one.isomodel", replace(package, recipe=recipe))
    assert iso.show(tmp_path / "one.isomodel").notes == []
    write_model(tmp_path / "two.isomodel", replace(package, recipe=recipe.changed("model", members=2)))
    assert "the mean of its members" in iso.show(tmp_path / "two.isomodel").notes[0]


def test_a_model_of_a_task_that_is_not_installed_here_is_shown_too(package: Package, tmp_path: Path) -> None:
    foreign = replace(package, recipe=package.recipe.model_copy(update={"task": "survival"}))
    write_model(tmp_path / "foreign.isomodel", foreign)
    found = iso.show(tmp_path / "foreign.isomodel")
    assert (found.task, found.positive) == ("survival", None)


@pytest.mark.parametrize(
    ("language", "own", "other"),
    [("en", "## What it was made for", "## 用途"), ("zh", "## 用途", "## What it was made for")],
)
def test_a_card_is_written_in_both_languages(model: Path, tmp_path: Path, language: str, own: str, other: str) -> None:
    found = iso.show(model, into=tmp_path / "cards" / "card.md", language=language)
    card = (tmp_path / "cards" / "card.md").read_text(encoding="utf-8")
    assert card.startswith("# tiny\n")
    assert own in card
    assert other not in card
    assert "0.900" in card
    assert found.files == [(tmp_path / "cards" / "card.md").as_posix()]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"into": "page.html"}, r"page\.html cannot be written: a model has a model card.*End it in \.md"),
        ({"into": "sheet.png"}, r"End it in \.md"),
        ({"tiles": 3}, "`tiles` is for images.*holds a model.*Leave `--tiles` out"),
        ({"resample": True}, "`resample` is for images"),
    ],
)
def test_what_belongs_to_images_is_refused(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: dict[str, object], words: str
) -> None:
    monkeypatch.chdir(tmp_path)
    before = set(tmp_path.iterdir())
    with pytest.raises(UsageError, match=words):
        iso.show(model, **options)
    assert set(tmp_path.iterdir()) == before


def cut(content: bytes) -> bytes:
    return content[:-30]


def turned(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


@pytest.mark.parametrize(
    ("damage", "words"),
    [(cut, "cannot be unpacked"), (turned, "not a sound model file"), (lambda _: b"", "cannot be unpacked")],
    ids=["cut", "a bit", "empty"],
)
def test_a_damaged_file_is_refused_and_no_card_is_written(
    model: Path, tmp_path: Path, damage: object, words: str
) -> None:
    assert callable(damage)
    model.write_bytes(damage(model.read_bytes()))
    with pytest.raises(Unreadable, match=words):
        iso.show(model, into=tmp_path / "card.md")
    assert not (tmp_path / "card.md").exists()


def test_weights_that_are_none_are_refused(package: Package, tmp_path: Path) -> None:
    write_model(tmp_path / "odd.isomodel", replace(package, weights=b"weights"))
    with pytest.raises(IsocenterError, match=r"odd\.isomodel.*weights\.safetensors cannot be understood"):
        iso.show(tmp_path / "odd.isomodel")


def test_a_model_that_is_not_there_is_told_like_any_place(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="does not exist.*Check the spelling"):
        iso.show(tmp_path / "nowhere.isomodel")


def test_a_model_loads_nothing_heavy(model: Path, tmp_path: Path) -> None:
    program = (
        "import sys\nfrom isocenter.cli.app import run\n"
        f"assert run(['show', {str(model)!r}, '--into', {str(tmp_path / 'card.md')!r}]) == 0\n"
        f"print('LOADED', *[name for name in {HEAVY} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "LOADED"


def test_a_cohort_loads_nothing_of_a_model(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("outcome,size\n" + "\n".join(f"{'ab'[n % 2]},{n * 1.5}" for n in range(30)))
    iso.ingest(tmp_path / "t.csv", into=tmp_path / "c", label="outcome")
    program = (
        "import sys\nfrom isocenter.cli.app import run\n"
        f"assert run(['show', {str(tmp_path / 'c')!r}]) == 0\n"
        "parts = ('isocenter.delivery', 'isocenter.pathway', 'isocenter.learning', 'isocenter.stages.show.run')\n"
        "print('LOADED', *[name for name in sys.modules if name.startswith(parts)])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "LOADED"
