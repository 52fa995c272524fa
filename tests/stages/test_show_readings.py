"""Readings that were written are shown again; beside images they are shown when they are named."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Picture

import isocenter as iso
from isocenter.core.errors import Unreadable, UsageError
from isocenter.core.reading import Readings
from model_samples import tiny_model


@pytest.fixture
def written(tmp_path: Path) -> Readings:
    """What a model said of two pictures, in `out`."""
    for number in range(2):
        (tmp_path / "scans").mkdir(exist_ok=True)
        Picture.fromarray(np.full((16, 16), 60 * number + 20, np.uint8)).save(tmp_path / "scans" / f"{number}.png")
    (tmp_path / "scans" / "notes.txt").write_text("hello")
    found: Readings = iso.predict(
        tiny_model(tmp_path / "m.isomodel"), sources=tmp_path / "scans", into=tmp_path / "out"
    )
    return found


@pytest.mark.parametrize("place", ["out", "out/readings.json"])
def test_readings_are_shown_as_they_were_said(written: Readings, tmp_path: Path, place: str) -> None:
    assert iso.show(tmp_path / place) == written
    assert len(written.refused) == 1


def test_what_predict_printed_is_readings_under_any_name(written: Readings, tmp_path: Path) -> None:
    (tmp_path / "today.json").write_text(written.model_dump_json())
    assert iso.show(tmp_path / "today.json") == written


def test_a_folder_of_images_stays_one_when_readings_are_kept_in_it(written: Readings, tmp_path: Path) -> None:
    (tmp_path / "out" / "readings.json").rename(tmp_path / "scans" / "readings.json")
    found = iso.show(tmp_path / "scans")
    assert (found.kind, found.images) == ("folder", 2)
    assert found.notes == [f"Readings lie here too: `isocenter show {tmp_path / 'scans' / 'readings.json'}`."]
    assert iso.show(tmp_path / "scans" / "readings.json") == written


def test_a_folder_without_images_points_to_its_readings(written: Readings, tmp_path: Path) -> None:
    (tmp_path / "out" / "notes.txt").write_text("hello")
    for place in ("out", "out/readings.csv"):
        with pytest.raises(Unreadable, match=r"Show the readings with `isocenter show .*out/readings\.json`"):
            iso.show(tmp_path / place)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{", "holds no readings"),
        ("[]", "holds no readings"),
        ('{"a": 1}', "`model`: Field required.*readings.json that `isocenter predict MODEL IMAGE --into DIR` writes"),
        ('{"model": "m", "runtime": "r", "readings": [{"case": 1}]}', "`readings.0.case`"),
    ],
)
def test_another_document_is_refused(tmp_path: Path, content: str, words: str) -> None:
    (tmp_path / "x.json").write_text(content)
    with pytest.raises(Unreadable, match=words):
        iso.show(tmp_path / "x.json")


def test_a_document_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "readings.json").write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(Unreadable, match="holds no readings"):
        iso.show(tmp_path)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"into": "x.html"}, r"readings are no picture.*They are in .*readings\.csv as a table"),
        ({"into": "x.md"}, "readings are no picture"),
        ({"resample": True}, "`resample` is for images.*holds readings"),
    ],
)
def test_readings_are_not_drawn(
    written: Readings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: dict[str, object], words: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=words):
        iso.show(tmp_path / "out", **options)
    (tmp_path / "out" / "readings.csv").unlink()
    if "into" in options:
        with pytest.raises(UsageError, match="Leave `--into` out"):
            iso.show(tmp_path / "out", **options)
    assert json.loads((tmp_path / "out" / "readings.json").read_text()) == written.model_dump(mode="json")
    assert not list(tmp_path.glob("x.*"))
