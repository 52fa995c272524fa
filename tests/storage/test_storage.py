"""Files that are whole or not there, one writer at a time, arrays that survive a crash."""

from __future__ import annotations

import errno
import multiprocessing
import os
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock

from isocenter.core.errors import StorageProblem
from isocenter.core.geometry import Geometry
from isocenter.core.image import Image, Intensity, Origin
from isocenter.storage import atomic
from isocenter.storage.atomic import atomic_write, make_folder, require_free, storage_errors, sweep, write_text
from isocenter.storage.cache import ArrayCache, image_from_cache, image_to_cache, key_of
from isocenter.storage.lock import is_held, locked


class Heard:
    """A progress that remembers what was said."""

    def __init__(self) -> None:
        self.messages: list[str] = []

    def start(self, what: str, total: int | None = None) -> None: ...

    def advance(self, steps: int = 1) -> None: ...

    def say(self, message: str) -> None:
        self.messages.append(message)


def test_a_file_appears_whole_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    write_text(tmp_path / "deep" / "note.txt", "first")
    write_text(tmp_path / "deep" / "note.txt", "second")
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["note.txt"]
    assert (tmp_path / "deep" / "note.txt").read_text() == "second"


def test_a_writer_that_fails_keeps_the_old_file(tmp_path: Path) -> None:
    write_text(tmp_path / "note.txt", "old")
    with pytest.raises(RuntimeError, match="torn"), atomic_write(tmp_path / "note.txt") as temporary:
        temporary.write_text("half")
        raise RuntimeError("torn")
    assert (tmp_path / "note.txt").read_text() == "old"
    assert len(list(tmp_path.iterdir())) == 1


def test_a_folder_can_be_written_at_once(tmp_path: Path) -> None:
    with atomic_write(tmp_path / "series") as temporary:
        temporary.mkdir()
        (temporary / "1.dcm").write_bytes(b"x")
    assert (tmp_path / "series" / "1.dcm").is_file()


@pytest.mark.parametrize(
    ("code", "words"),
    [(errno.ENOSPC, "disk is full"), (errno.EROFS, "read-only"), (errno.EACCES, "may not write")],
)
def test_disk_troubles_are_told_with_a_remedy(tmp_path: Path, code: int, words: str) -> None:
    with pytest.raises(StorageProblem, match=words) as caught, storage_errors(tmp_path):
        raise OSError(code, os.strerror(code))
    assert caught.value.remedy


def test_other_system_errors_are_not_disguised(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="argument"), storage_errors(tmp_path):
        raise OSError(errno.EINVAL, "argument")


def test_a_disk_too_small_is_refused_before_writing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(atomic, "free_bytes", lambda path: 150_000_000)
    require_free(tmp_path, 10_000_000, what="It")
    with pytest.raises(StorageProblem, match="only 50.0 MB are free"):
        require_free(tmp_path / "not" / "there", 60_000_000, what="It")


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(StorageProblem, match="may not write"):
        make_folder(tmp_path / "closed")


def test_what_a_crashed_writer_left_is_swept(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / ".x.npy.12-ab.partial").write_bytes(b"half")
    (tmp_path / "a" / "kept.npy").write_bytes(b"whole")
    assert sweep(tmp_path) == 1
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["kept.npy"]


def _hold(path: Path, ready: str, release: str) -> None:
    with locked(path, "the cohort"):
        Path(ready).touch()
        while not Path(release).exists():
            pass


def test_the_second_writer_waits_and_is_told_for_whom(tmp_path: Path) -> None:
    ready, release = tmp_path / "ready", tmp_path / "release"
    other = multiprocessing.get_context("spawn").Process(
        target=_hold, args=(tmp_path / "lock", str(ready), str(release))
    )
    other.start()
    try:
        while not ready.exists():
            assert other.is_alive()
        heard = Heard()
        with (
            pytest.raises(StorageProblem, match=f"process {other.pid} has held it"),
            locked(tmp_path / "lock", "the cohort", progress=heard, wait=0.05),
        ):
            raise AssertionError("the lock was given twice")
        assert f"Process {other.pid} is writing the cohort" in heard.messages[0]
    finally:
        release.touch()
        other.join()
    with locked(tmp_path / "lock", "the cohort", wait=0):
        pass


def test_a_holder_that_has_not_said_its_name_is_another_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with locked(tmp_path / "lock", "the cohort"):
        (tmp_path / "lock.owner").write_text("")
        monkeypatch.setattr(Path, "is_file", lambda path: True)  # as it was a moment before it went
        for _ in range(2):
            with (
                pytest.raises(StorageProblem, match="another process has held it"),
                locked(tmp_path / "lock", "the cohort", wait=0.01),
            ):
                raise AssertionError("the lock was given twice")
            (tmp_path / "lock.owner").unlink(missing_ok=True)


def test_a_note_that_cannot_be_written_is_told_and_the_lock_is_free(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, *_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_text", full)
        with pytest.raises(StorageProblem, match="disk is full"), locked(tmp_path / "lock", "the cohort"):
            raise AssertionError("nobody could be told who holds it")
    with locked(tmp_path / "lock", "the cohort", wait=0):
        pass


def test_a_lock_is_held_as_long_as_its_block_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "lock"
    assert not is_held(path)
    assert not path.exists()
    with locked(path, "the cohort"):
        assert is_held(path)
        assert is_held(path), "asking must not take it away"
    assert not is_held(path)
    with locked(path, "the cohort", wait=0):
        pass
    monkeypatch.setattr(FileLock, "acquire", _denied)
    assert not is_held(path)


def _denied(*_: object, **__: object) -> None:
    raise PermissionError(errno.EACCES, "Permission denied")


def test_a_lock_held_by_a_killed_process_is_free(tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    other = multiprocessing.get_context("spawn").Process(
        target=_hold, args=(tmp_path / "lock", str(ready), str(tmp_path / "never"))
    )
    other.start()
    while not ready.exists():
        assert other.is_alive()
    other.kill()
    other.join()
    with locked(tmp_path / "lock", "the cohort", wait=0):
        assert True


def test_an_array_is_kept_and_mapped_after(tmp_path: Path) -> None:
    cache = ArrayCache(tmp_path)
    assert cache.get(key_of("a")) is None
    first = cache.put(key_of("a"), np.arange(6).reshape(2, 3))
    second = cache.get(key_of("a"))
    assert isinstance(second, np.memmap)
    np.testing.assert_array_equal(first, second)
    with pytest.raises(ValueError, match="read-only"):
        second[0, 0] = 9


def test_an_entry_cut_short_is_made_again(tmp_path: Path) -> None:
    cache, key = ArrayCache(tmp_path), key_of("a")
    cache.put(key, np.arange(1000))
    path = cache.path(key)
    path.write_bytes(path.read_bytes()[:200])
    assert cache.get(key) is None
    assert not path.exists()
    np.testing.assert_array_equal(cache.put(key, np.arange(1000)), np.arange(1000))


def test_keys_do_not_run_into_one_another() -> None:
    assert key_of("ab", "c") != key_of("a", "bc")


def _write_many(folder: Path) -> None:
    cache = ArrayCache(folder)
    for number in range(40):
        cache.put(key_of(str(number)), np.full(500, number))


def test_two_writers_of_the_same_entries_leave_whole_ones(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_write_many, args=(tmp_path,)) for _ in range(2)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
        assert writer.exitcode == 0
    cache = ArrayCache(tmp_path)
    for number in range(40):
        np.testing.assert_array_equal(cache.get(key_of(str(number))), np.full(500, number))
    assert sweep(tmp_path) == 0


def test_an_image_comes_back_with_all_that_is_known_of_it(tmp_path: Path) -> None:
    image = Image(
        array=np.arange(24, dtype=np.int16).reshape(1, 2, 3, 4),
        axes="CZYX",
        geometry=Geometry.from_parts(origin=(1, 2, 3), spacing=(0.5, 0.6, 2), direction=np.eye(3)),
        intensity=Intensity.HU,
        modality="CT",
        notes=("told",),
        classes={1: "liver"},
        origin=Origin(format="dicom", files=("a", "b"), uids={"study": "1.2"}, slices=(("1.2.3", 1), ("1.2.4", 1))),
    )
    cache = ArrayCache(tmp_path)
    assert image_from_cache(cache, key_of("x")) is None
    image_to_cache(cache, key_of("x"), image)
    kept = image_from_cache(cache, key_of("x"))
    assert kept is not None
    np.testing.assert_array_equal(kept.array, image.array)
    assert kept.geometry == image.geometry
    assert (kept.intensity, kept.modality, kept.notes, kept.classes) == (image.intensity, "CT", ("told",), {1: "liver"})
    assert kept.origin == image.origin
