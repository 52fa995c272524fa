"""Prepared cases: decoded once, shared, whole after a crash, and no more work than what is new when a cohort grows."""

from __future__ import annotations

import errno
import shutil
import tracemalloc
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image as Picture

import isocenter as iso
from isocenter.core.case import Case
from isocenter.core.cohort import Cohort
from isocenter.core.errors import StorageProblem, UsageError
from isocenter.core.recipe import InputRecipe
from isocenter.data import arrays
from isocenter.data.arrays import FOLDER, PreparedCases, prepared_cases
from isocenter.data.catalogue.pixels import CACHE
from isocenter.data.formats import array as form
from isocenter.data.phantoms import write_pictures
from isocenter.pathway.preparation import Preparation

SIZE = 16


class Counting:
    """A preparation that counts how often it was asked, and can refuse."""

    def __init__(self, *, dark_only: bool = False) -> None:
        self.asked = 0
        self.dark_only = dark_only

    def __call__(self, channels: Mapping[str, iso.Image]) -> NDArray[np.uint8]:
        self.asked += 1
        array = next(iter(channels.values())).array
        if self.dark_only and array.max() > 250:
            raise UsageError("The image is too bright", remedy="Close the curtains")
        return 255 - array


def prepared(cohort: Cohort, cases: list[Case], preparation: Counting, key: str = "negative") -> PreparedCases:
    return prepared_cases(cohort, cases, preparation, key=key, shape=(1, SIZE, SIZE), dtype="uint8")


def by_hand(cases: tuple[Case, ...]) -> NDArray[np.uint8]:
    """What must come out."""
    return np.stack([255 - iso.read(case.first.files[0])[0].array for case in cases])


def row_files(cohort: Cohort) -> list[Path]:
    return sorted((cohort.folder / CACHE / FOLDER).rglob("*.rows"))


@pytest.fixture
def cohort(tmp_path: Path) -> Cohort:
    """Twelve pictures in two classes."""
    write_pictures(tmp_path / "scans", cases=12, size=SIZE)
    return iso.ingest(tmp_path / "scans", into=tmp_path / "cohort")


def test_every_case_is_prepared_once_and_mapped_afterwards(cohort: Cohort) -> None:
    cases, work = list(cohort.cases), Counting()
    first = prepared(cohort, cases, work)
    again = prepared(iso.open_cohort(cohort.folder), cases, work)
    assert work.asked == 12
    assert first.cases == again.cases == tuple(cases)
    assert not first.refused
    assert isinstance(again.array, np.memmap)
    assert not again.array.flags.writeable
    np.testing.assert_array_equal(again.array, by_hand(again.cases))
    assert first.array.dtype == np.uint8


def test_another_preparation_has_arrays_of_its_own(cohort: Cohort) -> None:
    cases, work = list(cohort.cases), Counting()
    prepared(cohort, cases, work)
    prepared(cohort, cases, work, key="another")
    assert work.asked == 24


def test_the_order_is_the_callers_and_parts_of_what_is_there_cost_nothing(cohort: Cohort) -> None:
    cases, work = list(cohort.cases), Counting()
    prepared(cohort, cases, work)
    for wanted in (cases[3:9], cases[::-1], cases[::3]):
        found = prepared(cohort, wanted, work)
        assert found.cases == tuple(wanted)
        np.testing.assert_array_equal(found.array, by_hand(found.cases))
    assert work.asked == 12


def test_a_cohort_that_grows_costs_what_is_new(cohort: Cohort, tmp_path: Path) -> None:
    work = Counting()
    before = prepared(cohort, list(cohort.cases), work)
    mapped = before.array.copy()
    write_pictures(tmp_path / "more", cases=3, size=SIZE, seed=9)
    for number, path in enumerate(sorted((tmp_path / "more").rglob("*.png"))):
        shutil.copy(path, tmp_path / "scans" / path.parent.name / f"00001-{number}.png")
    grown = iso.ingest(tmp_path / "scans", into=cohort.folder)
    cases = list(grown.cases)
    after = prepared(grown, cases, work)
    assert (len(after.cases), work.asked) == (15, 15)
    np.testing.assert_array_equal(after.array, by_hand(after.cases))
    assert len(row_files(grown)) == 1  # the smaller file, whose rows are all in the larger one, is gone
    np.testing.assert_array_equal(before.array, mapped)  # and still there for whoever had it mapped


def test_a_case_that_cannot_be_prepared_is_left_out_with_its_reason(cohort: Cohort, tmp_path: Path) -> None:
    cases = list(cohort.cases)
    gone, changed, bright = (Path(case.first.files[0]) for case in (cases[0], cases[5], cases[7]))
    Picture.fromarray(np.full((SIZE, SIZE), 255, np.uint8)).save(bright)
    cohort = iso.ingest(tmp_path / "scans", into=cohort.folder)
    cases = list(cohort.cases)
    gone.unlink()
    changed.write_bytes(changed.read_bytes() + b" ")
    found = prepared(cohort, cases, Counting(dark_only=True))
    reasons = {cases[0].key: "is gone", cases[5].key: "changed since", cases[7].key: "too bright"}
    assert all(text in found.refused[key] for key, text in reasons.items())
    assert found.cases == tuple(case for case in cases if case.key not in found.refused)
    np.testing.assert_array_equal(found.array, by_hand(found.cases))
    again = Counting(dark_only=True)
    assert prepared(cohort, cases, again).refused == found.refused
    assert again.asked == len(found.refused) - 2  # only what was refused is tried again


def test_without_images_there_is_nothing_to_prepare(cohort: Cohort) -> None:
    bare = Case(key="bare", patient="somebody")
    found = prepared(cohort, [bare], Counting())
    assert found.array.shape == (0, 1, SIZE, SIZE)
    assert "no image" in found.refused["bare"]
    assert prepared(cohort, [], Counting()).cases == ()


def test_equal_files_share_a_row(cohort: Cohort, tmp_path: Path) -> None:
    twin = sorted((tmp_path / "scans" / "round").iterdir())[0]
    shutil.copy(twin, twin.with_name("99999.png"))
    cohort = iso.ingest(tmp_path / "scans", into=cohort.folder)
    work = Counting()
    found = prepared(cohort, list(cohort.cases), work)
    assert (work.asked, len(found.cases)) == (12, 13)
    np.testing.assert_array_equal(found.array, by_hand(found.cases))


def test_a_crash_leaves_no_half_entry(cohort: Cohort) -> None:
    cases = list(cohort.cases)

    def crash(channels: Mapping[str, iso.Image]) -> NDArray[np.uint8]:
        if work.asked == 5:
            raise KeyboardInterrupt
        return work(channels)

    work = Counting()
    with pytest.raises(KeyboardInterrupt):
        prepared_cases(cohort, cases, crash, key="negative", shape=(1, SIZE, SIZE), dtype="uint8")
    folder = next((cohort.folder / CACHE / FOLDER).iterdir())
    assert [path.name for path in folder.iterdir()] == [".lock"]
    (folder / ".killed.partial").mkdir()
    prepared(cohort, cases, Counting())
    assert not (folder / ".killed.partial").exists()
    rows = row_files(cohort)[0]
    rows.write_bytes(rows.read_bytes()[:-1])  # cut short by a full disk
    work = Counting()
    found = prepared(cohort, cases, work)
    assert work.asked == 12
    np.testing.assert_array_equal(found.array, by_hand(found.cases))


def test_what_another_process_removes_meanwhile_is_made_again(cohort: Cohort, monkeypatch: pytest.MonkeyPatch) -> None:
    cases, work = list(cohort.cases), Counting()
    prepared(cohort, cases, work)
    real = arrays._Store.held

    def removed(store: arrays._Store) -> dict[Path, list[str]]:
        found = real(store)
        monkeypatch.setattr(arrays._Store, "held", real)
        shutil.rmtree(store.folder)
        return found

    monkeypatch.setattr(arrays._Store, "held", removed)
    np.testing.assert_array_equal(prepared(cohort, cases, work).array, by_hand(tuple(cases)))
    assert work.asked == 24


def test_the_disk_is_asked_before_anything_is_decoded(cohort: Cohort, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("isocenter.storage.atomic.free_bytes", lambda path: 100_000_000)
    work = Counting()
    with pytest.raises(StorageProblem, match="prepared images needs"):
        prepared(cohort, list(cohort.cases), work)
    assert work.asked == 0


def test_a_disk_that_fills_up_is_told_in_a_sentence(cohort: Cohort, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(arrays._Work, "_write", full)
    with pytest.raises(StorageProblem, match="the disk is full"):
        prepared(cohort, list(cohort.cases), Counting())


def test_a_preparation_keeps_its_word(cohort: Cohort) -> None:
    with pytest.raises(ValueError, match="a prepared case must be"):
        prepared_cases(cohort, list(cohort.cases), Counting(), key="", shape=(1, 2, 2), dtype="uint8")


def test_memory_stays_flat(cohort: Cohort) -> None:
    """Each prepared case is large here, so that keeping more than a few of them would show."""
    cases = list(cohort.cases)
    large = (1, 512, 512)

    def enlarged(channels: Mapping[str, iso.Image]) -> NDArray[np.float32]:
        return np.full(large, next(iter(channels.values())).array.mean(), np.float32)

    prepared_cases(cohort, cases[:2], enlarged, key="warm", shape=large, dtype="float32")
    tracemalloc.start()
    try:
        found = prepared_cases(cohort, cases, enlarged, key="large", shape=large, dtype="float32")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert found.array.nbytes == 12 * 2**20
    assert peak < 4 * 2**20


def test_images_of_one_archive_are_read_array_by_array(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    content = {
        f"{split}_{kind}": rng.integers(0, 2, 12)
        if kind == "labels"
        else rng.integers(0, 255, (12, SIZE, SIZE), np.uint8)
        for split in ("train", "val", "test")
        for kind in ("images", "labels")
    }
    np.savez_compressed(tmp_path / "many.npz", **content)
    cohort = iso.ingest(tmp_path / "many.npz", into=tmp_path / "cohort")
    cases = list(cohort.cases)
    order = np.random.default_rng(1).permutation(len(cases))
    form._loaded.cache_clear()
    found = prepared(cohort, [cases[place] for place in order], Counting())
    assert form._loaded.cache_info().misses == 3
    assert [case.key for case in found.cases] == [cases[place].key for place in order]
    for row, case in zip(found.array, found.cases, strict=True):
        name, _, number = case.first.part.partition("/")
        np.testing.assert_array_equal(row[0], 255 - content[name][int(number)])


@pytest.mark.needs_shared
def test_real_images_come_out_as_the_preparation_makes_them(
    shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cohort = iso.ingest(shared / "medmnist" / "breastmnist.npz", into=tmp_path / "cohort")
    cases = list(cohort.cases)
    wanted = InputRecipe(channels=("intensity",), shape=(28, 28), stored="uint8", mean=(0.0,), deviation=(1.0,))
    preparation = Preparation((), wanted)

    def made() -> PreparedCases:
        return prepared_cases(
            cohort,
            cases,
            lambda channels: preparation.apply(channels).array,
            key=preparation.key,
            shape=(1, 28, 28),
            dtype="uint8",
        )

    first = made()
    with closing(iso.Pixels(cohort)) as pixels:
        hand = [
            preparation.apply({name: pixels.image(facts, keep=False) for name, facts in case.images.items()}).array
            for case in cases
        ]
    assert first.array.tobytes() == np.stack(hand).tobytes()

    def undecoded(*_: object, **__: object) -> iso.Image:
        raise AssertionError("nothing is decoded a second time")

    monkeypatch.setattr(iso.Pixels, "image", undecoded)
    again = made()
    assert again.cases == tuple(cases)
    np.testing.assert_array_equal(again.array, first.array)
