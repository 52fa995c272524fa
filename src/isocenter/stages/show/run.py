"""A training's folder: the model that came out of it, or how far it is and the command that goes on."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from isocenter.core.reading import Measure
from isocenter.core.recipe import Recipe, read_recipe
from isocenter.core.record import Record
from isocenter.core.run import CURVES, EVIDENCE, LOCK_FILE, LOG_FILE, MODEL_FILE, RECIPE_FILE, RECORD_FILE
from isocenter.delivery.modelfile.package import Package
from isocenter.delivery.modelfile.read import read_model
from isocenter.learning.training.log import read_log
from isocenter.stages.show import model
from isocenter.stages.show.design import Design, design
from isocenter.stages.show.model import ModelShown
from isocenter.storage.lock import is_held

METRICS = "metrics.json"


class Standing(BaseModel):
    """How far the log says that a training has come; a line is written at each look at the validation cases."""

    member: int = 0
    """The one that learned last, counted from 1; 0 where none was looked at yet."""
    members: int
    step: int = 0
    """The last step of that member that was written down."""
    steps: int
    """Of each member; 0 where it learns at once."""


class EvaluationShown(BaseModel):
    """What an evaluation came to, in short; all of it is in the folder."""

    model_config = ConfigDict(extra="ignore")

    folder: str = ""
    report: str = ""
    cohort: str
    split: str
    look: int
    """The how-manieth look at this split."""
    seen: bool
    """Whether the model had seen these cases before."""
    cases: int
    patients: int
    digest: str
    """SHA-256 of the model file that was judged."""
    metrics: list[Measure]


class RunShown(BaseModel):
    """A run in short; the document that `show RUN --json` prints."""

    version: int = 1
    kind: Literal["run"] = "run"
    name: str
    run: str
    """Its folder."""
    finished: bool
    running: bool = False
    """Whether somebody trains in it now."""
    started: str = ""
    person: str = ""
    seconds: float = 0.0
    """How long it has trained, as far as that was written down."""
    cohort: str = ""
    """The folder of the cohort."""
    cases: dict[str, int] = {}
    """Cases used of each split."""
    left_out: dict[str, int] = {}
    design: Design | None = None
    """What its recipe says; null where that was not written yet, and where a model says the same."""
    standing: Standing | None = None
    """How far it is; null where it is finished or has no recipe yet."""
    command: str = ""
    """What goes on with it; empty where it is finished, or where nobody wrote down what was asked for."""
    model: ModelShown | None = None
    evaluations: list[EvaluationShown] = []
    places: dict[str, str] = {}
    """Where recipe, record, log, curves and evidence are, as far as they are there."""
    notes: list[str] = []
    files: list[str] = []
    """The card, where it was written."""
    looks: list[dict[str, Any]] = Field(default=[], exclude=True)
    """The lines of its log, for a curve."""


def shown(folder: Path) -> tuple[RunShown, Package | None]:
    """Everything worth knowing of a run, and its model file's content where it has one."""
    notes: list[str] = []
    record = _record(folder, notes)
    package = read_model(folder / MODEL_FILE) if (folder / MODEL_FILE).is_file() else None
    recipe = None if package else _recipe(folder)
    known = record or (package.record if package else None)
    told: dict[str, Any] = {}
    if known is not None:
        told = known.model_dump(include={"started", "person", "seconds", "cohort", "cases", "left_out"})
    running = package is None and _running(folder)
    looks = _looks(folder / LOG_FILE, notes)
    found = RunShown(
        name=folder.absolute().name,
        run=folder.as_posix(),
        finished=package is not None,
        running=running,
        **told,
        design=Design(**design(recipe)) if recipe else None,
        standing=_standing(looks, recipe) if recipe else None,
        command=_command(folder, record, notes) if record and not package and not running else "",
        model=model.shown(folder / MODEL_FILE, package) if package else None,
        evaluations=list(_evaluations(folder, package.digest if package else "", notes)),
        places={name: path.as_posix() for name, path in _places(folder).items() if path.exists()},
        notes=notes,
        looks=looks,
    )
    return found, package


def _places(folder: Path) -> dict[str, Path]:
    evidence = folder / EVIDENCE
    files = {"recipe": folder / RECIPE_FILE, "record": folder / RECORD_FILE, "log": folder / LOG_FILE}
    return {**files, "curves": evidence / CURVES, "evidence": evidence}


def _recipe(folder: Path) -> Recipe | None:
    path = folder / RECIPE_FILE
    return read_recipe(path) if path.is_file() else None


def _record(folder: Path, notes: list[str]) -> Record | None:
    path = folder / RECORD_FILE
    if not path.is_file():
        notes.append(f"{path} is not there: who began this run, and on what, is not known.")
        return None
    try:
        return Record.model_validate_json(path.read_bytes())
    except ValidationError:
        notes.append(f"{path} cannot be understood: who began this run, and on what, is not known.")
        return None


def _running(folder: Path) -> bool:
    """Whether somebody holds the run; only asked where a holder left a note, so that nothing is touched for it."""
    lock = folder / LOCK_FILE
    return lock.with_suffix(".owner").is_file() and is_held(lock)


def _looks(path: Path, notes: list[str]) -> list[dict[str, Any]]:
    """The lines of the log that are one: those of a look, which name a member and a step."""
    if not path.is_file():
        return []
    try:
        entries: list[Any] = list(read_log(path))
    except UnicodeDecodeError:
        notes.append(f"{path} cannot be read: how the training went is not known.")
        return []
    named = [one for one in entries if isinstance(one, dict)]
    return [one for one in named if isinstance(one.get("member"), int) and isinstance(one.get("step"), int)]


def _standing(looks: Sequence[Mapping[str, Any]], recipe: Recipe) -> Standing:
    member, step = max(((one["member"] + 1, one["step"]) for one in looks), default=(0, 0))
    return Standing(member=member, members=recipe.model.members, step=step, steps=recipe.training.steps)


def _command(folder: Path, record: Record, notes: list[str]) -> str:
    """The same command as the one that began the run, as its record tells it; only what was asked for stands in it."""
    asked = {name: value for name, value in record.settings.items() if value}
    words = ["isocenter", "train", str(asked.pop("cohort", "") or record.cohort or "COHORT"), "--into", str(folder)]
    hashed = asked.pop("recipe", None)
    if hashed:
        # The run keeps the recipe, but a budget, this machine or `--set` may have changed it since it was given.
        kept = folder / RECIPE_FILE
        same = kept.is_file() and read_recipe(kept).digest == hashed
        words += ["--recipe", str(kept) if same else "RECIPE"]
        notes += [] if same else ["RECIPE stands for the recipe file that it began with."]
    return " ".join(map(shlex.quote, [*words, *_options(asked)]))


def _options(asked: Mapping[str, object]) -> Iterator[str]:
    for name, value in asked.items():
        for one in value if isinstance(value, list) else [value]:
            yield f"--{name.replace('_', '-')}"
            if one is not True:
                yield str(one)


def _evaluations(folder: Path, digest: str, notes: list[str]) -> Iterator[EvaluationShown]:
    """What the evidence folders say: that of the test split first, then those of other splits and cohorts."""
    for path in sorted(folder.glob(f"{EVIDENCE}*/{METRICS}")):
        try:
            one = EvaluationShown.model_validate_json(path.read_bytes())
        except ValidationError:
            notes.append(f"{path} cannot be understood: `isocenter evaluate {folder}` makes it anew, as another look.")
            continue
        if digest and one.digest != digest:
            notes.append(f"{path} speaks of another model than the one that is here now.")
        report = path.with_name("report.html")
        yield one.model_copy(
            update={"folder": path.parent.as_posix(), "report": report.as_posix() if report.is_file() else ""}
        )
