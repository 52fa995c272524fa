"""Prepared cases on disk: each decoded and prepared once, then mapped by every run, fold and process that asks.

For each preparation there is a folder in the cohort's cache, and in it one file of rows (a prepared case after the
other, plain numbers) for each list of cases that was asked for, with the names of the rows beside it. A name is the
hash of the files' content and of what the catalogue says of them, so rows are found again whatever the case is called
or wherever its files were moved.

Files are written once and never changed, so a mapped one stays as it is while others write. A cohort that has grown
costs the decoding of what is new: the other rows are copied, which a disk does in no time, and the file that they
came from is removed once nothing is in it alone. That is simpler, and faster to read in any order, than files that
are added to, and it keeps one array for a list of cases, which a file for each case would not.

The images are not cached before they are prepared: another preparation is rare, and whole CTs fill a disk. They are
read one at a time: decoders silence warnings for the whole process and share what they have unpacked, so threads would
have to wait for one another, or err.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass
from math import prod
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isocenter.core.case import Case
from isocenter.core.cohort import Cohort
from isocenter.core.errors import Unreadable, UsageError
from isocenter.core.image import Image, ImageFacts
from isocenter.core.optional import version
from isocenter.core.progress import Progress, Silent, tracked
from isocenter.data.catalogue.pixels import CACHE, Pixels
from isocenter.storage.atomic import atomic_write, remove, require_free, storage_errors, sweep, write_text
from isocenter.storage.cache import key_of
from isocenter.storage.lock import locked

FOLDER = "prepared"
LOCK = ".lock"
_DAY = 86_400.0
_ROWS, _NAMES = ".rows", ".txt"

_Place = tuple[Path, int]
Preparation = Callable[[Mapping[str, Image]], NDArray[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedCases:
    """Cases with their prepared arrays.

    Attributes:
        array: one prepared case after the other, mapped from disk and not writable.
        cases: those that could be prepared, in the order in which they were asked for; row n belongs to case n.
        refused: key of each other case, and why.
    """

    array: NDArray[Any]
    cases: tuple[Case, ...]
    refused: Mapping[str, str]


def prepared_cases(
    cohort: Cohort,
    cases: Sequence[Case],
    preparation: Preparation,
    *,
    key: str,
    shape: tuple[int, ...],
    dtype: str,
    progress: Progress | None = None,
) -> PreparedCases:
    """Every case decoded and prepared, from the cache where that was done before.

    Args:
        cohort: whose cases they are; the arrays lie in its cache folder.
        cases: which, in the order that the array shall have.
        preparation: channel name to image in, array out; the same images must always give the same array. What it
            refuses (`UsageError`) is left out with its reason, like a file that cannot be read.
        key: a text that names the preparation with all its settings.
        shape: of one prepared case.
        dtype: of the numbers.
        progress: told of each case that has to be decoded.
    """
    told = progress or Silent()
    # Another release may read the same file otherwise: it begins anew rather than mix what two of them have made.
    folder = cohort.folder / CACHE / FOLDER / key_of(version("isocenter") or "", key, repr(shape), dtype)
    store = _Store(folder, shape, np.dtype(dtype))
    with closing(Pixels(cohort)) as pixels:
        names, refused = _named(pixels, cases, told)
        array = store.find(list(names.values()))
        if array is None:
            work = _Work(store, pixels, preparation, told)
            held = locked(folder / LOCK, f"the prepared images of {cohort.folder}", progress=told, wait=_DAY)
            with held, storage_errors(folder):
                array, failed = work.done([case for case in cases if case.key in names], names)
            refused |= failed
    return PreparedCases(array=array, cases=tuple(case for case in cases if case.key not in refused), refused=refused)


def _named(pixels: Pixels, cases: Sequence[Case], progress: Progress) -> tuple[dict[str, str], dict[str, str]]:
    """Case key to the name of its row, for cases whose files are as they were catalogued; of the others the reason."""
    paths = [path for case in cases for image in case.images.values() for path in image.files]
    digests, troubles = pixels.contents(paths, progress)
    names: dict[str, str] = {}
    refused: dict[str, str] = {}
    for case in cases:
        trouble = next((troubles[one] for image in case.images.values() for one in image.files if one in troubles), "")
        if trouble or not case.images:
            refused[case.key] = trouble or "It has no image."
        else:
            parts = [part for name, facts in case.images.items() for part in (name, *_said(facts, digests))]
            names[case.key] = key_of(*parts)
    return names, refused


def _said(facts: ImageFacts, digests: Mapping[str, str]) -> tuple[str, ...]:
    """What the pixels and the geometry of an image depend on."""
    known = (facts.format, facts.part, facts.axes, facts.shape, facts.affine, facts.spacing, facts.times)
    return repr((*known, facts.intensity, facts.channels, facts.modality)), *(digests[path] for path in facts.files)


@dataclass(frozen=True, slots=True)
class _Store:
    """The files of one preparation."""

    folder: Path
    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    @property
    def row_bytes(self) -> int:
        """What one prepared case takes."""
        return prod(self.shape) * self.dtype.itemsize

    def held(self) -> dict[Path, list[str]]:
        """Each file of rows that is whole, with the names of its rows."""
        found: dict[Path, list[str]] = {}
        for listing in sorted(self.folder.glob(f"*{_NAMES}")):
            rows = listing.with_suffix(_ROWS)
            with suppress(FileNotFoundError):  # another process may just be putting a larger one in its place
                names = listing.read_text(encoding="ascii").split()
                if rows.stat().st_size == len(names) * self.row_bytes:
                    found[rows] = names
        return found

    def find(self, names: Sequence[str]) -> NDArray[Any] | None:
        """The rows of these names in this order, where some file has them so."""
        if not names:
            return np.empty((0, *self.shape), self.dtype)
        for path, held in self.held().items():
            start = held.index(names[0]) if names[0] in held else len(held)
            if held[start : start + len(names)] == names:
                with suppress(FileNotFoundError):
                    return self.mapped(path, len(held))[start : start + len(names)]
        return None

    def mapped(self, path: Path, count: int) -> NDArray[Any]:
        """All rows of a file, which take no memory until they are looked at."""
        return np.memmap(path, dtype=self.dtype, mode="r", shape=(count, *self.shape))

    def keep(self, rows: Path, names: Sequence[str]) -> None:
        """Put a finished file of rows in its place, then its names; remove files that hold nothing else."""
        place = self.folder / f"{key_of(*names)}{_ROWS}"
        with atomic_write(place) as temporary:
            rows.replace(temporary)
        write_text(place.with_suffix(_NAMES), "\n".join(names))
        contained = set(names)
        held = self.held()
        for other in self.folder.glob(f"*{_ROWS}"):
            if other != place and contained.issuperset(held.get(other, ())):
                with suppress(OSError):  # Windows keeps a file that some process has mapped; the next one removes it
                    other.unlink()
                    remove(other.with_suffix(_NAMES))


@dataclass(frozen=True, slots=True)
class _Work:
    """The making of rows that are not there yet, with the folder locked."""

    store: _Store
    pixels: Pixels
    preparation: Preparation
    progress: Progress

    def done(self, cases: Sequence[Case], names: Mapping[str, str]) -> tuple[NDArray[Any], dict[str, str]]:
        """The rows of the cases, and the cases that were refused, with the reason."""
        store, wanted = self.store, [names[case.key] for case in cases]
        sweep(store.folder)
        known = _places(store.held())
        fresh = _in_reading_order({names[case.key]: case for case in cases if names[case.key] not in known})
        # What is fetched from several files, or read in another order than asked for, is written a second time.
        copied = len(wanted) if list(fresh) != wanted else 0
        require_free(store.folder, (len(fresh) + copied) * store.row_bytes, what="The cache of prepared images")
        with TemporaryDirectory(prefix=".", suffix=".partial", dir=store.folder) as scratch:
            rows = Path(scratch) / "rows"
            failed = self._make(rows, fresh)
            kept = [name for name in wanted if name not in failed]
            array = store.find(kept)
            if array is None:
                made = [name for name in fresh if name not in failed]
                if made != kept:
                    rows = self._gathered(rows, made, known, kept)
                store.keep(rows, kept)
                array = store.find(kept)
        assert array is not None, "what was just kept is there: the folder is locked"
        return array, {case.key: failed[names[case.key]] for case in cases if names[case.key] in failed}

    def _make(self, path: Path, fresh: Mapping[str, Case]) -> dict[str, str]:
        """Write the row of each case that can be prepared; returns why the others cannot."""
        failed: dict[str, str] = {}
        with path.open("wb") as file:
            for name, case in tracked(fresh.items(), self.progress, "Preparing images", len(fresh)):
                try:
                    images = {channel: self.pixels.image(facts, keep=False) for channel, facts in case.images.items()}
                    array = self.preparation(images)
                except Unreadable as error:
                    failed[name] = error.reason
                except UsageError as error:
                    failed[name] = str(error)
                else:
                    self._write(file, array)
        return failed

    def _write(self, file: Any, array: NDArray[Any]) -> None:
        if array.shape != self.store.shape or array.dtype != self.store.dtype:
            raise ValueError(
                f"a prepared case must be {self.store.shape} of {self.store.dtype}, got {array.shape} of {array.dtype}"
            )
        file.write(np.ascontiguousarray(array).data)

    def _gathered(self, rows: Path, made: Sequence[str], known: Mapping[str, _Place], wanted: Sequence[str]) -> Path:
        """A file of the wanted rows in their order, some of them just made, some known before."""
        places = {**known, **_places({rows: made})}
        path, size = rows.with_name("gathered"), self.store.row_bytes
        with ExitStack() as stack, path.open("wb") as file:
            # Read, not mapped: mapped rows would count as this process's memory once they were touched.
            sources = {place: stack.enter_context(place.open("rb")) for place in {places[one][0] for one in wanted}}
            for name in wanted:
                source, row = sources[places[name][0]], places[name][1]
                source.seek(row * size)
                file.write(source.read(size))
        return path


def _places(held: Mapping[Path, Sequence[str]]) -> dict[str, _Place]:
    """Row name to the file and the row where it lies."""
    return {name: (path, row) for path, names in held.items() for row, name in enumerate(names)}


def _in_reading_order(cases: Mapping[str, Case]) -> dict[str, Case]:
    """Cases that lie in one part of one file side by side: an archive unpacks the array that it was last asked for."""
    together: dict[tuple[str, str], list[str]] = defaultdict(list)
    for name, case in cases.items():
        together[case.first.files[0], case.first.part.rpartition("/")[0]].append(name)
    return {name: cases[name] for names in together.values() for name in names}
