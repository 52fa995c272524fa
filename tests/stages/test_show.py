"""Cohorts, folders and files are shown as numbers and as pictures; what cannot be drawn is told."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Picture

import isocenter as iso
from isocenter.core.errors import IsocenterError, Unreadable, UsageError
from isocenter.core.labels import MaskValue


@pytest.fixture
def cohort(tmp_path: Path) -> Path:
    """Eight pictures of two classes with outlines, two unlike sizes, and one torn file."""
    rng = np.random.default_rng(0)
    for number in range(8):
        name, rows = f"p{number}", 20 if number % 2 else 24
        pixels = rng.integers(0, 255, (rows, 16), dtype=np.uint8)
        mask = np.zeros_like(pixels)
        mask[5:12, 4:9] = 255
        for folder, array in (("images", pixels), ("masks", mask)):
            (tmp_path / "scans" / folder).mkdir(parents=True, exist_ok=True)
            Picture.fromarray(array).save(tmp_path / "scans" / folder / f"{name}.png")
    (tmp_path / "scans" / "images" / "torn.png").write_bytes(b"\x89PNG\r\n\x1a\n torn")
    with (tmp_path / "scans" / "list.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["file", "diagnosis"])
        writer.writerows([f"images/p{n}.png", "clear" if n % 2 else "ill"] for n in range(8))
    iso.ingest(tmp_path / "scans", into=tmp_path / "cohort", name="Lungs", label="diagnosis")
    return tmp_path / "cohort"


def test_a_cohort_is_counted(cohort: Path) -> None:
    summary = iso.show(cohort)
    assert (summary.kind, summary.name, summary.cases, summary.images) == ("cohort", "Lungs", 8, 8)
    assert summary.labels["diagnosis"] == {"clear": 4, "ill": 4}
    assert summary.sizes == {"16 x 24": 4, "16 x 20": 4}
    assert summary.spacings == {"unknown": 8}
    assert [Path(one.path).name for one in summary.refused] == ["torn.png"]
    assert summary.files == []
    assert "extents" not in summary.model_dump()


@pytest.mark.parametrize(("language", "word"), [("en", "Contact sheet"), ("zh", "缩略图")])
def test_a_page_holds_everything_in_both_languages(cohort: Path, tmp_path: Path, language: str, word: str) -> None:
    summary = iso.show(cohort, into=tmp_path / "page.html", language=language, tiles=3)
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert word in page
    assert "torn.png" in page
    assert page.count("data:image/png;base64") >= 3
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert summary.files == [(tmp_path / "page.html").as_posix()]


def test_a_contact_sheet_shows_outlines_and_both_classes(cohort: Path, tmp_path: Path) -> None:
    iso.show(cohort, into=tmp_path / "sheet.png", tiles=2)
    sheet = np.asarray(Picture.open(tmp_path / "sheet.png").convert("RGB")).astype(int)
    coloured = np.abs(sheet[..., 0] - sheet[..., 2]) > 60
    assert coloured.any()


def test_a_file_that_went_away_is_named_and_the_rest_is_drawn(cohort: Path, tmp_path: Path) -> None:
    (tmp_path / "scans" / "images" / "p3.png").unlink()
    summary = iso.show(cohort, into=tmp_path / "page.html")
    assert any("p3.png" in one.path and "gone" in one.reason for one in summary.refused)


def test_a_folder_and_a_file_are_shown_without_a_cohort(cohort: Path, tmp_path: Path) -> None:
    folder = iso.show(tmp_path / "scans" / "images", into=tmp_path / "page.html")
    assert (folder.kind, folder.images) == ("folder", 8)
    one = iso.show(tmp_path / "scans" / "images" / "p1.png")
    assert (one.kind, one.items[0].shape) == ("image", [1, 20, 16])


@pytest.mark.parametrize(
    ("place", "into", "error", "words"),
    [
        ("nowhere", None, UsageError, "does not exist"),
        ("scans/list.csv", None, Unreadable, "ingest .*list.csv"),
        ("scans", "x.docx", UsageError, ".html or .png"),
    ],
)
def test_what_cannot_be_shown_is_told(
    cohort: Path, tmp_path: Path, place: str, into: str | None, error: type[IsocenterError], words: str
) -> None:
    with pytest.raises(error, match=words):
        iso.show(tmp_path / place, into=tmp_path / into if into else None)


def test_a_cohort_without_images_has_a_page_and_no_sheet(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("outcome,size\n" + "\n".join(f"{'ab'[n % 2]},{n * 1.5}" for n in range(30)))
    iso.ingest(tmp_path / "t.csv", into=tmp_path / "c", label="outcome")
    assert iso.show(tmp_path / "c", into=tmp_path / "page.html").cases == 30
    with pytest.raises(UsageError, match="holds no images"):
        iso.show(tmp_path / "c", into=tmp_path / "sheet.png")


def test_nothing_is_written_into_the_cohort_that_is_shown(cohort: Path, tmp_path: Path) -> None:
    def state() -> dict[Path, int]:
        return {one: one.stat().st_mtime_ns for one in cohort.rglob("*") if one.is_file() and "-" not in one.name}

    before = state()
    iso.show(cohort, into=tmp_path / "sheet.png")
    assert state() == before


def test_a_sheet_of_refused_images_only_is_refused(cohort: Path, tmp_path: Path) -> None:
    for one in (tmp_path / "scans" / "images").glob("p*.png"):
        one.unlink()
    with pytest.raises(Unreadable, match=r"the file is gone.*\.html"):
        iso.show(cohort, into=tmp_path / "sheet.png")
    assert not (tmp_path / "sheet.png").exists()


def test_a_mask_that_changed_unseen_is_not_drawn(cohort: Path, tmp_path: Path) -> None:
    place = tmp_path / "scans" / "masks" / "p3.png"
    Picture.fromarray(np.full((20, 16), 255, np.uint8)).save(place)
    summary = iso.show(cohort, into=tmp_path / "page.html")
    assert any("changed since it was catalogued" in one.reason for one in summary.refused)
    found = iso.open_cohort(cohort)
    pixels = iso.Pixels(found)
    values = [label.value for case in found.cases for label in case.labels if isinstance(label.value, MaskValue)]
    with pytest.raises(Unreadable, match="changed since"):
        pixels.mask(next(one for one in values if one.files[0].endswith("p3.png")))
    sound = next(one for one in values if one.files[0].endswith("p2.png"))
    first, again = pixels.mask(sound), pixels.mask(sound)
    assert isinstance(again.array, np.memmap)
    assert set(np.unique(again.array)) == {0, 1}
    np.testing.assert_array_equal(first.array, again.array)
    pixels.close()


def test_the_page_says_of_patients_and_splits_no_more_than_is_known(cohort: Path, tmp_path: Path) -> None:
    iso.show(cohort, into=tmp_path / "unknown.html", language="en")
    page = (tmp_path / "unknown.html").read_text(encoding="utf-8")
    assert "each case counts as a patient of its own" in page
    assert "All images of one patient are in the same split" not in page
    rows = [
        f"images/p{n}.png,{'clear' if n % 2 else 'ill'},P{n // 4},{'train' if n % 4 < 2 else 'test'}" for n in range(8)
    ]
    (tmp_path / "scans" / "list.csv").write_text("file,diagnosis,patient_id,split\n" + "\n".join(rows))
    iso.ingest(tmp_path / "scans", into=tmp_path / "parted", label="diagnosis")
    iso.show(tmp_path / "parted", into=tmp_path / "parted.html", language="en")
    assert "2 of 2 patients have images in more than one split" in (tmp_path / "parted.html").read_text(
        encoding="utf-8"
    )
