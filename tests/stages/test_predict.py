"""Predict: images, folders, series and cohorts in, readings out; nothing heavy is loaded for one picture."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Picture

import isocenter
from isocenter.core.errors import UsageError
from isocenter.core.reading import Readings
from isocenter.core.run import Model
from isocenter.data.looks import read_looks
from isocenter.stages.predict import predict
from model_samples import SIDE, tiny_model
from progress_samples import Told

HEAVY = (
    *("torch", "scipy", "sklearn", "matplotlib", "sqlalchemy"),
    *("pydicom", "skimage", "nibabel", "alembic", "onnx", "pandas"),
)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return tiny_model(tmp_path / "tiny.isomodel")


@pytest.fixture
def scans(tmp_path: Path) -> Path:
    """Five pictures, a volume's shape among them, and a text."""
    drawn = np.random.default_rng(0)
    folder = tmp_path / "scans"
    folder.mkdir()
    for number in range(5):
        Picture.fromarray(drawn.integers(0, 255, (20, 24), dtype=np.uint8)).save(folder / f"{number}.png")
    (folder / "notes.txt").write_text("hello")
    return folder


def test_a_picture_is_read(model: Path, scans: Path) -> None:
    found = isocenter.predict(model, scans / "0.png")
    assert isinstance(found, Readings)
    assert [reading.case for reading in found.readings] == ["0.png"]
    assert found.readings[0].model == found.model
    assert len(found.readings[0].findings) == 2
    assert found.readings[0].seconds is not None
    again = Model(model).predict(scans / "0.png", scans / "1.png")
    assert again.readings[0].findings == found.readings[0].findings
    assert len(again.readings) == 2


def test_readings_are_written_for_programs_and_for_tables(model: Path, scans: Path, tmp_path: Path) -> None:
    found = predict(model, sources=scans, into=tmp_path / "out")
    written = json.loads((tmp_path / "out" / "readings.json").read_text(encoding="utf-8"))
    assert written == found.model_dump(mode="json")
    assert written["version"] == 1
    with (tmp_path / "out" / "readings.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 5 * 2 + 1
    assert {row["state"] for row in rows} == {"read", "refused"}
    assert sum(row["called"] == "yes" for row in rows) == 5
    assert float(rows[0]["probability"]) + float(rows[1]["probability"]) == pytest.approx(1, abs=1e-5)


def test_what_the_model_was_not_made_for_is_refused_and_the_rest_goes_on(
    model: Path, scans: Path, tmp_path: Path
) -> None:
    np.save(scans / "volume.npy", np.zeros((5, 6, 7), np.int16))
    (scans / "cut.png").write_bytes((scans / "0.png").read_bytes()[:60])
    found = predict(model, sources=scans)
    assert len(found.readings) == 5
    reasons = {Path(one.source).name: one.reason for one in found.refused}
    assert set(reasons) == {"volume.npy", "cut.png", "notes.txt"}
    assert "this model was made for single images" in reasons["volume.npy"]


def test_an_empty_picture_is_read_with_a_warning(model: Path, tmp_path: Path) -> None:
    Picture.fromarray(np.zeros((SIDE, SIDE), np.uint8)).save(tmp_path / "black.png")
    warned = predict(model, sources=tmp_path / "black.png", into=tmp_path / "out").readings[0]
    assert "nothing to see" in warned.warnings[0]
    assert "nothing to see" in (tmp_path / "out" / "readings.csv").read_text(encoding="utf-8")


def test_a_number_is_written_with_its_value(tmp_path: Path, scans: Path) -> None:
    number = tiny_model(tmp_path / "number.isomodel", task="regress", classes=())
    predict(number, sources=scans / "0.png", into=tmp_path / "out")
    rows = list(csv.DictReader((tmp_path / "out" / "readings.csv").read_text(encoding="utf-8").splitlines()))
    assert float(rows[0]["value"])
    assert rows[0]["probability"] == ""


def test_a_cohort_is_read_whole_or_by_split(model: Path, scans: Path, tmp_path: Path) -> None:
    for number in range(5):
        place = scans / ("benign" if number % 2 else "malignant") / f"{number}.png"
        place.parent.mkdir(exist_ok=True)
        (scans / f"{number}.png").rename(place)
    cohort = isocenter.ingest(scans, into=tmp_path / "cohort")
    whole = predict(model, sources=cohort)
    assert {reading.case for reading in whole.readings} == {case.key for case in cohort.cases}
    part = predict(model, sources=tmp_path / "cohort", split="train")
    assert {reading.case for reading in part.readings} == {case.key for case in cohort.split("train")}
    alone = predict(model, sources=cohort.cases[0].first.files[0])
    same = next(reading for reading in whole.readings if reading.case == cohort.cases[0].key)
    assert alone.readings[0].findings == same.findings


def test_reading_labelled_test_cases_is_a_look_at_them(model: Path, scans: Path, tmp_path: Path) -> None:
    for number in range(5):
        place = (
            scans / ("test" if number < 3 else "train") / ("benign" if number % 2 else "malignant") / f"{number}.png"
        )
        place.parent.mkdir(parents=True, exist_ok=True)
        (scans / f"{number}.png").rename(place)
    cohort = isocenter.ingest(scans, into=tmp_path / "cohort")
    assert cohort.splits["test"] == 3
    predict(model, sources=cohort, split="train")
    assert read_looks(cohort.folder).at("test") == 0
    said = Told()
    predict(model, sources=cohort, progress=said)
    predict(model, sources=cohort, split="test", progress=said)
    assert [(one.look, one.split, one.cases) for one in read_looks(cohort.folder).known] == [
        (1, "test", 3),
        (2, "test", 3),
    ]
    assert any("3 labelled test cases: look 2" in one for one in said.messages)


def test_what_cannot_be_meant_is_refused(model: Path, scans: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="`split` is for cohorts"):
        predict(model, sources=scans, split="test")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="nothing to read"):
        predict(model, sources=tmp_path / "empty")
    with pytest.raises(UsageError, match="`sources`"):
        predict(model)


def test_batches_give_what_single_cases_give(model: Path, scans: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from isocenter.delivery import reader

    whole = predict(model, sources=scans)
    monkeypatch.setattr(reader, "_MOST_CASES", 2)
    parted = predict(model, sources=scans)
    assert [one.case for one in parted.readings] == [one.case for one in whole.readings]
    for one, other in zip(parted.readings, whole.readings, strict=True):
        assert one.findings[0].model_dump()["probability"] == pytest.approx(
            other.findings[0].model_dump()["probability"], abs=1e-6
        )


def test_one_picture_loads_nothing_heavy(model: Path, scans: Path) -> None:
    program = (
        "import sys\nfrom isocenter.cli.app import run\n"
        f"assert run(['predict', {str(model)!r}, {str(scans / '0.png')!r}, '--json']) == 0\n"
        f"print('LOADED', *[name for name in {HEAVY} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "LOADED"
