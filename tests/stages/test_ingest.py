"""A folder becomes a cohort; again, it adds only what is new; troubles are told and nothing is lost."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from ingest_samples import picture, report, two_classes
from PIL import Image as Picture

import isocenter as iso
from isocenter.core.errors import IsocenterError, OpenQuestion, StorageProblem, Unreadable, UsageError
from isocenter.core.labels import ClassValue
from isocenter.data.catalogue.folder import LOCK
from isocenter.storage.lock import locked


@pytest.fixture
def scans(tmp_path: Path) -> Path:
    """Twelve pictures of two classes."""
    return two_classes(tmp_path / "scans")


def test_class_folders_become_a_cohort_with_labels_and_splits(scans: Path, tmp_path: Path) -> None:
    cohort = iso.ingest(scans, into=tmp_path / "cohort")
    found = report(cohort)
    assert (found.cases, found.images, found.patients) == (12, 12, 12)
    assert list(found.labels.values()) == [{"benign": 6, "malignant": 6}]
    assert sum(found.splits.values()) == 12
    assert found.refused == []
    assert any("benign" in sentence for sentence in found.evidence)
    assert cohort.cases[0].label(cohort.schema.names[0]) == ClassValue(value="benign")
    again = iso.open_cohort(tmp_path / "cohort")
    assert list(again.cases) == list(cohort.cases)


def test_a_dry_run_says_the_same_and_writes_nothing(scans: Path, tmp_path: Path) -> None:
    dry = iso.ingest(scans, into=tmp_path / "cohort", dry_run=True)
    assert not (tmp_path / "cohort").exists()
    wet = iso.ingest(scans, into=tmp_path / "cohort")
    assert report(dry).labels == report(wet).labels
    assert report(dry).splits == report(wet).splits
    assert report(dry).dry_run


def test_a_second_ingest_adds_only_what_is_new_and_keeps_every_split(scans: Path, tmp_path: Path) -> None:
    before = iso.ingest(scans, into=tmp_path / "cohort")
    splits = {case.key: case.split for case in before.cases}
    same = iso.ingest(scans, into=tmp_path / "cohort")
    assert (report(same).added, report(same).unchanged, report(same).cases) == (0, 12, 12)
    for number in range(20, 26):
        picture(scans / "benign" / f"p{number}.png", number)
    after = iso.ingest(scans, into=tmp_path / "cohort")
    assert (report(after).added, report(after).unchanged, report(after).cases) == (6, 12, 18)
    assert {case.key: case.split for case in after.cases if case.key in splits} == splits


def test_a_changed_and_a_lost_file_are_told_and_nothing_said_is_lost(scans: Path, tmp_path: Path) -> None:
    cohort = iso.ingest(scans, into=tmp_path / "cohort")
    picture(scans / "benign" / "p01.png", 99)
    os.utime(scans / "benign" / "p01.png", (1, 1))
    (scans / "benign" / "p03.png").unlink()
    changed = next(case for case in cohort.cases if "p01" in case.key)
    pixels = iso.Pixels(cohort)
    with pytest.raises(Unreadable, match="changed since it was catalogued"):
        pixels.image(next(iter(changed.images.values())))
    gone = next(case for case in cohort.cases if "p03" in case.key)
    with pytest.raises(Unreadable, match="is gone"):
        pixels.image(next(iter(gone.images.values())))
    pixels.close()
    after = iso.ingest(scans, into=tmp_path / "cohort")
    assert (report(after).changed, report(after).gone, report(after).cases) == (1, 1, 11)
    assert any("1 case retired" in warning for warning in report(after).warnings)
    split = gone.split
    picture(scans / "benign" / "p03.png", 3)
    back = iso.ingest(scans, into=tmp_path / "cohort")
    assert len(back) == 12
    assert next(case for case in back.cases if "p03" in case.key).split == split


def test_pixels_are_decoded_once_and_mapped_after(scans: Path, tmp_path: Path) -> None:
    cohort = iso.ingest(scans, into=tmp_path / "cohort")
    facts = next(iter(cohort.cases[0].images.values()))
    pixels = iso.Pixels(cohort)
    first = pixels.image(facts)
    np.testing.assert_array_equal(first.array[0], np.asarray(Picture.open(facts.files[0])))
    assert isinstance(pixels.image(facts).array, np.memmap)
    doubled = pixels.image(facts, preparation="half", prepare=lambda image: image)
    assert doubled.array.filename != first.array.filename
    pixels.close()


def test_a_broken_file_and_a_stray_document_are_named_with_reasons(scans: Path, tmp_path: Path) -> None:
    (scans / "benign" / "torn.png").write_bytes(picture(tmp_path / "x.png").read_bytes()[:40])
    (scans / "notes.md").write_text("to do")
    found = report(iso.ingest(scans, into=tmp_path / "cohort"))
    reasons = {Path(one.path).name: one.reason for one in found.refused}
    assert set(reasons) == {"torn.png", "notes.md"}
    assert found.cases == 12
    assert all(reasons.values())


def test_a_zip_is_unpacked_into_the_cohort_and_moves_with_it(scans: Path, tmp_path: Path) -> None:
    archive = tmp_path / "scans.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for path in scans.rglob("*.png"):
            file.write(path, path.relative_to(scans))
    found = report(iso.ingest(archive, into=tmp_path / "cohort"))
    assert (found.cases, list(found.labels.values())) == (12, [{"benign": 6, "malignant": 6}])
    moved = (tmp_path / "cohort").rename(tmp_path / "moved")
    archive.unlink()
    cohort = iso.open_cohort(moved)
    pixels = iso.Pixels(cohort)
    assert pixels.image(next(iter(cohort.cases[0].images.values()))).size == (10, 12, 1)
    pixels.close()


def test_another_source_with_the_same_names_joins_without_a_clash(scans: Path, tmp_path: Path) -> None:
    iso.ingest(scans, into=tmp_path / "cohort")
    other = tmp_path / "other"
    for number in range(12):
        picture(other / ("benign" if number % 2 else "malignant") / f"p{number:02}.png", 100 + number)
    found = report(iso.ingest(other, into=tmp_path / "cohort"))
    assert found.cases == 24
    assert report(iso.ingest(other, into=tmp_path / "cohort")).cases == 24


def test_a_table_beside_the_images_gives_labels_patients_and_splits(scans: Path, tmp_path: Path) -> None:
    rows = ["file,diagnosis,patient,age"]
    rows += [
        f"{path.name},{path.parent.name},P{n // 2},{40 + n}" for n, path in enumerate(sorted(scans.rglob("*.png")))
    ]
    flat = tmp_path / "flat"
    for path in scans.rglob("*.png"):
        flat.mkdir(exist_ok=True)
        path.rename(flat / path.name)
    table = tmp_path / "diagnoses.csv"
    table.write_text("\n".join(rows))
    cohort = iso.ingest(flat, into=tmp_path / "cohort", table=table, label="diagnosis")
    assert report(cohort).patients == 6
    assert cohort.schema.names == ("diagnosis",)
    sides: dict[str, set[str | None]] = {}
    for case in cohort.cases:
        sides.setdefault(case.patient, set()).add(case.split)
        assert isinstance(case.covariates["age"], float)
    assert all(len(side) == 1 for side in sides.values())


def test_what_cannot_be_known_is_asked_once_with_the_option(tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    table.write_text("grade,outcome,size\n" + "\n".join(f"{n % 3},{'ab'[n % 2]},{n * 1.5}" for n in range(30)))
    with pytest.raises(OpenQuestion, match="--label"):
        iso.ingest(table, into=tmp_path / "cohort")
    assert not (tmp_path / "cohort" / "cohort.toml").exists()
    cohort = iso.ingest(table, into=tmp_path / "cohort", label="outcome")
    assert report(cohort).labels == {"outcome": {"a": 15, "b": 15}}


@pytest.mark.parametrize(
    ("source", "into", "error", "words"),
    [
        ("nowhere", "cohort", UsageError, "does not exist"),
        ("scans", "scans", UsageError, "not empty and not a cohort"),
        ("scans/benign/p01.png/x", "cohort", UsageError, "does not exist"),
    ],
)
def test_wrong_usage_is_told(
    scans: Path, tmp_path: Path, source: str, into: str, error: type[IsocenterError], words: str
) -> None:
    with pytest.raises(error, match=words):
        iso.ingest(tmp_path / source, into=tmp_path / into)
    assert not (tmp_path / "cohort").exists()


def test_a_layout_or_setting_typed_wrong_is_answered_with_the_nearest(scans: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="class_folders"):
        iso.ingest(scans, into=tmp_path / "c", layout="class_folder")
    with pytest.raises(UsageError, match="dry_run"):
        iso.ingest(scans, into=tmp_path / "c", dryrun=True)


def test_a_disk_that_fills_up_in_the_middle_loses_nothing(
    scans: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    iso.ingest(scans, into=tmp_path / "cohort")
    picture(scans / "benign" / "new.png", 7)
    monkeypatch.setattr("isocenter.data.catalogue.intake._link_images", _full)
    with pytest.raises(StorageProblem, match="disk is full"):
        iso.ingest(scans, into=tmp_path / "cohort")
    monkeypatch.undo()
    assert len(iso.open_cohort(tmp_path / "cohort")) == 12
    assert report(iso.ingest(scans, into=tmp_path / "cohort")).cases == 13


def _full(*_: object) -> None:
    import sqlite3

    from sqlalchemy.exc import OperationalError

    raise OperationalError("INSERT", {}, sqlite3.OperationalError("database or disk is full"))


@pytest.mark.skipif(
    os.name == "nt" or not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere"
)
def test_a_read_only_folder_is_told(scans: Path, tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o500)
    with pytest.raises(StorageProblem, match="may not write"):
        iso.ingest(scans, into=closed / "cohort")


def test_two_ingests_at_once_both_arrive(scans: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "isocenter", "ingest", "--into", str(tmp_path / "cohort"), "--json"]
    other = tmp_path / "other"
    for number in range(8):
        picture(other / ("benign" if number % 2 else "malignant") / f"q{number}.png", 50 + number)
    running = [
        subprocess.Popen([*command, str(source)], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for source in (scans, other)
    ]
    outputs = [process.communicate() for process in running]
    assert [process.returncode for process in running] == [0, 0], outputs
    assert sorted(json.loads(out)["cases"] for out, _ in outputs)[-1] == 20
    assert len(iso.open_cohort(tmp_path / "cohort")) == 20


def test_an_ingest_killed_in_the_middle_leaves_a_cohort_that_the_next_one_finishes(scans: Path, tmp_path: Path) -> None:
    program = (
        "import os, isocenter as iso\n"
        "from isocenter.data.catalogue import intake\n"
        "intake._link_images = lambda *a: os._exit(9)\n"
        f"iso.ingest({str(scans)!r}, into={str(tmp_path / 'cohort')!r})\n"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 9
    assert report(iso.ingest(scans, into=tmp_path / "cohort")).cases == 12


def test_a_cohort_in_use_is_waited_for(scans: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cohort").mkdir()
    monkeypatch.setattr("isocenter.storage.lock.DEFAULT_WAIT_SECONDS", 0.01)
    with (
        locked(tmp_path / "cohort" / LOCK, "it"),
        pytest.raises(StorageProblem, match="has held it"),
    ):
        iso.ingest(scans, into=tmp_path / "cohort")


def test_a_source_without_anything_is_refused_with_what_was_met(tmp_path: Path) -> None:
    (tmp_path / "scans").mkdir()
    with pytest.raises(Unreadable, match="it is empty"):
        iso.ingest(tmp_path / "scans", into=tmp_path / "cohort")
    (tmp_path / "scans" / "essay.md").write_text("words")
    (tmp_path / "scans" / "noise.bin").write_bytes(bytes(range(256)) * 9)
    with pytest.raises(Unreadable, match="not an image of a known format"):
        iso.ingest(tmp_path / "scans", into=tmp_path / "cohort")


@pytest.mark.parametrize("name", ["a?b", "c%20x", "d#e", "患者 1"])
def test_odd_names_of_cohorts_are_only_names(scans: Path, tmp_path: Path, name: str) -> None:
    iso.ingest(scans, into=tmp_path / "place" / name)
    assert len(iso.open_cohort(tmp_path / "place" / name)) == 12
    assert [path.name for path in (tmp_path / "place").iterdir()] == [name]


def test_a_lost_catalogue_is_told_and_not_replaced(scans: Path, tmp_path: Path) -> None:
    iso.ingest(scans, into=tmp_path / "cohort")
    (tmp_path / "cohort" / "catalogue.db").unlink()
    with pytest.raises(IsocenterError, match="is missing"):
        iso.show(tmp_path / "cohort")
    assert len(iso.ingest(scans, into=tmp_path / "cohort")) == 12


def test_a_label_renamed_by_hand_does_not_lock_the_cohort(scans: Path, tmp_path: Path) -> None:
    iso.ingest(scans, into=tmp_path / "cohort")
    description = tmp_path / "cohort" / "cohort.toml"
    description.write_text(description.read_text().replace('name = "class"', 'name = "finding"'))
    assert iso.show(tmp_path / "cohort", into=tmp_path / "page.html").labels["class"]["benign"] == 6


def test_a_file_that_is_of_use_now_is_no_longer_refused(scans: Path, tmp_path: Path) -> None:
    (scans / "labels.json").write_text("{}")
    first = report(iso.ingest(scans, into=tmp_path / "cohort"))
    assert [Path(one.path).name for one in first.refused] == ["labels.json"]
    (scans / "labels.json").unlink()
    assert report(iso.ingest(scans, into=tmp_path / "cohort")).refused == []
    assert report(iso.ingest(scans, into=tmp_path / "cohort", name="New name")).files == 12
    assert iso.open_cohort(tmp_path / "cohort").name == "New name"
