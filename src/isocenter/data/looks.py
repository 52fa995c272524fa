"""The looks at a split: every judging of a model is counted, because a test that is looked at often wears out.

One line of JSON for each look, in `looks.jsonl` of the cohort folder, written before anyone is shown a result.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from isocenter.core.progress import Progress, Silent
from isocenter.core.record import begin
from isocenter.storage.atomic import storage_errors
from isocenter.storage.lock import locked

LOOKS = "looks.jsonl"
LOCK = ".looks.lock"
ALL = "all"
"""Every case of a cohort, whatever its split: a look at all is a look at each."""


class Look(BaseModel):
    """One look at one split."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    look: int
    """The how-manieth at this split."""
    split: str
    cases: int
    """How many were judged."""
    model: str
    """SHA-256 of the model file."""
    name: str = ""
    """What people call the model."""
    time: str = ""
    person: str = ""


@dataclass(frozen=True, slots=True)
class Looks:
    """What `looks.jsonl` says.

    Attributes:
        known: every look that can be read, oldest first.
        damaged: numbers of the lines that cannot be read; each is counted as a look at every split.
    """

    known: tuple[Look, ...] = ()
    damaged: tuple[int, ...] = ()

    def at(self, split: str) -> int:
        """How many looks there were at a split."""
        seen = [one for one in self.known if split == ALL or one.split in (split, ALL)]
        return max([len(seen) + len(self.damaged), *(one.look for one in seen if one.split == split)])


def read_looks(folder: Path) -> Looks:
    """The looks at a cohort; a line that cannot be read is named, never thrown away."""
    path = folder / LOOKS
    if not path.is_file():
        return Looks()
    known, damaged = [], []
    for number, line in enumerate(path.read_bytes().splitlines(), start=1):
        if not line.strip():
            continue
        try:
            known.append(Look.model_validate_json(line))
        except ValidationError:
            damaged.append(number)
    return Looks(tuple(known), tuple(damaged))


def count_look(
    folder: Path,
    *,
    split: str,
    model_digest: str,
    model_name: str,
    cases: int,
    progress: Progress | None = None,
) -> int:
    """Write down a look at a split, and say the how-manieth it is.

    Args:
        folder: of the cohort.
        split: its name, or `all`.
        model_digest: SHA-256 of the model file.
        model_name: what people call it.
        cases: how many are judged.
        progress: is told of lines that cannot be read, and when another process has to be waited for.
    """
    told = progress or Silent()
    with locked(folder / LOCK, f"the looks at {folder}", progress=told):
        looks = read_looks(folder)
        if looks.damaged:
            lines = ", ".join(str(number) for number in looks.damaged)
            told.say(f"{folder / LOOKS}: line {lines} cannot be read; kept, and counted as a look at every split.")
        who = begin()
        number = looks.at(split) + 1
        look = Look(
            look=number,
            split=split,
            cases=cases,
            model=model_digest,
            name=model_name,
            time=who.started,
            person=who.person,
        )
        _append(folder / LOOKS, look)
    return number


def _append(path: Path, look: Look) -> None:
    """One whole line in one write, on the disk before this returns; a line that a crash cut short is ended first."""
    line = json.dumps(look.model_dump(), ensure_ascii=False).encode() + b"\n"
    with storage_errors(path), path.open("ab+") as file:
        if file.tell() > 0:
            file.seek(-1, os.SEEK_END)
            if file.read(1) != b"\n":
                line = b"\n" + line
        file.write(line)
        file.flush()
        os.fsync(file.fileno())
