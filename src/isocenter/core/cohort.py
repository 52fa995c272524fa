"""A cohort: the cases a team works on, their labels and splits, in one folder."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from isocenter.core.case import Case
from isocenter.core.labels import ClassesValue, ClassValue, LabelSchema, Unknown


class Refusal(BaseModel):
    """A file that was not taken, and why."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: str
    reason: str


class IngestReport(BaseModel):
    """What an ingest understood and did; the document that `ingest --json` prints."""

    model_config = ConfigDict(extra="forbid")

    version: int = 1
    cohort: str
    layout: str
    evidence: list[str] = []
    cases: int
    images: int
    patients: int
    labels: dict[str, dict[str, int]] = {}
    splits: dict[str, int] = {}
    refused: list[Refusal] = []
    warnings: list[str] = []
    added: int = 0
    changed: int = 0
    gone: int = 0
    unchanged: int = 0
    files: int = 0
    seconds: float = 0.0
    dry_run: bool = False


@dataclass(frozen=True, kw_only=True, repr=False)
class Cohort:
    """The cases of a folder; `cases` is read from the catalogue as it is walked.

    Attributes:
        folder: where it lives.
        name: what people call it.
        schema: the labels that can be asked for.
        cases: every case, in the order of their keys.
        report: what the ingest that just ran understood; None for a cohort that was only opened.
    """

    folder: Path
    name: str
    schema: LabelSchema
    cases: Sequence[Case]
    report: IngestReport | None = None

    def __len__(self) -> int:
        return len(self.cases)

    def __fspath__(self) -> str:
        return str(self.folder)

    def __repr__(self) -> str:
        return f"Cohort({self.name!r}, {len(self)} cases, {self.folder.as_posix()})"

    def split(self, name: str) -> list[Case]:
        """The cases of one split."""
        return [case for case in self.cases if case.split == name]

    @property
    def splits(self) -> dict[str, int]:
        """Cases per split, in the order train, val, test."""
        counts = Counter(case.split for case in self.cases if case.split)
        order = ("train", "val", "test")
        return {name: counts[name] for name in (*order, *sorted(set(counts) - set(order))) if name in counts}


def count_labels(cases: Sequence[Case], schema: LabelSchema) -> Mapping[str, dict[str, int]]:
    """How many cases carry each class of each label; other kinds are counted as `given`."""
    counts: dict[str, Counter[str]] = {name: Counter() for name in schema.names}
    for case in cases:
        for name in dict.fromkeys(label.name for label in case.labels):
            value = case.label(name)
            counts.setdefault(name, Counter())
            if isinstance(value, ClassValue):
                counts[name][value.value] += 1
            elif isinstance(value, ClassesValue):
                counts[name].update(value.values)
            elif isinstance(value, Unknown):
                counts[name]["unknown"] += 1
            elif value is not None:
                counts[name]["given"] += 1
    return {name: _in_schema_order(schema, name, counter) for name, counter in counts.items()}


def _in_schema_order(schema: LabelSchema, name: str, counter: Counter[str]) -> dict[str, int]:
    # A label that somebody renamed in cohort.toml is still in the catalogue under its old name.
    classes = schema[name].classes if name in schema else ()
    known = [one.name for one in classes if one.name in counter]
    return {key: counter[key] for key in (*known, *sorted(set(counter) - set(known)))}
