"""Three readings worth looking at: one that was right, one that was wrong, and the one that was least certain."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ValidationError

from isocenter.core.cohort import Cohort
from isocenter.core.progress import Progress
from isocenter.core.words import LANGUAGES
from isocenter.stages.evaluate import Evaluation
from isocenter.stages.explain import explain
from isocenter.storage.atomic import write_text

Kind = Literal["right", "wrong", "uncertain"]
KEPT = "examples.json"
EVEN = 0.5


class Example(BaseModel):
    """One explained reading."""

    kind: Kind
    case: str
    patient: str
    source: str
    """The folder of its slices."""
    truth: str
    called: str
    asked: str
    """The class that the probability and the map are about."""
    probability: float
    threshold: float
    """From which probability on it is called."""
    pictures: dict[str, str]
    """Language to the scan beside what speaks for the class."""
    words: dict[str, list[str]]
    """Language to what the map says, and what to keep in mind."""

    @property
    def likelihood(self) -> str:
        """The probability for people: never rounded up to certainty."""
        if 0.005 <= self.probability < 0.995:
            return f"{self.probability:.2f}"
        return "<0.01" if self.probability < EVEN else ">0.99"


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What was said of one test case."""

    case: str
    patient: str
    truth: str
    called: str
    probability: float

    @property
    def right(self) -> bool:
        """Whether what was said is true."""
        return self.truth == self.called


@dataclass(frozen=True, slots=True)
class Picked:
    """The cases to be shown, and the kinds of which the test cases hold none."""

    cases: Sequence[tuple[Kind, Judged]]
    missing: tuple[Kind, ...]


class _Kept(BaseModel):
    """The examples as they were explained with one model."""

    model: str
    examples: list[Example]


def judged_cases(table: str, asked: str) -> list[Judged]:
    """The rows of an evaluation's table of predictions."""
    return [
        Judged(
            case=row["case"],
            patient=row["patient"],
            truth=row["truth"],
            called=row["called"],
            probability=float(row[f"probability_{asked}"]),
        )
        for row in csv.DictReader(StringIO(table))
    ]


def picked(judged: Sequence[Judged], asked: str, threshold: float) -> Picked:
    """The surest find that was right, the surest mistake, and the least certain case that is neither.

    Where a kind does not occur, that is told, and the next of the least certain cases is shown in its place.
    """

    def sureness(one: Judged) -> float:
        return abs(one.probability - threshold)

    surest = sorted(judged, key=lambda one: (-sureness(one), one.case))
    right = [one for one in surest if one.right]
    finds = [one for one in right if one.truth == asked] or right
    wrong = [one for one in surest if not one.right]
    found: list[tuple[Kind, Judged]] = []
    if finds:
        found.append(("right", finds[0]))
    if wrong:
        found.append(("wrong", wrong[0]))
    taken = {one.case for _, one in found}
    rest = [one for one in reversed(surest) if one.case not in taken]
    found += [("uncertain", one) for one in rest[: 3 - len(found)]]
    kinds = {kind for kind, _ in found}
    every: tuple[Kind, ...] = ("right", "wrong", "uncertain")
    return Picked(found, tuple(kind for kind in every if kind not in kinds))


def explained(
    chosen: Picked, judged: Evaluation, cohort: Cohort, folder: Path, asked: str, threshold: float, progress: Progress
) -> list[Example]:
    """The examples with their maps, in every language; those that this model explained before are used as they are."""
    kept = _kept(folder / KEPT, judged.digest, chosen)
    if kept is not None:
        progress.say(f"The explanations in {folder} are used as they are.")
        return kept
    files = {case.key: Path(case.first.files[0]).parent for case in cohort.split("test")}
    examples = [
        _example(kind, one, files[one.case], judged.model, folder, asked, threshold, progress)
        for kind, one in chosen.cases
    ]
    write_text(folder / KEPT, _Kept(model=judged.digest, examples=examples).model_dump_json(indent=2) + "\n")
    return examples


def _example(
    kind: Kind, one: Judged, source: Path, model: str, folder: Path, asked: str, threshold: float, progress: Progress
) -> Example:
    said = {
        language: explain(
            Path(model), source, class_=asked, into=folder / language, language=language, progress=progress
        )
        for language in LANGUAGES
    }
    return Example(
        kind=kind,
        case=one.case,
        patient=one.patient,
        source=source.as_posix(),
        truth=one.truth,
        called=one.called,
        asked=asked,
        probability=one.probability,
        threshold=threshold,
        pictures={language: found.files["picture"] for language, found in said.items()},
        words={language: list(found.words) for language, found in said.items()},
    )


def _kept(path: Path, model: str, chosen: Picked) -> list[Example] | None:
    try:
        kept = _Kept.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None
    same = [(one.kind, one.case) for one in kept.examples] == [(kind, one.case) for kind, one in chosen.cases]
    there = all(Path(picture).is_file() for one in kept.examples for picture in one.pictures.values())
    return kept.examples if kept.model == model and same and there else None
