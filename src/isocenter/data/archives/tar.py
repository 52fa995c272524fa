"""Tar files, plain or compressed with gzip, bzip2 or xz, checked and unpacked."""

from __future__ import annotations

import bz2
import gzip
import lzma
import tarfile
import zlib
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import IO, Any, cast

from isocenter.core.errors import Unreadable
from isocenter.core.words import sized
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

MOST_HEADER_BYTES = 16 << 20
"""How much may stand between two files of an archive: long names and attributes, never megabytes of them."""

_COMPRESSIONS: dict[bytes, Callable[[Path], Any]] = {
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ\x00": lzma.open,
}
_SUFFIXES = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz", ".tbz2", ".tar.xz", ".txz")
_BLOCK = tarfile.BLOCKSIZE
_DAMAGE = (tarfile.TarError, OSError, EOFError, zlib.error, lzma.LZMAError, ValueError, OverflowError)


def _accepts(source: str) -> bool:
    """A tar by its first block, whatever it is compressed with, or a file that calls itself one."""
    path = located(source)
    if not path.is_file():
        return False
    if path.name.lower().endswith(_SUFFIXES):
        return True
    try:
        with _plain(path) as stream:
            block = stream.read(_BLOCK)
        tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
    except _DAMAGE:
        return False
    return True


def _plain(path: Path) -> IO[bytes]:
    """The archive's bytes without their compression."""
    head = readable_head(path, 6)
    for signature, opened in _COMPRESSIONS.items():
        if head.startswith(signature):
            return cast(IO[bytes], opened(path))
    return path.open("rb")


class _Watched:
    """The stream under a tar: remembers its end, and stops a header that claims to be endless."""

    def __init__(self, stream: IO[bytes]) -> None:
        self.stream = stream
        self.count = 0
        self.most: int | None = MOST_HEADER_BYTES
        self.recent: deque[bytes] = deque(maxlen=4)

    def read(self, size: int = -1) -> bytes:
        """The next bytes."""
        if self.most is not None and self.count > self.most:
            raise tarfile.ReadError(f"a header of more than {sized(MOST_HEADER_BYTES)}")
        chunk = self.stream.read(size)
        self.count += len(chunk)
        self.recent.append(chunk)
        return chunk

    def block(self, offset: int) -> bytes:
        """The block that begins at `offset`, where it was read lately."""
        tail = b"".join(self.recent)
        start = offset - (self.count - len(tail))
        return tail[start : start + _BLOCK] if start >= 0 else b""


@contextmanager
def _members(path: Path) -> Iterator[Iterator[Member]]:
    with _plain(path) as stream:
        watched = _Watched(stream)
        with _read_once(path, watched) as file:
            yield _walk(file, watched)


def _read_once(path: Path, watched: _Watched) -> tarfile.TarFile:
    """The archive as a stream, read from front to back: nothing is sought, nothing is decompressed twice."""
    try:
        return tarfile.open(fileobj=cast(IO[bytes], watched), mode="r|")
    except _DAMAGE as error:
        raise Unreadable(
            f"{path}", why="is cut short, damaged or no tar file", remedy="Copy or download it again"
        ) from error


def _walk(file: tarfile.TarFile, watched: _Watched) -> Iterator[Member]:
    """Every file of the archive, and a last word where it does not end as it should."""
    while True:
        try:
            info = file.next()
        except _DAMAGE as error:
            yield Member(name="", trouble=f"is cut short or damaged from here on ({error}); download it again")
            return
        if info is None:
            break
        cast(Any, file).members.clear()  # tarfile keeps every header otherwise: gigabytes, for a long archive
        size = max(info.size, 0)
        if not info.isdir():
            watched.most = None
            opened, time = partial(_opened, file, info), float(info.mtime)
            yield Member(name=_name(info.name), size=size, open=opened, time=time, trouble=_trouble(info))
        watched.most = max(watched.count, file.offset) + MOST_HEADER_BYTES
    if watched.block(file.offset) != bytes(_BLOCK):
        yield Member(name="", trouble="does not end with its end mark: it may be cut short; download it again")


def _opened(file: tarfile.TarFile, info: tarfile.TarInfo) -> IO[bytes]:
    return file.extractfile(info) or BytesIO()


def _name(name: str) -> str:
    """The name in its own alphabet: older archives do not say in which it is."""
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        raw = name.encode("utf-8", "surrogateescape")
        return decoded_name(raw) or raw.decode("latin-1")
    return name


def _trouble(info: tarfile.TarInfo) -> str:
    if info.issym() or info.islnk():
        return f"is a link to {info.linkname!r}, not a file"
    if info.issparse():
        return "is a sparse file; unpack the archive yourself and ingest the folder"
    return "" if info.isreg() else "is a device, not a file"


def _fetch(errand: Errand) -> Fetched:
    return unpack(errand, _members)


ARCHIVE = Archive(title="Tar file", accepts=_accepts, fetch=_fetch, members=_members, rank=40)
