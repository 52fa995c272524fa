"""Judge a model on cases that it has not seen, and leave the evidence in a folder.

Three layers: `bench` says which cases may judge and asks the model, `results` measures (arrays in, values out),
`pictures` and `folder` draw and write what was found.
"""

from __future__ import annotations

from pathlib import Path
from time import perf_counter
from typing import Literal

import numpy as np
from pydantic import BaseModel

from isocenter.core.progress import Progress
from isocenter.core.reading import Measure
from isocenter.core.run import find_model
from isocenter.core.settings import Argument, Settings, Subject, verb
from isocenter.core.words import LANGUAGES, language
from isocenter.data.looks import ALL, count_look
from isocenter.delivery.modelfile.package import Package
from isocenter.delivery.modelfile.read import read_model
from isocenter.delivery.reader import Reader
from isocenter.delivery.reports.evaluation import Note
from isocenter.stages._shared.home import home_of
from isocenter.stages.evaluate.bench import LEARNED_FROM, Bench, answered, cohort_of, seated
from isocenter.stages.evaluate.folder import (
    REPORT,
    Evidence,
    default_folder,
    left_out,
    limits,
    validation,
    write_evidence,
)
from isocenter.stages.evaluate.results import measured


class EvaluateSettings(Settings):
    """What to judge, and on which cases."""

    model: Subject[Path]
    """A model file (.isomodel), or the run that made it."""
    cohort: Argument[Path | None] = None
    """The cohort to judge it on; the one that it was trained on unless given."""
    split: str = "test"
    """Which cases: a split of the cohort, or `all` of a cohort that the model has not seen."""
    into: Path | None = None
    """The folder for the evidence; `evidence` in the run, or beside the model, unless given."""
    language: Literal["en", "zh", "both"] | None = None
    """Language of the report and its pictures: en, zh or both; that of the machine unless given."""


class Confusion(BaseModel):
    """How many cases of each true class (rows) were called what (columns)."""

    classes: list[str]
    counts: list[list[int]]


class Evaluation(BaseModel):
    """What came of it; the document that `evaluate --json` prints and that `metrics.json` holds."""

    version: int = 1
    model: str
    digest: str
    """SHA-256 of the model file."""
    cohort: str
    split: str
    task: str
    label: str
    look: int
    """The how-manieth look at this split."""
    seen: bool
    """Whether the model has seen these cases before."""
    cases: int
    patients: int
    metrics: list[Measure]
    per_class: dict[str, list[Measure]] = {}
    confusion: Confusion | None = None
    thresholds: dict[str, float] = {}
    """From which probability on a class is called; none where the likeliest is."""
    validation: list[Measure] = []
    """What the model reached on its own validation cases."""
    warnings: list[str] = []
    limits: list[str] = []
    left_out: dict[str, int] = {}
    runtime: str
    folder: str
    report: str
    seconds: float


@verb(EvaluateSettings)
def evaluate(settings: EvaluateSettings, progress: Progress) -> Evaluation:
    """Judge a model on cases that it has not seen: numbers with intervals, curves, mistakes, and a report."""
    started = perf_counter()
    path = find_model(settings.model)
    package = read_model(path)
    cohort, own = cohort_of(settings.cohort, package, home_of(path, package))
    reader = Reader(package)
    bench = seated(package, cohort, settings.split, own=own, reader=reader, progress=progress)
    bench, answers = answered(bench, package, reader, progress)
    look = count_look(
        cohort.folder,
        split=settings.split,
        model_digest=package.digest,
        model_name=package.manifest.name,
        cases=len(bench.cases),
        progress=progress,
    )
    seen = own and settings.split in (*LEARNED_FROM, ALL)
    results = measured(bench, answers, package)
    evidence = Evidence(
        model=path,
        package=package,
        reader=reader,
        bench=bench,
        answers=answers,
        results=results,
        split=settings.split,
        look=look,
        seen=seen,
        warnings=[*_seen(settings.split, package, seen=seen), *_moved(bench, package), *bench.notes, *results.notes],
    )
    folder = settings.into or default_folder(path, cohort=cohort.name, own=own, split=settings.split)
    document = _document(evidence, folder, perf_counter() - started)
    spoken = LANGUAGES if settings.language == "both" else (language(settings.language),)
    write_evidence(folder, evidence, document.model_dump(mode="json"), languages=spoken, progress=progress)
    return document


def _seen(split: str, package: Package, *, seen: bool) -> list[Note]:
    """The loudest warning: the model has met these cases before; in folds it learned from validation cases too."""
    if split == "val" and package.recipe.validation.design == "folds":
        split = "train"
    return [Note(f"warn_seen_{split}")] if seen else []


def _moved(bench: Bench, package: Package) -> list[Note]:
    """Whether the training cases are fewer now than they were."""
    before = package.record.cases.get("train")
    now = bench.cohort.splits.get("train", 0)
    if not bench.own or before is None or now >= before:
        return []
    return [Note("warn_moved", {"before": before, "now": now})]


def _document(evidence: Evidence, folder: Path, seconds: float) -> Evaluation:
    package, bench, results = evidence.package, evidence.bench, evidence.results
    matrix = results.matrix
    counts = None if matrix is None else [[int(count) for count in row] for row in matrix]
    return Evaluation(
        model=evidence.model.as_posix(),
        digest=package.digest,
        cohort=bench.cohort.folder.as_posix(),
        split=evidence.split,
        task=package.recipe.task,
        label=package.recipe.label,
        look=evidence.look,
        seen=evidence.seen,
        cases=len(bench.cases),
        patients=len(np.unique(bench.patients)),
        metrics=results.metrics,
        per_class=results.per_class,
        confusion=None if counts is None else Confusion(classes=list(package.recipe.classes), counts=counts),
        thresholds=dict(package.decision.thresholds),
        validation=list(validation(package).values()),
        warnings=[one.said("en") for one in evidence.warnings],
        limits=[one.said("en") for one in limits(evidence)],
        left_out=left_out(bench),
        runtime=f"{evidence.reader.runtime} {evidence.reader.precision}",
        folder=folder.as_posix(),
        report=(folder / REPORT).as_posix(),
        seconds=round(seconds, 3),
    )
