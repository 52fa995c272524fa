"""One writer at a time: the second waits, and is told for whom."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from isocenter.core.errors import StorageProblem
from isocenter.core.progress import Progress, Silent
from isocenter.storage.atomic import storage_errors

DEFAULT_WAIT_SECONDS = 600.0


@contextmanager
def locked(path: Path, what: str, *, progress: Progress | None = None, wait: float | None = None) -> Iterator[None]:
    """Hold the lock file at `path` while the block runs; it is released by the system if the process dies.

    Args:
        path: the lock file; it stays there, empty of meaning, when nobody holds it.
        what: what is being protected, for the message: "the cohort at scans".
        progress: is told when another process has to be waited for.
        wait: seconds to wait for the other before giving up; ten minutes unless given.
    """
    lock = FileLock(path, thread_local=False)
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            _wait(lock, what, progress or Silent(), DEFAULT_WAIT_SECONDS if wait is None else wait)
    owner = path.with_suffix(".owner")
    try:
        with storage_errors(owner):
            owner.write_text(str(os.getpid()), encoding="utf-8")
        yield
    finally:
        with suppress(OSError):  # a note that stays is overwritten by the next owner; the lock is what counts
            owner.unlink(missing_ok=True)
        lock.release()


def is_held(path: Path) -> bool:
    """Whether somebody holds the lock file at `path` now; one that cannot be opened is held by nobody we know of."""
    if not path.is_file():
        return False
    lock = FileLock(path, thread_local=False)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return True
    except OSError:
        return False
    lock.release()
    return False


def _wait(lock: FileLock, what: str, progress: Progress, wait: float) -> None:
    holder = _holder(Path(lock.lock_file).with_suffix(".owner"))
    progress.say(f"{holder.capitalize()} is writing {what}; waiting for it to finish.")
    try:
        lock.acquire(timeout=wait)
    except Timeout as error:
        raise StorageProblem(
            f"{what.capitalize()} cannot be written now",
            why=f"{holder} has held it for more than {wait:.0f} s",
            remedy="Wait for it to finish and run the same command again; nothing was changed",
        ) from error


def _holder(owner: Path) -> str:
    """Who holds the lock, as far as it has said so yet; the note may vanish at any moment."""
    try:
        number = owner.read_text(encoding="utf-8").strip()
    except OSError:
        number = ""
    return f"process {number}" if number else "another process"
