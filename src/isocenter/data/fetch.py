"""Any source in, a folder of files out: finds what kind of place the images come from, and has them brought."""

from __future__ import annotations

import re
from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path

from isocenter.core import registry
from isocenter.core.cohort import Refusal
from isocenter.core.errors import IsocenterError, UsageError
from isocenter.core.progress import Progress, Silent
from isocenter.data import archives
from isocenter.data.archives._shared import Archive, Errand, Fetched, located
from isocenter.data.archives.folder import Found, walk

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):")
"""How a source begins that is not a path; one letter before the colon is a Windows drive."""


def shelf() -> dict[str, Archive]:
    """Every archive by name, in the order in which they are asked."""
    found = {name: registry.get(archives, name) for name in registry.names(archives)}
    return dict(sorted(found.items(), key=lambda item: (item[1].rank, item[0])))


def fetch(source: str | Path, into: Path, progress: Progress | None = None, *, mirror: str | None = None) -> Fetched:
    """See to it that the files of a source lie in a folder, and say in which.

    Args:
        source: a folder, a file, a zip or tar file, or a public collection such as `medmnist:breastmnist`.
        into: where copies may be put; a source whose files can stay where they are leaves it alone.
        progress: is told how far it is.
        mirror: another address to download public collections from.
    """
    errand = Errand(source=str(source), into=into, progress=progress or Silent(), mirror=mirror)
    return archive_for(errand.source).fetch(errand)


def archive_for(source: str) -> Archive:
    """What kind of place a source is; one that is nowhere is refused before anything is made for it."""
    known = shelf()
    for archive in known.values():
        if archive.accepts(source):
            return archive
    raise _nowhere(source, known)


def listing(fetched: Fetched, refused: list[Refusal]) -> Iterator[Found]:
    """The files that were fetched; what is passed over is added to `refused` as it is met."""
    if fetched.files is None:
        yield from walk(fetched.root, refused)
        return
    for path in fetched.files:
        status = path.stat()
        yield Found(path.as_posix(), status.st_size, status.st_mtime_ns)


def _nowhere(source: str, known: dict[str, Archive]) -> IsocenterError:
    """What to say of a source that nobody accepts."""
    scheme = _SCHEME.match(source)
    if scheme and scheme[1].lower() in {"http", "https", "ftp", "s3"}:
        return UsageError(
            f"{source} is an address", why="sources are files", remedy="Download it and give the file or folder"
        )
    if scheme:
        prefixes = [archive.prefix.removesuffix(":") for archive in known.values() if archive.prefix]
        return registry.unknown("source", scheme[1], prefixes)
    place = located(source)
    near = get_close_matches(place.name, _neighbours(place), n=1)
    guess = f"Did you mean {place.parent / near[0]}?" if near else "Check the spelling of the path"
    return UsageError(f"{source} does not exist", remedy=guess)


def _neighbours(place: Path) -> list[str]:
    try:
        return [one.name for one in place.parent.iterdir()]
    except OSError:
        return []  # no folder, no near names
