"""The note in a folder that was filled from an archive: from which content, whether it is whole, what was refused."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

RECORD = ".isocenter-unpacked.json"
"""The name of the note; not part of the data."""

_NO_TIME = 315_532_800
"""1980, the first year that a zip can name: the time of files whose archive does not say."""

_LAST_TIME = 4_102_444_800
"""2100; later times are mistakes."""


def home_name(archive: Path, title: str) -> str:
    """The name of an archive's folder: that of its path, so that an archive that has grown fills the same one anew."""
    return f"{title[:80]}-{hashlib.sha256(os.fsencode(archive)).hexdigest()[:12]}"


def same_content(into: Path, digest: str) -> Path | None:
    """The folder that was filled from an archive of the same content under another path."""
    return next(
        (note.parent for note in sorted(into.glob(f"*/{RECORD}")) if _record(note).get("digest") == digest), None
    )


def refused_before(home: Path, digest: str) -> list[tuple[str, str]] | None:
    """What was refused when this folder was filled; None where it is not there, not whole, or of other content."""
    record = _record(home / RECORD)
    try:
        whole = record["digest"] == digest and (record["files"], record["bytes"]) == _weighed(home)
        return [(name, reason) for name, reason in record["refused"]] if whole else None
    except (OSError, ValueError, KeyError, TypeError):
        return None  # a folder without a sound record is filled anew


def write_record(folder: Path, archive: str, digest: str, refused: Sequence[tuple[str, str]]) -> None:
    """Leave the note in a folder that is whole."""
    files, size = _weighed(folder)
    record = {"version": 1, "archive": archive, "digest": digest, "files": files, "bytes": size, "refused": refused}
    (folder / RECORD).write_text(json.dumps(record, indent=1), encoding="utf-8")


def set_time(place: Path, time: float | None, checksum: int) -> None:
    """Give an unpacked file the same time whenever the same member is unpacked again.

    Many tools write one time for everything, so the part below a second follows from the content: a file that was
    replaced by another of its size and time is still seen to have changed.
    """
    seconds = int(time) if time is not None and _NO_TIME <= time <= _LAST_TIME else _NO_TIME
    stamp = seconds * 1_000_000_000 + checksum % 1_000_000_000
    os.utime(place, ns=(stamp, stamp))


def _record(note: Path) -> dict[str, Any]:
    """What the note says; nothing where there is none that can be read."""
    try:
        record = json.loads(note.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}


def _weighed(folder: Path) -> tuple[int, int]:
    """How many files a folder holds, and their bytes."""
    count = size = 0
    for place, _, names in os.walk(folder):
        for name in names:
            if name != RECORD:
                count += 1
                size += Path(place, name).stat().st_size
    return count, size
