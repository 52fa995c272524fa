"""Any file in, any file out: finds the format by content, describes headers, reads and writes pixels."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory

from isocenter.core import registry
from isocenter.core.errors import Unreadable, UsageError
from isocenter.core.image import Image, ImageFacts
from isocenter.core.progress import Progress, Silent
from isocenter.core.words import listed
from isocenter.data import formats
from isocenter.data.formats._shared import HEAD_BYTES, Collected, Described, Format, ReadOptions
from isocenter.storage.atomic import atomic_write, storage_errors


def shelf() -> dict[str, Format]:
    """Every format by name, in the order in which they are asked."""
    found = {name: registry.get(formats, name) for name in registry.names(formats)}
    return dict(sorted(found.items(), key=lambda item: (item[1].rank, item[0])))


def identify(path: Path, known: dict[str, Format] | None = None) -> str | None:
    """The name of the format that a file's content shows, or None where it is not an image or a table."""
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    if not head:
        raise Unreadable(f"{path}", why="is empty: it holds no byte", remedy="Copy it again")
    lower = path.name.lower()
    for name, form in (known or shelf()).items():
        if form.sniff(head, lower):
            return name
    return None


def describe(paths: Iterable[Path], progress: Progress | None = None) -> Described:
    """What the headers of files of any format say; a file of no known format is refused by name."""
    told = progress or Silent()
    known = shelf()
    by_format: dict[str, list[Path]] = defaultdict(list)
    collected = Collected()
    for path in paths:
        try:
            name = identify(path, known)
        except OSError as error:
            collected.refuse(path, f"cannot be opened ({error.strerror}).")
            continue
        except Unreadable as error:
            collected.refuse(path, error)
            continue
        if name is None:
            told.advance()
            collected.refuse(path, "not an image of a known format.")
        else:
            by_format[name].append(path)
    for name, members in by_format.items():
        found = known[name].describe(members)
        told.advance(len(members))
        collected.images.extend(found.images)
        collected.tables.extend(found.tables)
        collected.refused.extend(found.refused)
    return collected.done()


def read_facts(facts: ImageFacts, options: ReadOptions | None = None) -> Image:
    """The pixels of an image whose header is known."""
    image: Image = registry.get(formats, facts.format).read(facts, options or ReadOptions())
    return image


def read(path: str | Path, *, resample: bool = False, window: bool = False) -> list[Image]:
    """Every image of a file or folder.

    Args:
        path: a file of any known format, or a folder (of DICOM slices, say).
        resample: lay uneven, tilted or gappy slices onto a regular grid instead of refusing them.
        window: apply the file's own display window instead of keeping the measured values.
    """
    found = describe_place(Path(path))
    if not found.images:
        reasons = listed(sorted({one.reason for one in found.refused}), most=3)
        raise Unreadable(f"{path}", why=f"holds no image that can be read: {reasons}")
    options = ReadOptions(resample=resample, window=window)
    return [read_facts(facts, options) for facts in found.images]


def describe_place(place: Path) -> Described:
    """What the headers of a file, or of every file below a folder, say."""
    if not place.exists():
        raise UsageError(f"{place} does not exist", remedy="Check the spelling of the path")
    return describe(sorted(one for one in place.rglob("*") if one.is_file()) if place.is_dir() else [place])


def write(image: Image, path: str | Path) -> list[Path]:
    """Write an image in the format that the path's ending names; returns the files written.

    Each file is written under a name of its own first and then takes its place: a crash or a full disk leaves what
    was there before.
    """
    place = Path(path)
    form = writer_for(place)
    assert form.write is not None
    with storage_errors(place):
        place.parent.mkdir(parents=True, exist_ok=True)
        if form.writes_whole:
            return form.write(image, place)
        with TemporaryDirectory(prefix=".", suffix=".partial", dir=place.parent) as scratch:
            written = form.write(image, Path(scratch) / place.name)
            for file in reversed(written):  # the header comes last: it names the others
                with atomic_write(place.with_name(file.name)) as temporary:
                    file.replace(temporary)
    return [place.with_name(file.name) for file in written]


def has_writer(path: Path) -> bool:
    """Whether a file of this ending can be written."""
    return _writer(path) is not None


def writer_for(path: Path) -> Format:
    """The format that writes files of this ending."""
    form = _writer(path)
    if form is None:
        writers = [one for one in shelf().values() if one.write is not None]
        endings = sorted({suffix for one in writers for suffix in one.suffixes})
        raise UsageError(
            f"Nothing writes a file named {path.name}", remedy=f"Known endings: {listed(endings, most=40)}"
        )
    return form


def _writer(path: Path) -> Format | None:
    lower = path.name.lower()
    return next((one for one in shelf().values() if one.write is not None and lower.endswith(one.suffixes)), None)
