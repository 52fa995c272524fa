"""The log of a training: a line of JSON for each look, cut back where a training is taken up from an earlier step."""

from __future__ import annotations

import json
from math import isfinite
from pathlib import Path
from typing import Any

from isocenter.storage.atomic import write_text


class Log:
    """Entries in memory and, where it has a path, in a file."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self.entries: list[dict[str, Any]] = []
        if path is not None and path.is_file():
            self.entries = read_log(path)
            self._rewrite()  # a crash may have left half a line, which the next entry must not be joined to

    def write(self, entry: dict[str, Any]) -> None:
        """Add an entry."""
        self.entries.append(entry)
        if self._path is not None:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(_line(entry))

    def forget_after(self, member: int, step: int) -> None:
        """Drop what a member wrote after its checkpoint: it will be written again."""
        kept = [one for one in self.entries if one.get("member") != member or one.get("step", 0) <= step]
        if len(kept) < len(self.entries):
            self.entries = kept
            self._rewrite()

    def _rewrite(self) -> None:
        if self._path is not None:
            write_text(self._path, "".join(_line(one) for one in self.entries))


def _line(entry: dict[str, Any]) -> str:
    """One entry; what is not a number is null, since JSON has no word for it."""
    metric = {
        name: value if value is not None and isfinite(value) else None
        for name, value in entry.get("metric", {}).items()
    }
    return json.dumps(entry | ({"metric": metric} if metric else {})) + "\n"


def read_log(path: Path) -> list[dict[str, Any]]:
    """The entries of a log; a line cut short by a crash is left out."""
    entries = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            entries.append(json.loads(line))
        except ValueError:
            continue
    return entries
