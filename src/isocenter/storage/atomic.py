"""Files that are either whole or not there, and disk troubles told in one sentence."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from isocenter.core.errors import StorageProblem
from isocenter.core.words import sized

_ENDING = ".partial"

_CAUSES = {
    errno.ENOSPC: ("the disk is full", "Free some space and run the same command again"),
    errno.EDQUOT: ("the disk quota is used up", "Free some space and run the same command again"),
    errno.EROFS: ("the disk is mounted read-only", "Choose a folder on another disk"),
    errno.EACCES: ("this user may not write there", "Choose another folder or change its permissions"),
    errno.EPERM: ("this user may not write there", "Choose another folder or change its permissions"),
    errno.ENOTDIR: ("a part of the path is a file, not a folder", "Choose another folder"),
}


@contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Turn what the operating system says of a disk into a message with a remedy."""
    try:
        yield
    except OSError as error:
        if error.errno not in _CAUSES:
            raise
        why, remedy = _CAUSES[error.errno]
        raise StorageProblem(f"{path} cannot be written", why=why, remedy=remedy) from error


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """A temporary path beside `path`; what is written there takes its place when the block ends well.

    The temporary path may be used for a file or for a folder. Nothing is left behind when the block fails.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}{_ENDING}")
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield temporary
            if temporary.is_file():
                _flush(temporary)
            temporary.replace(path)
        finally:
            remove(temporary)


def write_text(path: Path, text: str) -> None:
    """Write a small text file at once."""
    with atomic_write(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def make_folder(path: Path) -> Path:
    """Make a folder that can be written to, or say why it cannot."""
    with storage_errors(path):
        path.mkdir(parents=True, exist_ok=True)
        if not os.access(path, os.W_OK):
            raise PermissionError(errno.EACCES, "not writable", str(path))
    return path


def free_bytes(path: Path) -> int:
    """Free space on the disk that holds, or will hold, `path`."""
    place = path.absolute()
    while not place.exists():
        place = place.parent
    return shutil.disk_usage(place).free


def require_free(path: Path, needed: int, *, what: str) -> None:
    """Refuse before writing what would fill the disk; a tenth of a gigabyte stays free."""
    free = free_bytes(path) - 100_000_000
    if needed > free:
        raise StorageProblem(
            f"{what} needs {sized(needed)} at {path}",
            why=f"only {sized(max(free, 0))} are free",
            remedy="Free some space or choose a folder on another disk",
        )


def remove(path: Path) -> None:
    """Remove a file or folder that may not be there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def sweep(folder: Path) -> int:
    """Remove what crashed writers left behind; returns how many leftovers there were."""
    leftovers = list(folder.rglob(f".*{_ENDING}"))
    for leftover in leftovers:
        remove(leftover)
    return len(leftovers)


def _flush(path: Path) -> None:
    """Ask the disk to really hold the bytes before the name points to them."""
    handle = os.open(path, os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
