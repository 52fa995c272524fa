"""Zip files, checked and unpacked."""

from __future__ import annotations

import calendar
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from stat import S_IFMT, S_ISREG

from isocenter.core.errors import Unreadable
from isocenter.data.archives._shared import (
    Archive,
    Errand,
    Fetched,
    Member,
    decoded_name,
    located,
    readable_head,
    unpack,
)

_SIGNATURES = (b"PK\x03\x04", b"PK\x05\x06")
_ENCRYPTED = 0x1
_NAME_IS_UTF8 = 0x800
_UNIX = 3


def _accepts(source: str) -> bool:
    """A zip by its first bytes, or a file that calls itself one; not the documents that merely use zip inside."""
    path = located(source)
    if not path.is_file():
        return False
    if not readable_head(path, 4).startswith(_SIGNATURES):
        return path.suffix.lower() == ".zip"
    try:
        with zipfile.ZipFile(path) as file:
            return not _is_document(file.namelist())
    except (OSError, zipfile.BadZipFile, NotImplementedError, ValueError):
        return path.suffix.lower() not in {".npz", ".xlsx"}


def _is_document(names: Sequence[str]) -> bool:
    """Whether the members are the inside of one file (NumPy's npz, an office document) and not files of their own."""
    if {"[Content_Types].xml", "mimetype"} & set(names):
        return True
    return bool(names) and all(name.endswith(".npy") and "/" not in name for name in names)


@contextmanager
def _members(path: Path) -> Iterator[Sequence[Member]]:
    try:
        file = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, NotImplementedError, ValueError, EOFError) as error:
        head = readable_head(path, 4)
        why = "is cut short or damaged" if head.startswith(_SIGNATURES) else "is named like a zip file but is none"
        raise Unreadable(f"{path}", why=why, remedy="Copy or download it again") from error
    with file:
        yield [_member(file, info) for info in file.infolist() if not _is_folder(info)]


def _is_folder(info: zipfile.ZipInfo) -> bool:
    return not info.file_size and info.orig_filename.endswith(("/", "\\"))


def _member(file: zipfile.ZipFile, info: zipfile.ZipInfo) -> Member:
    return Member(
        name=_name(info),
        size=info.file_size,
        packed=info.compress_size,
        open=partial(file.open, info),
        time=_time(info),
        trouble=_trouble(info),
    )


def _time(info: zipfile.ZipInfo) -> float | None:
    """When it was last changed; taken for universal time, so that every machine understands the same."""
    try:
        return float(calendar.timegm((*info.date_time, 0, 0, 0)))
    except ValueError:
        return None


def _name(info: zipfile.ZipInfo) -> str:
    """The name in its own alphabet: many tools write it without saying in which."""
    if info.flag_bits & _NAME_IS_UTF8 or info.orig_filename.isascii():
        return info.orig_filename
    return decoded_name(info.orig_filename.encode("cp437")) or info.orig_filename


def _trouble(info: zipfile.ZipInfo) -> str:
    if info.flag_bits & _ENCRYPTED:
        return "is encrypted; unpack the archive with its password and ingest the folder"
    mode = info.external_attr >> 16 if info.create_system == _UNIX else 0
    if S_IFMT(mode) and not S_ISREG(mode):
        return "is a link or a device, not a file"
    return ""


def _fetch(errand: Errand) -> Fetched:
    return unpack(errand, _members)


ARCHIVE = Archive(title="Zip file", accepts=_accepts, fetch=_fetch, members=_members, rank=30)
