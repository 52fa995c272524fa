"""Folders and single files, read where they are."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from isocenter.core.cohort import Refusal
from isocenter.core.errors import Unreadable, UsageError
from isocenter.data.archives._shared import Archive, Errand, Fetched, located
from isocenter.data.unpacked import RECORD

COHORT = "cohort.toml"
"""The file that makes a folder a cohort; what lies in a cohort is never taken for a source."""

_JUNK_FILES = {
    ".ds_store": "is a note of the macOS Finder, not data",
    "thumbs.db": "is a picture cache of Windows, not data",
    "ehthumbs.db": "is a picture cache of Windows, not data",
    "desktop.ini": "is a folder setting of Windows, not data",
    "dicomdir": "is an index of other files, which are read themselves",
}
_JUNK_FOLDERS = {
    "__macosx": "holds notes of the macOS Finder, not data",
    "$recycle.bin": "is the recycle bin of Windows",
    "system volume information": "belongs to Windows",
    "lost+found": "belongs to the file system",
    "@eadir": "holds thumbnails of a network disk, not data",
}
_JUNCTION = 0xA0000003
"""What Windows writes on a folder that is a door to another one: `IO_REPARSE_TAG_MOUNT_POINT`."""

_PACKED = (".zip", ".tar", ".tgz", ".tar.gz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz", ".7z", ".rar")


class Found(NamedTuple):
    """A file as the folder lists it: its absolute path with forward slashes, its bytes, when it last changed."""

    path: str
    size: int
    mtime_ns: int


def walk(root: str | os.PathLike[str], refused: list[Refusal]) -> Iterator[Found]:
    """Every file below a folder, in the order of names; what is passed over is added to `refused` as it is met.

    Links are followed only to files inside the folder that are not listed already, such as those that a version
    control keeps in a hidden folder: every file has one path. Links to folders are never followed, so there are no
    loops.
    """
    top = Path(root).absolute().as_posix().rstrip("/")
    links = _Links(Path(root).resolve())
    pending = [top]
    while pending:
        folder = pending.pop()
        entries = _entries(folder or "/", refused)
        if folder != top and any(entry.name == COHORT for entry in entries):
            _refuse(refused, folder, "is a cohort that was made by Isocenter, not a source; left alone.")
            continue
        deeper = []
        for entry in entries:
            path = f"{folder}/{entry.name}"
            try:
                if _is_folder(entry, path, refused):
                    deeper.append(path)
                elif (found := _file(entry, path, links, refused)) is not None:
                    yield found
            except OSError as error:
                _refuse(refused, path, f"cannot be looked at ({error.strerror}).")
        pending.extend(reversed(deeper))


def _entries(folder: str, refused: list[Refusal]) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        _refuse(refused, folder, f"is a folder that cannot be opened ({error.strerror}). Change its permissions.")
        return []


def _is_folder(entry: os.DirEntry[str], path: str, refused: list[Refusal]) -> bool:
    """Whether to go down into it; a folder that is passed over is told."""
    if not entry.is_dir(follow_symlinks=False):
        return False
    reason = _folder_trouble(entry.name)
    if reason is None and getattr(entry.stat(follow_symlinks=False), "st_reparse_tag", 0) == _JUNCTION:
        reason = "is a junction to another folder; give the place itself as a source"
    if reason is None:
        return True
    _refuse(refused, path, f"{reason}.")
    return False


def _folder_trouble(name: str) -> str | None:
    """Why a folder of this name is passed over; None where it is not."""
    return _JUNK_FOLDERS.get(name.lower()) or ("is a hidden folder" if name.startswith(".") else None)


def _file(entry: os.DirEntry[str], path: str, links: _Links, refused: list[Refusal]) -> Found | None:
    """The file, or None where it is passed over, which is told."""
    if entry.is_dir(follow_symlinks=False) or entry.name == RECORD:
        return None
    reason = _why_not(entry, path, links)
    if reason:
        _refuse(refused, path, f"{reason}.")
        return None
    status = entry.stat()
    return Found(path, status.st_size, status.st_mtime_ns)


def _why_not(entry: os.DirEntry[str], path: str, links: _Links) -> str:
    """Why a file is passed over; empty where it is not."""
    if entry.is_symlink():
        return _name_trouble(entry.name) or links.trouble(path)
    if not entry.is_file(follow_symlinks=False):
        return "is a pipe, a socket or a device, not a file"
    return _name_trouble(entry.name)


def _name_trouble(name: str) -> str:
    """Why a file of this name is passed over; empty where it is not."""
    if not name.isascii() and not _is_text(name):
        return "has a name that is not valid text; rename it"
    lower = name.lower()
    if lower in _JUNK_FILES:
        return _JUNK_FILES[lower]
    if name.startswith("."):
        return "is a note of the macOS Finder, not data" if name.startswith("._") else "is a hidden file"
    if lower.endswith(_PACKED):
        return "is an archive inside a folder; ingest it by itself, or unpack it first"
    return ""


class _Links:
    """The links below a folder: each file is read under one path, or a patient would be there twice."""

    def __init__(self, real: Path) -> None:
        self.real = real
        self.followed: dict[Path, str] = {}

    def trouble(self, path: str) -> str:
        """Why a link is passed over; empty where it is followed."""
        try:
            target = Path(path).resolve(strict=True)
        except (OSError, RuntimeError):  # gone, or a circle of links
            return "is a link that leads nowhere"
        if not target.is_relative_to(self.real):
            return "is a link that leads out of the folder; give the place itself as a source"
        if target.is_dir():
            return "is a link to a folder that is read itself"
        place = target.relative_to(self.real)
        if self._is_listed(place):
            return f"is a link to {place.as_posix()}, which is read itself"
        first = self.followed.setdefault(target, path)
        return "" if first == path else f"is a link to the same file as {first}, which is read already"

    def _is_listed(self, place: Path) -> bool:
        """Whether a file below the folder is met under its own path too."""
        *folders, name = place.parts
        if name == RECORD or _name_trouble(name) or any(map(_folder_trouble, folders)):
            return False
        cohorts = [self.real.joinpath(*folders[: depth + 1], COHORT) for depth in range(len(folders))]
        return not any(cohort.is_file() for cohort in cohorts)


def _is_text(name: str) -> bool:
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _refuse(refused: list[Refusal], path: str, reason: str) -> None:
    readable = path.encode("utf-8", "backslashreplace").decode("utf-8")
    refused.append(Refusal(path=readable, reason=reason))


def _accepts(source: str) -> bool:
    return located(source).exists()


def _fetch(errand: Errand) -> Fetched:
    """The folder itself; for a single file its folder, with that file alone."""
    place = located(errand.source)
    if place.is_file():
        return Fetched(root=place.parent, copied=False, files=(place,))
    if not place.is_dir():
        raise Unreadable(f"{place}", why="is neither a folder nor a file")
    if (place / COHORT).is_file():
        raise UsageError(
            f"{place} is a cohort already, not a source of images",
            remedy=f"Look at it with `isocenter show {errand.source}`, or give the folder that holds the images",
        )
    return Fetched(root=place, copied=False)


ARCHIVE = Archive(title="Folder or file", accepts=_accepts, fetch=_fetch, rank=90)
