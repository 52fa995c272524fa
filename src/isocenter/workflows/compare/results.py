"""What came of each model, and which of them the cases tell apart."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from pydantic import BaseModel

from isocenter.core.reading import Measure
from isocenter.core.run import MODEL_FILE
from isocenter.delivery.modelfile.read import read_model
from isocenter.delivery.modelfile.weights import parameters
from isocenter.storage.atomic import write_text

Standing = Literal["best", "not clearly worse", "clearly worse"]
MEMORY_FILE = "memory.json"
"""In a run: what its training held, since a model file has no place for it."""
MEGABYTE = 1_000_000


class Compared(BaseModel):
    """One model: how well it did, and what it costs."""

    model: str
    """Its name on the shelf."""
    state: Literal["finished", "failed", "open"]
    """`open` where it was not trained yet."""
    reason: str = ""
    """Why it failed, or why it was not tested."""
    standing: Standing | None = None
    """Against the best of all; null where nothing was measured."""
    metrics: list[Measure] = []
    """On validation cases, the one that is sorted by first."""
    test: list[Measure] = []
    """On the test split, where that was asked for."""
    parameters: int | None = None
    """Numbers that it learned, over all members."""
    seconds: float | None = None
    """How long training took, all sittings together."""
    milliseconds: float | None = None
    """To read one case, prepared already, with the fastest program that gives the right answer."""
    megabytes: float | None = None
    """Of the model file."""
    memory: float | None = None
    """Megabytes that its training held at its height; null where it was trained by another command."""
    run: str = ""
    digest: str = ""
    """SHA-256 of the model file."""

    @property
    def first(self) -> Measure | None:
        """What it is sorted by, where that could be measured."""
        return next((one for one in self.metrics[:1] if one.value is not None), None)


class Comparison(BaseModel):
    """What came of all of them; the document that `compare --json` prints and that `compare.json` holds."""

    version: int = 1
    folder: str
    cohort: str
    """Its folder."""
    cohort_name: str
    label: str
    task: str
    split: Literal["val", "folds"]
    """What judges: the validation split, or parts of training and validation cases that each member left out."""
    members: int
    """Networks that are trained and averaged in each model."""
    better: Literal["higher", "lower"]
    """The direction in which the first metric is better."""
    models: list[Compared]
    """The best first, those that failed or are still open last."""
    looks: int | None = None
    """How many looks at the test split there are now; null where it was not asked for."""
    table: str = ""
    """The same as Markdown."""
    picture: str = ""
    """How well against how costly; empty where no model finished."""


def finished(name: str, run: Path, *, held: int | None = None) -> Compared:
    """What the file of a finished model tells, and what its training held, which is kept in the run from then on.

    Args:
        name: of the model.
        run: its folder.
        held: the most bytes that its training held, where it has just ended.
    """
    path = run / MODEL_FILE
    package = read_model(path)
    if held is not None:
        write_text(run / MEMORY_FILE, json.dumps({"model": package.digest, "bytes": held}) + "\n")
    return Compared(
        model=name,
        state="finished",
        metrics=package.reference.validation,
        parameters=None if package.weights is None else parameters(package.weights, source=str(path)),
        seconds=package.record.seconds,
        milliseconds=next((one.milliseconds for one in package.manifest.runtimes), None),
        megabytes=round(path.stat().st_size / MEGABYTE, 3),
        memory=_held(run, package.digest),
        run=run.as_posix(),
        digest=package.digest,
    )


def ranked(models: Sequence[Compared], better: Literal["higher", "lower"]) -> list[Compared]:
    """The best first, each with its standing; those of which nothing was measured last, as they were given."""
    judged = [one for one in models if one.first is not None]
    judged.sort(key=lambda one: _value(one), reverse=better == "higher")
    stood = [one.model_copy(update={"standing": _standing(one, judged[0])}) for one in judged]
    return [*stood, *(one.model_copy(update={"standing": None}) for one in models if one.first is None)]


def _held(run: Path, digest: str) -> float | None:
    """The megabytes that the training of this very model held, where somebody wrote them down."""
    try:
        kept = json.loads((run / MEMORY_FILE).read_bytes())
        return round(kept["bytes"] / MEGABYTE, 1) if kept["model"] == digest else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _value(one: Compared) -> float:
    assert one.first is not None
    assert one.first.value is not None
    return one.first.value


def _standing(one: Compared, best: Compared) -> Standing:
    if one is best:
        return "best"
    assert one.first is not None
    assert best.first is not None
    return "not clearly worse" if _overlapping(one.first, best.first) else "clearly worse"


def _overlapping(one: Measure, other: Measure) -> bool:
    """Whether two intervals overlap; a number without one is not clearly anything."""
    if one.low is None or one.high is None or other.low is None or other.high is None:
        return True
    return one.low <= other.high and other.low <= one.high
