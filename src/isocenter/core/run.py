"""A run and its model: the folder of a training, and the one file that comes out of it.

The verbs of a model are the stages of that name, found when they are called: `run.model.predict("new.dcm")` reads as
a person would say it, and nothing here depends on a stage.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from isocenter.core.errors import UsageError
from isocenter.core.reading import Measure

MODEL_FILE = "model.isomodel"
RECIPE_FILE = "recipe.yaml"
RECORD_FILE = "record.json"
LOG_FILE = "log.jsonl"
CHECKPOINTS, EVIDENCE, CURVES = "checkpoints", "evidence", "training.png"
LOCK_FILE = ".lock"
"""Held as long as somebody trains in the run's folder."""
ENDING = ".isomodel"


class TrainReport(BaseModel):
    """What a training came to; the document that `train --json` prints."""

    version: int = 1
    run: str
    model: str
    recipe: str
    task: str
    seconds: float
    metrics: list[Measure] = []
    """On validation cases; the test split was not looked at."""
    warnings: list[str] = []


@dataclass(frozen=True, slots=True)
class Model:
    """A finished model: one file."""

    path: Path

    def __fspath__(self) -> str:
        return str(self.path)

    def predict(self, *sources: Any, **options: Any) -> Any:
        """Read new cases; see `isocenter.predict`."""
        return _verb("predict")(self.path, sources=tuple(str(source) for source in sources), **options)

    def explain(self, source: Any, **options: Any) -> Any:
        """Show what a reading rests on; see `isocenter.explain`."""
        return _verb("explain")(self.path, source=str(source), **options)

    def evaluate(self, cohort: Any = None, **options: Any) -> Any:
        """Judge it on cases that it has not seen; see `isocenter.evaluate`."""
        return _verb("evaluate")(self.path, cohort=cohort, **options)


@dataclass(frozen=True, slots=True)
class Run:
    """A training's folder."""

    folder: Path
    report: TrainReport | None = None

    def __fspath__(self) -> str:
        return str(self.folder)

    @property
    def model(self) -> Model:
        """The model that came out of it."""
        return Model(find_model(self.folder))

    def evaluate(self, cohort: Any = None, **options: Any) -> Any:
        """Judge its model on cases that it has not seen; see `isocenter.evaluate`."""
        return _verb("evaluate")(self.folder, cohort=cohort, **options)


def find_model(place: str | Path) -> Path:
    """The model file that is meant by a path to it or to its run."""
    path = Path(place)
    inside = path / MODEL_FILE
    if inside.is_file():
        return inside
    if path.is_dir():
        begun = (path / RECIPE_FILE).is_file()
        raise UsageError(
            f"{path} holds no {MODEL_FILE}",
            why="its training has not finished" if begun else "it is not a run",
            remedy="Run the same `isocenter train` again: it goes on where it stopped"
            if begun
            else "Give a run folder or an `.isomodel` file",
        )
    if not path.is_file():
        raise UsageError(f"There is no model at {path}", remedy="`isocenter train COHORT --into RUN` makes one")
    return path


def _verb(name: str) -> Any:
    return getattr(import_module(f"isocenter.stages.{name}"), name)
