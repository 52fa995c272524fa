"""The pixels of a cohort: decoded once, then mapped from the cache, and never from a file that changed unseen."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

from isocenter.core.cohort import Cohort
from isocenter.core.errors import Unreadable
from isocenter.core.image import Image, ImageFacts
from isocenter.data.catalogue.store import Catalogue
from isocenter.data.files import read_facts
from isocenter.data.formats._shared import ReadOptions
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
    ) -> Image:
        """The image, decoded and prepared, mapped from disk.

        Args:
            facts: which image.
            options: how to decode it.
            preparation: a text that names what `prepare` does, with its settings.
            prepare: applied once, before the array is kept.
        """
        chosen = options or ReadOptions()
        digests = [self._digest(path) for path in facts.files]
        key = key_of(*digests, facts.part, repr(chosen), preparation)
        kept = image_from_cache(self._cache, key)
        if kept is not None:
            return kept
        return image_to_cache(self._cache, key, prepare(read_facts(facts, chosen)))

    def _digest(self, path: str) -> str:
        """The content hash of a file, after making sure that it is still the one that was catalogued."""
        stored = self._catalogue.stored(path)
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
        if stored not in self._digests:
            self._digests[stored] = file_digest(place)
            self._catalogue.remember_digests({stored: self._digests[stored]})
        return self._digests[stored]


def file_digest(path: Path) -> str:
    """SHA-256 of a file's content."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
