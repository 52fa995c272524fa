"""Looks at what is new in a source: describes fresh files, remembers the rest, and hands layouts the whole picture."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from pathlib import Path

from isocenter.core.cohort import Refusal
from isocenter.core.image import ImageFacts
from isocenter.core.progress import Progress
from isocenter.data.archives._shared import Fetched
from isocenter.data.fetch import listing as list_found
from isocenter.data.files import describe
from isocenter.data.formats._shared import Collected
from isocenter.data.layouts._shared import Survey

DOCUMENT_SUFFIXES = (".json", ".xml", ".yaml", ".yml", ".txt", ".md", ".toml", ".html", ".pdf", ".rst", ".cfg", ".log")
Stamps = Mapping[str, tuple[int, int, str]]
"""Path to size, time of the last change and state, as the catalogue remembers them."""

PASSED = "passed"
"""State of what was met and passed over: a link, a locked folder, somebody's junk."""

DOCUMENT_NAMES = {"license", "readme", "changes", "citation", "notice"}


@dataclass(frozen=True, kw_only=True)
class Listing:
    """The files of a source as the disk shows them now.

    Attributes:
        root: the folder below which they lie.
        files: absolute path to size and time of last change.
        walked: folders that were listed whole, so that a file missing there is gone.
        refused: what could not even be listed.
        notes: what a person should know of the sources, such as the licence of a collection.
    """

    root: str
    files: Mapping[str, tuple[int, int]]
    walked: tuple[str, ...] = ()
    refused: tuple[Refusal, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Memory:
    """What the catalogue knows already: how files looked, and the images they hold."""

    stamps: Stamps = field(default_factory=dict)
    images: Mapping[str, ImageFacts] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Sighting:
    """What a look at a source found.

    Attributes:
        survey: the whole picture, old and new.
        fresh: images that are new or were described again.
        forgotten: keys of images whose files now hold something else.
        refused: files that could not be read.
        added, changed, gone: paths.
    """

    survey: Survey
    fresh: tuple[ImageFacts, ...]
    forgotten: tuple[str, ...]
    refused: tuple[Refusal, ...]
    added: frozenset[str]
    changed: frozenset[str]
    gone: frozenset[str]


@dataclass(frozen=True, kw_only=True)
class Difference:
    """How a listing differs from what is remembered of the same folder."""

    added: frozenset[str]
    changed: frozenset[str]
    gone: frozenset[str]

    def __bool__(self) -> bool:
        return bool(self.added or self.changed or self.gone)


def list_files(sources: Sequence[Fetched], progress: Progress) -> Listing:
    """The files of all sources, below the folder that they have in common."""
    files: dict[str, tuple[int, int]] = {}
    refused: list[Refusal] = []
    progress.start("Looking for files", None)
    for source in sources:
        refused.extend(source.refused)
        for found in list_found(source, refused):
            files[found.path] = (found.size, found.mtime_ns)
            progress.advance()
    roots = [source.root.absolute().as_posix() for source in sources]
    root = roots[0] if len(roots) == 1 else os.path.commonpath(roots)
    notes = tuple(note for source in sources for note in source.notes)
    walked = tuple(
        f"{place.rstrip('/')}/" for place, source in zip(roots, sources, strict=True) if source.files is None
    )
    return Listing(root=root, files=files, walked=walked, refused=tuple(refused), notes=notes)


def difference(listing: Listing, stamps: Stamps) -> Difference:
    """Which files are new, changed, or no longer there."""
    added: list[str] = []
    changed: list[str] = []
    for path, (size, time) in listing.files.items():
        known = stamps.get(path)
        if known is None:
            added.append(path)
        elif known[0] != size or known[1] != time or known[2] in ("gone", PASSED):
            changed.append(path)
    gone = [
        path
        for path, known in stamps.items()
        if path not in listing.files and known[2] not in ("gone", PASSED) and path.startswith(listing.walked)
    ]
    return Difference(added=frozenset(added), changed=frozenset(changed), gone=frozenset(gone))


def moved(listing: Listing, stamps: Stamps, found: Difference) -> dict[str, str]:
    """Old path to new path of files that were only moved: same name, size and time, and nothing is left behind.

    A folder that was renamed would else be taken for new patients, and one picture could train and judge at once.
    """
    arrived: dict[tuple[str, int, int], list[str]] = defaultdict(list)
    for path in found.added:
        arrived[(path.rsplit("/", 1)[-1], *listing.files[path])].append(path)
    left: dict[str, list[str]] = defaultdict(list)
    for path, (size, time, state) in stamps.items():
        fitting = arrived.get((path.rsplit("/", 1)[-1], size, time), ())
        if fitting and state not in ("gone", PASSED) and path not in listing.files and not Path(path).exists():
            left[min(fitting, key=lambda one: (-_shared_tail(one, path), one))].append(path)
    return {old[0]: new for new, old in left.items() if len(old) == 1}


def _shared_tail(one: str, other: str) -> int:
    """How many parts of two paths are the same, counted from the file."""
    pairs = zip(reversed(one.split("/")), reversed(other.split("/")), strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


def look(listing: Listing, memory: Memory, found: Difference, progress: Progress) -> Sighting:
    """Describe what is new, take the rest from memory."""
    stale = found.added | found.changed | found.gone
    kept, touched = _sort_out(memory, stale, listing)
    tables = [path for path in listing.files if memory.stamps.get(path, (0, 0, ""))[2] == "table" and path not in stale]
    fresh = sorted(found.added | found.changed)
    described = _describe([*fresh, *tables], progress)
    again = _reopened(described.images, memory, touched)
    if again:
        paths = {path for image in again.values() for path in image.files if _is_there(path, listing, found)}
        paths |= {path for image in described.images if image.group for path in image.files}
        described.images = [image for image in described.images if not image.group]
        described.images += _describe(sorted(paths), progress).images
        kept = {key: image for key, image in kept.items() if key not in again}
    _refuse_doubles(described)
    new_keys = {image.key for image in described.images}
    replaced = {key for key, image in touched.items() if not found.changed.isdisjoint(image.files)} | set(again)
    survey = Survey(
        root=listing.root,
        images=tuple(_in_order([*kept.values(), *described.images])),
        tables=tuple(described.tables),
        documents=tuple(path for path in sorted(listing.files) if _is_document(path)),
        sources=tuple(place.rstrip("/") for place in listing.walked),
    )
    return Sighting(
        survey=survey,
        fresh=tuple(described.images),
        forgotten=tuple(sorted(replaced - new_keys)),
        refused=(*listing.refused, *described.refused),
        added=found.added,
        changed=found.changed,
        gone=found.gone,
    )


def _is_there(path: str, listing: Listing, found: Difference) -> bool:
    """Whether a remembered file can still be read; one of another source is asked for on the disk."""
    return path in listing.files or (path not in found.gone and Path(path).is_file())


def _refuse_doubles(described: Collected) -> None:
    """Two images that cannot be told apart would overwrite one another: the second is named and left out."""
    seen: dict[str, ImageFacts] = {}
    for image in described.images:
        first = seen.setdefault(image.key, image)
        if first is not image:
            described.refuse(image.files[0], f"cannot be told from {first.files[0]}: both carry the same identity.")
    described.images = list(seen.values())


def _sort_out(
    memory: Memory, stale: frozenset[str], listing: Listing
) -> tuple[dict[str, ImageFacts], dict[str, ImageFacts]]:
    """Remembered images of this source: those whose files are as they were, and those with a stale file."""
    kept: dict[str, ImageFacts] = {}
    touched: dict[str, ImageFacts] = {}
    for key, image in memory.images.items():
        if any(path in stale for path in image.files):
            touched[key] = image
        elif all(path in listing.files for path in image.files):
            kept[key] = image
    return kept, touched


def _reopened(
    described: Sequence[ImageFacts], memory: Memory, touched: Mapping[str, ImageFacts]
) -> dict[str, ImageFacts]:
    """Remembered images that must be described again with their new neighbours, as when slices join a series.

    All of a series is looked at, whichever sources its slices came from: a part of it must not replace the whole.
    """
    groups = {image.group for image in (*described, *touched.values()) if image.group}
    return {key: image for key, image in memory.images.items() if image.group in groups} if groups else {}


def _describe(paths: Sequence[str], progress: Progress) -> Collected:
    """Describe files that may be images or tables; documents are left to the layouts."""
    collected = Collected()
    progress.start("Reading headers", len(paths))
    sniffable = [Path(path) for path in paths if not _is_plain_document(path)]
    progress.advance(len(paths) - len(sniffable))
    found = describe(sniffable, progress)
    collected.images.extend(found.images)
    collected.tables.extend(found.tables)
    collected.refused.extend(one for one in found.refused if not _is_document(one.path))
    return collected


def _in_order(images: list[ImageFacts]) -> list[ImageFacts]:
    return sorted(images, key=lambda image: (image.files[0] if image.files else "", image.part))


def _is_document(path: str) -> bool:
    name = path.rsplit("/", 1)[-1].lower()
    return name.endswith(DOCUMENT_SUFFIXES) or name in DOCUMENT_NAMES


def _is_plain_document(path: str) -> bool:
    """Documents that need not be sniffed; a .txt file may be a table of numbers."""
    return _is_document(path) and not path.lower().endswith(".txt")
