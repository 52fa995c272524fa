"""Train a model on a labelled cohort: planned, forecast, taken up where it was stopped, and packaged as one file."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from isocenter.core.cohort import Cohort
from isocenter.core.durations import Duration, lasting, seconds_of
from isocenter.core.errors import UsageError
from isocenter.core.machine import machine
from isocenter.core.progress import Progress
from isocenter.core.reading import Measure
from isocenter.core.recipe import Recipe, read_recipe
from isocenter.core.record import Record, begin, now
from isocenter.core.run import LOG_FILE, MODEL_FILE, RECIPE_FILE, RECORD_FILE, Run, TrainReport
from isocenter.core.settings import Subject, verb
from isocenter.core.words import counted, sized
from isocenter.data.catalogue.store import open_cohort
from isocenter.delivery.modelfile.read import read_model
from isocenter.drawing.training import training
from isocenter.learning.device import with_gpu
from isocenter.learning.planning.overrides import overridden
from isocenter.learning.planning.rules import SHARE_OF_TRIALS
from isocenter.learning.planning.variations import NAMES, variation
from isocenter.learning.planning.wishes import Wishes
from isocenter.learning.training.batches import Material
from isocenter.learning.training.forecast import Forecast, fitting, probe, quickest, steps_within
from isocenter.learning.training.log import Log, read_log
from isocenter.learning.training.members import Part, School, Trained, train_members
from isocenter.learning.training.trials import tried, without_trial
from isocenter.pathway.decide import Decision
from isocenter.pathway.tasks._shared import LossSettings, Task
from isocenter.stages._shared.deciding import Judged, decided, judge_of, validated
from isocenter.stages._shared.material import Lot, fold_of, gathered, task_named
from isocenter.stages._shared.pacing import pace
from isocenter.stages._shared.packaging import packaged, write
from isocenter.stages._shared.planned import planned
from isocenter.storage.atomic import atomic_write, make_folder, write_text
from isocenter.storage.lock import locked

CHECKPOINTS, EVIDENCE, CURVES = "checkpoints", "evidence", "training.png"

FEW = 10
"""Fewer training cases of a class than this are told."""


class TrainSettings(Wishes):
    """What is to be learned from which cohort, and where the run is kept."""

    cohort: Subject[Path]
    """A cohort folder, as `isocenter ingest` makes it."""
    into: Path
    """The run's folder: recipe, record, log, checkpoints, model. The same command takes a stopped run up again."""
    recipe: Path | None = None
    """A recipe file to follow, as `isocenter plan --into recipe.yaml` writes it."""
    name: str | None = None
    """What to call the model; the cohort's name unless given."""
    checkpoints: Duration = "60s"
    """How often the state is kept, such as 60s."""


@verb(TrainSettings)
def train(settings: TrainSettings, progress: Progress) -> Run:
    """Train a model on the training cases of a cohort and package it as one file.

    Without further options the plan decides everything; `--budget 10m` bounds the time. The test split is not looked
    at: `isocenter evaluate` does that, and counts each look.
    """
    cohort = open_cohort(settings.cohort)
    make_folder(settings.into)
    with locked(settings.into / ".lock", f"the run {settings.into}", progress=progress):
        done = _finished(settings)
        if done is not None:
            progress.say(f"{settings.into} is trained already: nothing is left to do.")
            return done
        return _Training(settings, cohort, progress).run()


class _Training:
    """One training, from its recipe to its model."""

    def __init__(self, settings: TrainSettings, cohort: Cohort, progress: Progress) -> None:
        self.settings = settings
        self.cohort = cohort
        self.progress = progress
        self.begun = time.monotonic()
        self.warnings: list[str] = []

    def run(self) -> Run:
        recipe, resumed = self._recipe()
        lot = gathered(self.cohort, recipe, ("train", "val"), self.progress)
        task = task_named(recipe.task)
        start = task.decision_from(lot.targets[lot.rows("train")])
        targets = task.encode(lot.targets, start).astype(np.float32)
        _require_difference(task, recipe, targets, start)
        school = self._school(lot, task, recipe, targets, start)
        if not resumed:
            school = self._forecast(school)
        record = self._record(school.recipe, lot, resumed)
        if school.recipe.augmentation.trial:
            school = self._tried(school)
        trained = train_members(school, self.progress)
        return self._finish(school.recipe, task, lot, targets, start, trained, record)

    def _recipe(self) -> tuple[Recipe, bool]:
        """The recipe of a stopped run, the one that was given, or a new plan."""
        kept = self.settings.into / RECIPE_FILE
        if kept.is_file():
            self.progress.say(f"Taking up the run in {self.settings.into}.")
            return read_recipe(kept), True
        if self.settings.recipe is not None:
            return overridden(read_recipe(self.settings.recipe), self.settings.set), False
        return planned(self.cohort, self.settings, self.progress, pace=pace)[1], False

    def _school(self, lot: Lot, task: Task, recipe: Recipe, targets: Any, start: Decision) -> School:
        parts = _parts(lot, recipe, start)
        weights = task.weights(targets[parts[0].learned], recipe.training.balance)
        loss = LossSettings(class_weights=weights, smoothing=recipe.training.smoothing)
        return School(
            material=Material(pixels=lot.pixels, targets=targets),
            parts=parts,
            recipe=recipe,
            outputs=task.outputs(recipe),
            combine=task.combine,
            loss=lambda logits, given: task.loss(logits, given, loss),
            judge=judge_of(task, recipe, start),
            folder=make_folder(self.settings.into / CHECKPOINTS),
            log=Log(self.settings.into / LOG_FILE),
            seconds=seconds_of(self.settings.checkpoints),
        )

    def _forecast(self, school: School) -> School:
        """Say how long it will take and how much memory, after turning a budget into steps."""
        school, found = quickest(school, probe(school), machine())
        school = fitting(school, found, with_gpu(machine()))
        school = self._lengths(school, found)
        self._say(school, found)
        write_text(self.settings.into / RECIPE_FILE, school.recipe.to_yaml())
        return school

    def _lengths(self, school: School, found: Forecast) -> School:
        """How many steps each member takes, and each trial before them."""
        recipe = school.recipe
        wanted = bool(recipe.augmentation.trial) and found.step > 0 and len(school.parts[0].judged) > 0
        steps = recipe.training.steps
        if recipe.compute.budget is not None and found.step:
            left = max(recipe.compute.budget - (time.monotonic() - self.begun), 1.0)
            share = SHARE_OF_TRIALS if wanted else 0.0
            steps = steps_within(left * (1 - share), school, found)
            trial = max(int(left * share / len(NAMES) / found.step), 1)
        else:
            trial = max(steps // 2, 1)
        recipe = recipe.changed("training", steps=steps).changed("augmentation", trial=trial if wanted else 0)
        return replace(school, recipe=recipe)

    def _tried(self, school: School) -> School:
        """Ask the cohort how strongly its images may be varied, and write the answer into the recipe."""
        given = school.recipe.augmentation
        strengths = {name: variation(name, given) for name in NAMES}
        outcome = tried(school, strengths, school.parts[0], self.progress)
        self.progress.say(f"Variations: {outcome.chosen}. {outcome.reason}")
        school = without_trial(school, strengths[outcome.chosen], f"{outcome.chosen.capitalize()}. {outcome.reason}")
        write_text(self.settings.into / RECIPE_FILE, school.recipe.to_yaml())
        return school

    def _say(self, school: School, found: Forecast) -> None:
        recipe = school.recipe
        learned = len(school.parts[0].learned)
        seen = recipe.training.steps * recipe.training.batch * recipe.training.accumulate
        self.progress.say(
            f"{recipe.model.name}, {counted(len(school.parts), 'member')}, {counted(learned, 'training case')} each, "
            f"{seen / max(learned, 1):.0f} passes over them: about {lasting(found.seconds(school))}, "
            f"{sized(found.memory)} of memory."
        )

    def _record(self, recipe: Recipe, lot: Lot, resumed: bool) -> Record:
        """Who, when, with what, on which cases; a resumed run keeps its first record."""
        path = self.settings.into / RECORD_FILE
        data = _digest(lot)
        if resumed and path.is_file():
            record = Record.model_validate_json(path.read_text(encoding="utf-8"))
            if record.data != data:
                raise UsageError(
                    f"The cases of {self.cohort.name} are no longer those that {self.settings.into} began with",
                    remedy="Train into another folder",
                )
            return record
        record = begin(seed=recipe.seed, settings=_asked(self.settings))
        record = record.model_copy(
            update={
                "threads": recipe.compute.threads,
                "cohort": self.cohort.folder.absolute().as_posix(),
                "cohort_name": self.cohort.name,
                "data": data,
                "cases": {split: len(lot.rows(split)) for split in ("train", "val")},
                "left_out": lot.left_out,
            }
        )
        write_text(path, record.model_dump_json(indent=2) + "\n")
        return record

    def _finish(
        self, recipe: Recipe, task: Task, lot: Lot, targets: Any, start: Decision, trained: Trained, record: Record
    ) -> Run:
        """Decide, measure on cases not learned from, package, report."""
        patients = np.array([lot.cases[row].patient for row in trained.rows])
        judged = Judged(logits=trained.logits, targets=targets[trained.rows], patients=patients)
        decision = decided(task, recipe, judged, start)
        measured = validated(task, recipe, judged, decision)
        record = record.model_copy(
            update={"finished": now(), "seconds": round(record.seconds + time.monotonic() - self.begun, 1)}
        )
        package = packaged(
            trained.network,
            lot,
            recipe=recipe,
            schema=self.cohort.schema,
            decision=decision,
            validation=measured,
            record=record,
            name=self.settings.name or self.cohort.name,
            progress=self.progress,
        )
        self._draw()
        write_text(self.settings.into / RECORD_FILE, record.model_dump_json(indent=2) + "\n")
        write(package, self.settings.into / MODEL_FILE)
        self._warn(lot, recipe)
        return Run(self.settings.into, _report(self.settings, recipe, record, measured, self.warnings))

    def _draw(self) -> None:
        entries = read_log(self.settings.into / LOG_FILE)
        if entries:
            with atomic_write(self.settings.into / EVIDENCE / CURVES) as temporary:
                temporary.write_bytes(training(entries))

    def _warn(self, lot: Lot, recipe: Recipe) -> None:
        self.warnings += [f"{counted(count, 'case')} left out: {reason}" for reason, count in lot.left_out.items()]
        rows = lot.rows("train")
        for name, count in zip(recipe.classes, np.nansum(lot.targets[rows], axis=0), strict=False):
            if count < FEW:
                self.warnings.append(f"Only {counted(int(count), 'training case')} of `{name}`: expect little of it.")


def _parts(lot: Lot, recipe: Recipe, start: Decision) -> list[Part]:
    """Who learns from which cases, and who is judged by which."""
    every = np.arange(len(lot.cases))
    if recipe.validation.design == "folds":
        fold = fold_of(lot, recipe, start)
        numbers = range(min(recipe.model.members, recipe.validation.folds))
        return [Part(learned=every[fold != number], judged=every[fold == number]) for number in numbers]
    learned, judged = lot.rows("train"), lot.rows("val")
    if not len(learned):
        raise UsageError("There are no training cases", remedy="`isocenter show COHORT` counts the splits")
    return [Part(learned=learned, judged=judged)] * recipe.model.members


def _require_difference(task: Task, recipe: Recipe, targets: Any, start: Decision) -> None:
    """There is nothing to learn where all cases are alike."""
    truth = task.truth(targets, start)
    alike = bool(np.all(truth == truth[:1]))
    if alike:
        which = f"`{recipe.classes[int(truth[0])]}`" if task.form == "classes" else "the same"
        raise UsageError(
            f"There is nothing to tell apart: `{recipe.label}` is {which} for all {counted(len(truth), 'usable case')}",
            remedy="Ingest cases of the other kind too",
        )


def _finished(settings: TrainSettings) -> Run | None:
    """The run as it stands where it is finished; refuses a folder that holds another training."""
    record_path = settings.into / RECORD_FILE
    if not record_path.is_file():
        return None
    record = Record.model_validate_json(record_path.read_text(encoding="utf-8"))
    asked = json.loads(json.dumps(_asked(settings)))
    if record.settings != asked:
        other = [name for name in asked if record.settings.get(name) != asked[name]]
        raise UsageError(
            f"{settings.into} holds a training that was asked for otherwise",
            why=f"{', '.join(other)} differ",
            remedy="Train into another folder, or give the same options to take it up again",
        )
    model = settings.into / MODEL_FILE
    if not model.is_file():
        return None
    package = read_model(model)
    return Run(settings.into, _report(settings, package.recipe, package.record, package.reference.validation, []))


def _asked(settings: TrainSettings) -> dict[str, object]:
    """What decides the outcome; the folder's name and the rhythm of checkpoints do not."""
    plain = settings.model_dump(mode="json", exclude={"into", "checkpoints", "name"})
    plain["cohort"] = settings.cohort.absolute().as_posix()
    return plain


def _report(
    settings: TrainSettings, recipe: Recipe, record: Record, measured: list[Measure], warnings: Sequence[str]
) -> TrainReport:
    return TrainReport(
        run=settings.into.as_posix(),
        model=(settings.into / MODEL_FILE).as_posix(),
        recipe=(settings.into / RECIPE_FILE).as_posix(),
        task=recipe.task,
        seconds=record.seconds,
        metrics=measured,
        warnings=list(warnings),
    )


def _digest(lot: Lot) -> str:
    """What was learned from: keys, patients, splits, targets and prepared pixels of all cases."""
    digest = hashlib.sha256()
    for case in lot.cases:
        digest.update("\0".join((case.key, case.patient, case.split or "")).encode())
    digest.update(np.ascontiguousarray(lot.targets).tobytes())
    for start in range(0, len(lot.pixels), 256):
        digest.update(np.ascontiguousarray(lot.pixels[start : start + 256]).tobytes())
    return digest.hexdigest()
