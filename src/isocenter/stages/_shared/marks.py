"""Marks of cases: eight bytes that stand for the content of a case, wherever its files lie, whatever they are called.

A model file carries the marks of the cases that it learned from, so that none of them is taken for a new one later.
They say nothing of a case to anyone who does not have its files.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from contextlib import closing

import numpy as np
from numpy.typing import NDArray

from isocenter.core.case import Case
from isocenter.core.cohort import Cohort
from isocenter.core.progress import Progress
from isocenter.data.catalogue.pixels import Pixels

UNKNOWN = 0
"""The mark of a case whose files cannot be read."""

_FORM = np.dtype(">u8")


def marks(cohort: Cohort, cases: Sequence[Case], progress: Progress) -> NDArray[np.uint64]:
    """The mark of each case; files that were hashed before are not read again."""
    paths = [path for case in cases for image in case.images.values() for path in image.files]
    with closing(Pixels(cohort)) as pixels:
        digests, _ = pixels.contents(paths, progress)
    return np.array([_mark(case, digests) for case in cases], dtype=np.uint64)


def written(given: NDArray[np.uint64]) -> bytes:
    """Marks as a model file holds them: each once, in rising order."""
    return np.unique(given[given != UNKNOWN]).astype(_FORM).tobytes()


def known(given: NDArray[np.uint64], content: bytes) -> NDArray[np.bool_]:
    """Which marks are among those that a model file holds."""
    held = np.frombuffer(content, _FORM).astype(np.uint64)
    found: NDArray[np.bool_] = np.isin(given, held) & (given != UNKNOWN)
    return found


def _mark(case: Case, digests: Mapping[str, str]) -> int:
    parts = []
    for image in case.images.values():
        if not all(path in digests for path in image.files):
            return UNKNOWN
        parts.append(f"{'+'.join(sorted(digests[path] for path in image.files))}#{image.part}")
    return int.from_bytes(hashlib.sha256("|".join(sorted(parts)).encode()).digest()[:8], "big") if parts else UNKNOWN
