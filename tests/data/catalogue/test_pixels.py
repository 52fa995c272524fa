"""The pixels of a cohort: hashes are written down at once, and what is not to be kept leaves no trace."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import isocenter as iso
from isocenter.core.errors import Unreadable
from isocenter.core.image import ImageFacts
from isocenter.core.progress import Silent
from isocenter.data.catalogue import pixels as module
from isocenter.data.catalogue.store import Catalogue


@pytest.fixture
def series(tmp_path: Path) -> tuple[Path, ImageFacts]:
    """A cohort of one volume whose slices are files of their own."""
    array = np.arange(5 * 6 * 7, dtype=np.int16).reshape(1, 5, 6, 7)
    geometry = iso.Geometry.from_parts(origin=(0, 0, 0), spacing=(1, 1, 2), direction=np.eye(3))
    iso.write(iso.Image(array=array, axes="CZYX", geometry=geometry, modality="MR"), tmp_path / "scans" / "series.dcm")
    cohort = iso.ingest(tmp_path / "scans", into=tmp_path / "cohort")
    return tmp_path / "cohort", next(iter(cohort.cases[0].images.values()))


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many hashes each call wrote down."""
    counts: list[int] = []
    real = Catalogue.remember_digests

    def counted(catalogue: Catalogue, digests: dict[str, str]) -> None:
        counts.append(len(digests))
        real(catalogue, digests)

    monkeypatch.setattr(Catalogue, "remember_digests", counted)
    return counts


def test_the_hashes_of_one_image_are_written_down_at_once(series: tuple[Path, ImageFacts], written: list[int]) -> None:
    folder, facts = series
    for _ in range(2):
        pixels = iso.Pixels(iso.open_cohort(folder))
        assert pixels.image(facts).size == (7, 6, 5)
        pixels.close()
    assert written == [5]


def test_an_image_that_is_not_kept_leaves_no_trace(series: tuple[Path, ImageFacts], written: list[int]) -> None:
    folder, facts = series
    pixels = iso.Pixels(iso.open_cohort(folder))
    assert pixels.image(facts, keep=False).size == (7, 6, 5)
    assert not (folder / "cache").exists()
    assert written == []
    Path(facts.files[2]).write_bytes(b"another")
    with pytest.raises(Unreadable, match="changed since"):
        pixels.image(facts, keep=False)
    pixels.close()


def test_contents_are_hashed_once_and_files_that_changed_are_named(
    series: tuple[Path, ImageFacts], written: list[int]
) -> None:
    folder, facts = series
    pixels = iso.Pixels(iso.open_cohort(folder))
    known, troubles = pixels.contents([*facts.files, *facts.files], Silent())
    assert (list(known), troubles, written) == (list(facts.files), {}, [5])
    Path(facts.files[1]).unlink()
    Path(facts.files[3]).write_bytes(b"another")
    fewer, troubles = pixels.contents(facts.files, Silent())
    assert fewer == {path: known[path] for path in facts.files if path not in troubles}
    assert "is gone" in troubles[facts.files[1]]
    assert "changed since" in troubles[facts.files[3]]
    assert written == [5]
    pixels.close()


def test_a_file_that_cannot_be_hashed_is_no_crash(
    series: tuple[Path, ImageFacts], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, facts = series

    def broken(path: Path) -> str:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(module, "file_digest", broken)
    pixels = iso.Pixels(iso.open_cohort(folder))
    known, troubles = pixels.contents(facts.files, Silent())
    assert known == {}
    assert all("Input/output error" in reason for reason in troubles.values())
    with pytest.raises(Unreadable, match="Input/output error"):
        pixels.image(facts)
    pixels.close()
