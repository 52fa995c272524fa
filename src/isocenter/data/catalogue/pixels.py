"""The pixels of a cohort: decoded once, then mapped from the cache, and never from a file that changed unseen."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from isocenter.core.cohort import Cohort
from isocenter.core.errors import Unreadable
from isocenter.core.image import Image, ImageFacts
from isocenter.core.labels import MaskValue
from isocenter.core.progress import Progress
from isocenter.data.catalogue.store import Catalogue, batches
from isocenter.data.files import read_facts
from isocenter.data.formats._shared import ReadOptions, guarded
from isocenter.data.mask_reading import read_mask_value
from isocenter.storage.cache import ArrayCache, image_from_cache, image_to_cache, key_of

CACHE = "cache"
CHUNK = 1024 * 1024


class Pixels:
    """Reads the images of one cohort.

    A key holds the content of the files, the part of them and the preparation, so that processes, folds and runs that
    ask for the same thing share one entry, and nobody is ever given the pixels of another file.
    """

    def __init__(self, cohort: Cohort) -> None:
        self._catalogue = Catalogue(cohort.folder)
        self._cache = ArrayCache(cohort.folder / CACHE)
        self._stamps = self._catalogue.file_stamps()
        self._digests = self._catalogue.digests()

    def close(self) -> None:
        """Let go of the catalogue."""
        self._catalogue.close()

    def image(
        self,
        facts: ImageFacts,
        *,
        options: ReadOptions | None = None,
        preparation: str = "",
        prepare: Callable[[Image], Image] = lambda image: image,
        keep: bool = True,
    ) -> Image:
        """The image, decoded and prepared, mapped from disk.

        Args:
            facts: which image.
            options: how to decode it.
            preparation: a text that names what `prepare` does, with its settings.
            prepare: applied once, before the array is kept.
            keep: whether the array is kept for the next time; without it nothing is written.
        """
        chosen = options or ReadOptions()
        about = (facts.part, facts.axes, *facts.channels, repr(chosen), preparation)
        return self._made(facts.files, about, lambda: prepare(read_facts(facts, chosen)), keep)

    def mask(self, value: MaskValue, *, keep: bool = True) -> Image:
        """A mask as a label map, mapped from disk; 0 is background, the classes follow from 1.

        Args:
            value: which mask.
            keep: whether the label map is kept for the next time; without it nothing is written.
        """
        about = ("mask", value.model_dump_json(exclude={"files"}))
        return self._made(value.files, about, lambda: read_mask_value(value), keep)

    def contents(self, paths: Iterable[str], progress: Progress) -> tuple[dict[str, str], dict[str, str]]:
        """The content hash of each file, and for the others the reason why they cannot be used; no pixel is decoded.

        A file that was hashed before is only asked for its size and time.
        """
        sound: list[str] = []
        troubles: dict[str, Unreadable] = {}
        for path in dict.fromkeys(paths):
            try:
                with guarded(path):
                    self._check(path)
                sound.append(path)
            except Unreadable as error:
                troubles[path] = error
        fresh = [path for path in sound if self._catalogue.stored(path) not in self._digests]
        if fresh:
            progress.start("Hashing files", len(fresh))
        for part in batches(fresh):
            troubles |= self._hash(part)
            progress.advance(len(part))
        known = {path: self._digests[self._catalogue.stored(path)] for path in sound if path not in troubles}
        return known, {path: error.reason for path, error in troubles.items()}

    def _made(self, files: Sequence[str], about: Sequence[str], make: Callable[[], Image], keep: bool) -> Image:
        """What is made of some files, from the cache where it was made before."""
        for path in files:
            self._check(path)
        if not keep:
            return make()
        key = key_of(*self._digests_of(files), *about)
        kept = image_from_cache(self._cache, key)
        return image_to_cache(self._cache, key, make()) if kept is None else kept

    def _check(self, path: str) -> None:
        """Make sure that a file is still the one that was catalogued."""
        place = Path(path)
        try:
            now = place.stat()
        except FileNotFoundError as error:
            raise Unreadable(
                path, why="the file is gone", remedy="Put it back, or run `isocenter ingest` again on its folder"
            ) from error
        stamp = self._stamps.get(path)
        if stamp is None or stamp[:2] != (now.st_size, now.st_mtime_ns):
            raise Unreadable(
                path, why="changed since it was catalogued", remedy="Run `isocenter ingest` again on its folder"
            )

    def _digests_of(self, files: Sequence[str]) -> list[str]:
        """The content hashes of files; those that are new are written down at once."""
        stored = {self._catalogue.stored(path): path for path in files}
        for error in self._hash([path for name, path in stored.items() if name not in self._digests]).values():
            raise error
        return [self._digests[name] for name in stored]

    def _hash(self, paths: Sequence[str]) -> dict[str, Unreadable]:
        """Hash files and write the hashes down at once; returns what went wrong with which."""
        found: dict[str, str] = {}
        troubles: dict[str, Unreadable] = {}
        for path in paths:
            try:
                with guarded(path):
                    found[self._catalogue.stored(path)] = file_digest(Path(path))
            except Unreadable as error:
                troubles[path] = error
        if found:
            self._catalogue.remember_digests(found)
            self._digests.update(found)
        return troubles


def file_digest(path: Path) -> str:
    """SHA-256 of a file's content."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
