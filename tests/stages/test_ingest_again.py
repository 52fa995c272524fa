"""What comes later: pieces of a series, other classes, patients and splits known late, moved and lost files."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest
from ingest_samples import picture, report, two_classes

import isocenter as iso


@pytest.fixture
def scans(tmp_path: Path) -> Path:
    """Twelve pictures of two classes."""
    return two_classes(tmp_path / "scans")


def volume(folder: Path, slices: range) -> Path:
    """Slices of one CT series, written whole and then thinned out."""
    geometry = iso.Geometry.from_parts(origin=(0, 0, 0), spacing=(1, 1, 2), direction=np.eye(3))
    array = np.random.default_rng(1).integers(0, 99, (1, 13, 6, 5)).astype(np.int16)
    image = iso.Image(array=array, axes="CZYX", geometry=geometry, modality="CT")
    files = sorted(iso.write(image, folder / "all.dcm"))
    folder.joinpath("part").mkdir()
    for place in slices:
        files[place].rename(folder / "part" / files[place].name)
    for path in (folder / "all.dcm").glob("*"):
        path.unlink()
    (folder / "all.dcm").rmdir()
    return folder / "part"


def test_a_series_that_comes_in_pieces_keeps_all_its_slices(tmp_path: Path) -> None:
    first, second = volume(tmp_path / "a", range(10)), volume(tmp_path / "b", range(10, 13))
    assert iso.ingest(first, into=tmp_path / "cohort").cases[0].first.extent("Z") == 10
    whole = iso.ingest(second, into=tmp_path / "cohort")
    assert [case.first.extent("Z") for case in whole.cases] == [13]
    again = iso.ingest(first, into=tmp_path / "cohort")
    assert [case.first.extent("Z") for case in again.cases] == [13]


def test_a_file_that_moved_to_another_class_has_one_class_only(scans: Path, tmp_path: Path) -> None:
    iso.ingest(scans, into=tmp_path / "cohort")
    (scans / "benign" / "p01.png").rename(scans / "malignant" / "p01.png")
    found = report(iso.ingest(scans, into=tmp_path / "cohort"))
    assert found.cases == 12
    assert found.labels["class"] == {"benign": 5, "malignant": 7}


def test_patients_who_become_known_later_and_lie_on_two_sides_are_told(scans: Path, tmp_path: Path) -> None:
    paths = sorted(scans.rglob("*.png"))
    iso.ingest(scans, into=tmp_path / "cohort")
    rows = [f"{path.parent.name}/{path.name},P{number % 3}" for number, path in enumerate(paths)]
    (scans / "people.csv").write_text("file,patient_id\n" + "\n".join(rows))
    found = iso.ingest(scans, into=tmp_path / "cohort")
    assert any("more than one split" in warning for warning in report(found).warnings)
    anew = iso.ingest(scans, into=tmp_path / "cohort", resplit=True)
    assert not any("more than one split" in warning for warning in report(anew).warnings)
    sides: dict[str, set[str | None]] = {}
    for case in anew.cases:
        sides.setdefault(case.patient, set()).add(case.split)
    assert all(len(side) == 1 for side in sides.values())


def test_an_official_split_that_comes_later_is_told_and_taken_on_request(scans: Path, tmp_path: Path) -> None:
    iso.ingest(scans, into=tmp_path / "cohort")
    rows = [f"{path.name},{'test' if n % 2 else 'train'}" for n, path in enumerate(sorted(scans.rglob("*.png")))]
    (scans / "splits.csv").write_text("file,split\n" + "\n".join(rows))
    found = iso.ingest(scans, into=tmp_path / "cohort")
    assert any("--resplit" in warning for warning in report(found).warnings)
    anew = iso.ingest(scans, into=tmp_path / "cohort", resplit=True)
    assert len(anew.split("test")) == 6


def test_a_moved_cohort_with_unpacked_files_can_be_ingested_again(scans: Path, tmp_path: Path) -> None:
    archive = tmp_path / "scans.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for path in scans.rglob("*.png"):
            file.write(path, path.relative_to(scans))
    iso.ingest(archive, into=tmp_path / "cohort")
    (tmp_path / "cohort").rename(tmp_path / "moved")
    picture(tmp_path / "new" / "benign" / "q1.png", 77)
    assert len(iso.ingest(tmp_path / "new", into=tmp_path / "moved")) == 13
    assert len(iso.ingest(archive, into=tmp_path / "moved")) == 13


def test_a_source_that_was_renamed_is_followed_and_not_counted_twice(scans: Path, tmp_path: Path) -> None:
    before = iso.ingest(scans, into=tmp_path / "cohort")
    splits = {case.key: case.split for case in before.cases}
    scans.rename(tmp_path / "elsewhere")
    after = iso.ingest(tmp_path / "elsewhere", into=tmp_path / "cohort")
    assert (report(after).cases, report(after).added) == (12, 0)
    assert {case.key: case.split for case in after.cases} == splits
    pixels = iso.Pixels(after)
    assert pixels.image(after.cases[0].first).size == (10, 12, 1)
    pixels.close()


def test_a_series_with_a_gap_is_told_when_it_is_catalogued(tmp_path: Path) -> None:
    found = report(iso.ingest(volume(tmp_path / "a", range(0, 13, 3)), into=tmp_path / "sound"))
    assert not any("cannot be read" in warning for warning in found.warnings)
    part = volume(tmp_path / "b", range(9))
    sorted(part.iterdir())[4].unlink()
    found = report(iso.ingest(part, into=tmp_path / "gappy"))
    assert any("cannot be read as it is" in warning for warning in found.warnings)


def test_what_is_passed_over_is_told_again_and_empty_files_are_called_empty(scans: Path, tmp_path: Path) -> None:
    (scans / "benign" / "nothing.png").touch()
    (scans / "outside.png").symlink_to(tmp_path / "x.png")
    first = report(iso.ingest(scans, into=tmp_path / "cohort"))
    reasons = {Path(one.path).name: one.reason for one in first.refused}
    assert "is empty" in reasons["nothing.png"]
    assert "link" in reasons["outside.png"]
    again = report(iso.ingest(scans, into=tmp_path / "cohort"))
    assert (again.gone, len(again.refused), again.files) == (0, 2, first.files)
    assert len(iso.show(tmp_path / "cohort").refused) == 2


def test_two_folders_given_together_are_two_sources_and_no_classes(tmp_path: Path) -> None:
    for site in ("berlin", "beijing"):
        for number in range(6):
            picture(tmp_path / "sites" / site / f"{site}{number}.png", number)
    found = report(iso.ingest([tmp_path / "sites" / "berlin", tmp_path / "sites" / "beijing"], into=tmp_path / "c"))
    assert (found.cases, found.labels) == (12, {})


def test_channels_in_one_volume_are_channels_and_not_time(tmp_path: Path) -> None:
    task = tmp_path / "Task"
    array = np.random.default_rng(0).integers(0, 99, (1, 2, 5, 6, 7)).astype(np.int16)
    geometry = iso.Geometry.from_parts(origin=(0, 0, 0), spacing=(1, 1, 1), direction=np.eye(3))
    iso.write(iso.Image(array=array, axes="CTZYX", geometry=geometry), task / "imagesTr" / "a.nii.gz")
    iso.write(iso.Image(array=array[:, 0] % 2, axes="CZYX", geometry=geometry), task / "labelsTr" / "a.nii.gz")
    (task / "dataset.json").write_text(
        '{"modality": {"0": "FLAIR", "1": "T1w"}, "labels": {"0": "background", "1": "tumour"}, "numTraining": 1, '
        '"training": [{"image": "./imagesTr/a.nii.gz", "label": "./labelsTr/a.nii.gz"}], "test": []}'
    )
    for cohort in (iso.ingest(task, into=tmp_path / "c"), iso.open_cohort(tmp_path / "c")):
        assert cohort.cases[0].first.channels == ("FLAIR", "T1w")
    pixels = iso.Pixels(iso.open_cohort(tmp_path / "c"))
    image = pixels.image(iso.open_cohort(tmp_path / "c").cases[0].first)
    np.testing.assert_array_equal(image.array, array[0])
    pixels.close()


def test_a_picture_named_like_a_document_is_a_picture(scans: Path, tmp_path: Path) -> None:
    picture(scans / "benign" / "changes.png", 5)
    (scans / "LICENSE").write_text("words")
    found = report(iso.ingest(scans, into=tmp_path / "cohort"))
    assert found.cases == 13
    assert [Path(one.path).name for one in found.refused] == ["LICENSE"]
