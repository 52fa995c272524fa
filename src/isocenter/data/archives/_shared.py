"""What every archive offers, and the one careful way in which packed files are laid on the disk."""

from __future__ import annotations

import errno
import hashlib
import re
import tarfile
import unicodedata
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field
from lzma import LZMAError
from pathlib import Path
from typing import IO

from isocenter.core import registry
from isocenter.core.cohort import Refusal
from isocenter.core.errors import Unreadable
from isocenter.core.progress import Progress, Silent, tracked
from isocenter.core.words import counted, listed, sized
from isocenter.data.unpacked import home_name, refused_before, same_content, set_time, write_record
from isocenter.storage.atomic import atomic_write, make_folder, remove, require_free
from isocenter.storage.lock import locked

MOST_RATIO = 200
"""How many times its packed size a file may unpack to before it is taken for a decompression bomb."""

SMALL_MEMBER_BYTES = 100_000_000
"""A packed file up to this size is never taken for a bomb."""

SMALL_ARCHIVE_BYTES = 1_000_000_000
"""An archive that unpacks to no more than this is never taken for a bomb."""

MOST_MEMBERS = 2_000_000
"""How many files an archive may hold."""

_CHUNK_BYTES = 1 << 20
_LARGE_ENOUGH_TO_CHECK_THE_DISK = 1 << 20
_DISK_TROUBLE = {errno.ENOSPC, errno.EDQUOT, errno.EROFS}
_DAMAGE = (
    *(zipfile.BadZipFile, tarfile.TarError, zlib.error, LZMAError),
    *(EOFError, RuntimeError, ValueError, OverflowError, MemoryError),
)
_PACKED_HEADS = (b"PK\x03\x04", b"\x1f\x8b", b"BZh", b"\xfd7zXZ\x00")


@dataclass(frozen=True, slots=True, kw_only=True)
class Errand:
    """What is to be fetched.

    Attributes:
        source: as the user typed it: a path, or the name of a public collection such as `medmnist:breastmnist`.
        into: where copies may be put; a source whose files can stay where they are leaves it alone.
        mirror: another address to download from, for those who cannot reach the public one.
    """

    source: str
    into: Path
    progress: Progress = field(default_factory=Silent)
    mirror: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """Where the files of a source now lie.

    Attributes:
        root: the folder that holds them.
        copied: whether they were put there by us; the user's own files are never touched.
        refused: what could not be taken, and why.
        files: only these, where the source is a file and not a folder.
        notes: what a person should know of it, such as the licence of a public collection.
    """

    root: Path
    copied: bool
    refused: tuple[Refusal, ...] = ()
    files: tuple[Path, ...] | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One packed file.

    Attributes:
        name: as the archive spells it; empty where the trouble is the archive's own.
        size: bytes that it unpacks to.
        packed: bytes that it takes in the archive, where that can be told.
        open: its bytes.
        time: when it was last changed, in seconds since 1970; None where the archive does not say.
        trouble: why it cannot be taken; empty where it can.
    """

    name: str
    size: int = 0
    packed: int | None = None
    open: Callable[[], IO[bytes]] | None = None
    time: float | None = None
    trouble: str = ""


Opener = Callable[[Path], AbstractContextManager[Iterable[Member]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Archive:
    """One kind of place that images come from.

    Attributes:
        title: as people call it.
        accepts: whether a source, as typed, is of this kind. It decides by content wherever there is some.
        fetch: see to it that the files lie in a folder, and say in which. Raises `IsocenterError`.
        members: the files of a packed archive; None where nothing is packed.
        prefix: how a source of this kind begins that is not a path, such as `medmnist:`; empty for paths.
        rank: archives are asked in ascending order.
    """

    title: str
    accepts: Callable[[str], bool]
    fetch: Callable[[Errand], Fetched]
    members: Opener | None = None
    prefix: str = ""
    rank: int = 50


def located(source: str) -> Path:
    """The path that a source names, absolute and without links: the same file has one path, however it is given."""
    path = Path(source).expanduser().absolute()
    try:
        return path.resolve()
    except (OSError, RuntimeError):  # links in a circle lead nowhere, which whoever opens it will say
        return path


def plain_name(path: Path) -> str:
    """A packed file's name without its endings."""
    return re.sub(r"(?i)(\.tar)?(\.(zip|tar|tgz|tbz2?|txz|gz|bz2|xz))?$", "", path.name) or path.name


def decoded_name(raw: bytes) -> str | None:
    """A name whose alphabet nobody wrote down: UTF-8, or the Chinese of older systems; None where it is neither."""
    for encoding in ("utf-8", "gb2312"):
        try:
            return raw.decode(encoding)
        except UnicodeDecodeError:
            continue
    return None


def readable_head(path: Path, count: int) -> bytes:
    """The first bytes of a file; none where it is no file or may not be read, which `fetch` then says."""
    try:
        with path.open("rb") as file:
            return file.read(count)
    except OSError:
        return b""


def unpack(errand: Errand, opened: Opener) -> Fetched:
    """Lay the files of an archive into a folder of its own; one that lies there whole is used again.

    The folder is named after the archive's path, so that an archive that has grown fills the same folder anew and
    none of its files is there twice. The same content under another path is known by its record.
    """
    archive = located(errand.source)
    digest = _digest(archive)
    into = make_folder(errand.into.absolute())
    named = into / home_name(archive, plain_name(archive))
    with locked(into / ".unpacking.lock", f"the files of {archive.name}", progress=errand.progress):
        home = named if named.exists() else same_content(into, digest) or named
        refused = refused_before(home, digest)
        if refused is None:
            refused = _lay_out(archive, home, opened, errand.progress, digest)
        else:
            errand.progress.say(f"{archive.name} was unpacked before; its files in {home} are used.")
    lead = archive.as_posix()
    told = tuple(Refusal(path=f"{lead}/{name}" if name else lead, reason=reason) for name, reason in refused)
    return Fetched(root=home, copied=True, refused=told)


def _digest(archive: Path) -> str:
    try:
        with archive.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise Unreadable(
            f"{archive}", why=f"cannot be opened ({error.strerror})", remedy="Check that it exists and may be read"
        ) from error


def _lay_out(archive: Path, home: Path, opened: Opener, progress: Progress, digest: str) -> list[tuple[str, str]]:
    """Fill a folder beside `home` and give it its name when it is whole: a crash leaves nothing half done."""
    for leftover in home.parent.glob(f".{home.name}.*"):
        remove(leftover)
    before = home.with_name(f".{home.name}.before.partial")
    with atomic_write(home) as temporary:
        temporary.mkdir()
        work = _Unpacking(archive, temporary, progress)
        work.run(opened)
        if not work.files:
            reasons = listed([reason for reason, _ in Counter(reason for _, reason in work.refused).most_common(3)])
            raise Unreadable(f"{archive}", why=f"holds no file that can be taken. {reasons}".strip())
        write_record(temporary, archive.name, digest, work.refused)
        if home.exists():
            home.replace(before)
    remove(before)
    return work.refused


class _Hopeless(Unreadable):
    """Not one member but the whole archive is refused."""


class _Unpacking:
    """One archive on its way to the disk."""

    def __init__(self, archive: Path, home: Path, progress: Progress) -> None:
        self.archive = archive
        self.home = home
        self.progress = progress
        self.most_bytes = max(SMALL_ARCHIVE_BYTES, MOST_RATIO * archive.stat().st_size)
        self.files = 0
        self.bytes = 0
        self.refused: list[tuple[str, str]] = []

    def run(self, opened: Opener) -> None:
        """Unpack the archive, and then the archives in it."""
        packed = self._unpack(self.archive, opened, self.home, "")
        openers = _openers() if packed else []
        for path in packed:
            opened_so = next((opener for accepts, opener in openers if accepts(str(path))), None)
            if opened_so is not None:
                self._unpack_inner(path, opened_so)

    def _unpack_inner(self, path: Path, opened: Opener) -> None:
        """An archive in the archive becomes a folder beside it; those still deeper stay packed."""
        name = path.relative_to(self.home).as_posix()
        folder = path.with_name(plain_name(path))
        if folder.exists():
            folder = path.with_name(f"{path.name}.unpacked")
        files, size = self.files, self.bytes
        try:
            self._unpack(path, opened, folder, f"{name}/")
            self.progress.say(f"{self.archive.name} held another archive, {name}; it was unpacked too.")
        except Unreadable as error:
            self.refused.append((name, error.reason))
            self.files, self.bytes = files, size
            remove(folder)
        self.files -= 1
        remove(path)

    def _unpack(self, archive: Path, opened: Opener, folder: Path, lead: str) -> list[Path]:
        """Write every member that can be taken; returns those that look packed themselves."""
        seen: dict[str, str] = {}
        packed = []
        with opened(archive) as members:
            total = len(members) if isinstance(members, Sequence) else None
            if isinstance(members, Sequence):
                self._check_whole(members)
            for member in tracked(members, self.progress, f"Unpacking {archive.name}", total):
                try:
                    place = folder.joinpath(*_parts(member, seen))
                    if self._write(member, place):
                        packed.append(place)
                except _Hopeless:
                    raise
                except Unreadable as error:
                    self.refused.append((lead + _printable(member.name), error.reason))
        return packed

    def _check_whole(self, members: Sequence[Member]) -> None:
        """What the table of contents announces must fit, before anything is written."""
        if len(members) > MOST_MEMBERS:
            raise self._too_many()
        announced = sum(member.size for member in members if not member.trouble and not _inflated(member))
        self._check_bytes(announced)
        require_free(self.home, announced, what=f"Unpacking {self.archive.name}")

    def _check_bytes(self, more: int) -> None:
        if self.bytes + more > self.most_bytes:
            raise _Hopeless(
                f"{self.archive}",
                why=f"{sized(self.archive.stat().st_size)} would unpack to more than {sized(self.most_bytes)}, "
                "which is how a decompression bomb looks",
                remedy="If it is sound, unpack it yourself and ingest the folder",
            )

    def _too_many(self) -> _Hopeless:
        return _Hopeless(
            f"{self.archive}",
            why=f"holds more than {counted(MOST_MEMBERS, 'file')}",
            remedy="Unpack it yourself and ingest the folder",
        )

    def _write(self, member: Member, place: Path) -> bool:
        """Write one file; returns whether it looks like an archive itself."""
        self._check_bytes(member.size)
        if self.files >= MOST_MEMBERS:
            raise self._too_many()
        if member.size > _LARGE_ENOUGH_TO_CHECK_THE_DISK:
            require_free(self.home, member.size, what=f"Unpacking {self.archive.name}")
        try:
            head = _copy(member, place)
        except (OSError, *_DAMAGE) as error:
            if isinstance(error, OSError) and error.errno in _DISK_TROUBLE:
                raise
            if not isinstance(error, FileExistsError | NotADirectoryError):
                with suppress(OSError):  # a name that is too long cannot even be looked for
                    remove(place)
            strerror = error.strerror if isinstance(error, OSError) else ""
            text = strerror or " ".join(str(error).split())[:200] or type(error).__name__
            raise Unreadable(member.name, why=f"cannot be unpacked ({text})") from error
        self.files += 1
        self.bytes += member.size
        return head.startswith(_PACKED_HEADS) or head[257:262] == b"ustar"


def _parts(member: Member, seen: dict[str, str]) -> tuple[str, ...]:
    """Where a member may be put below the folder, or why it may not."""
    trouble = member.trouble or _inflated(member) or _unsafe(member.name)
    if trouble:
        raise Unreadable(member.name, why=trouble)
    parts = tuple(part for part in member.name.replace("\\", "/").split("/") if part not in ("", "."))
    spelled = "/".join(parts)
    key = unicodedata.normalize("NFC", spelled).casefold()
    known = seen.get(key)
    if known is not None:
        same = "is there twice" if known == spelled else f"differs from {known} only in upper and lower case"
        raise Unreadable(member.name, why=f"{same}; the first is kept")
    seen[key] = spelled
    return parts


def _unsafe(name: str) -> str:
    """Why a name must not be followed; empty where it may."""
    slashed = name.replace("\\", "/")
    if not slashed.strip("/."):
        return "has no name"
    if not name.isprintable():
        return "has a name with characters that cannot be written; rename it and pack again"
    if slashed.startswith("/") or re.match(r"[A-Za-z]:", slashed):
        return "has an absolute path and would be written outside the folder"
    if ".." in slashed.split("/"):
        return "has a path with `..` and would be written outside the folder"
    return ""


def _inflated(member: Member) -> str:
    """Why a member is taken for a decompression bomb; empty where it is not."""
    if member.packed is None or member.size <= max(SMALL_MEMBER_BYTES, MOST_RATIO * member.packed):
        return ""
    return (
        f"{sized(member.packed)} would unpack to {sized(member.size)}, which is how a decompression bomb looks; "
        "if it is sound, unpack it yourself and ingest the folder"
    )


def _copy(member: Member, place: Path) -> bytes:
    """Write a member's bytes to a new file with the member's time; returns the first of them."""
    assert member.open is not None
    place.parent.mkdir(parents=True, exist_ok=True)
    checksum = 0
    with member.open() as stream, place.open("xb") as file:
        head = chunk = stream.read(_CHUNK_BYTES)
        while chunk:
            file.write(chunk)
            checksum = zlib.crc32(chunk, checksum)
            chunk = stream.read(_CHUNK_BYTES)
    set_time(place, member.time, checksum)
    return head[:512]


def _openers() -> list[tuple[Callable[[str], bool], Opener]]:
    """How each kind of packed archive is recognised and opened."""
    from isocenter.data import archives  # the shelf that this file lies on

    known: list[Archive] = [registry.get(archives, name) for name in registry.names(archives)]
    return [(one.accepts, one.members) for one in known if one.members is not None]


def _printable(name: str) -> str:
    return name if name.isprintable() else name.encode("unicode_escape").decode("ascii")
