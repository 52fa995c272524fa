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
from isocenter.core.run import (
    CHECKPOINTS,
    CURVES,
    EVIDENCE,
    LOCK_FILE,
    LOG_FILE,
    MODEL_FILE,
    RECIPE_FILE,
    RECORD_FILE,
    Run,
    TrainReport,
)
from isocenter.core.settings import Subject, verb
from isocenter.core.words import counted, sized
from isocenter.data.catalogue.splits import blocks_of
from isocenter.data.catalogue.store import open_cohort
from isocenter.delivery.modelfile.read import read_model
from isocenter.drawing.training import training
from isocenter.learning.device import with_gpu
from isocenter.learning.planning.overrides import overridden
from isocenter.learning.planning.wishes import Wishes
from isocenter.learning.training.batches import Material
from isocenter.learning.training.forecast import Forecast, fitting, probe, steps_within
from isocenter.learning.training.log import Log, read_log
from isocenter.learning.training.members import Part, School, Trained, train_members
from isocenter.pathway.decide import Decision, unweighted
from isocenter.pathway.given import given_to_model
from isocenter.pathway.tasks._shared import LossSettings, Task
from isocenter.stages._shared.beginning import weights_of
from isocenter.stages._shared.deciding import Judged, decided, judge_of, require_decidable, unmet, validated
from isocenter.stages._shared.material import Lot, fold_of, gathered, task_named
from isocenter.stages._shared.pacing import pace
from isocenter.stages._shared.packaging import packaged, write
from isocenter.stages._shared.planned import planned
from isocenter.storage.atomic import atomic_write, make_folder, write_text
from isocenter.storage.lock import locked

SMALLEST_SHARE = 0.2
"""Less of a budget than this is not enough to train in."""

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
    _require_one_decider(settings)
    make_folder(settings.into)
    with locked(settings.into / LOCK_FILE, f"the run {settings.into}", progress=progress):
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
        require_decidable(task, recipe)
        start = task.decision_from(lot.targets[lot.rows("train")])
        targets = task.encode(lot.targets, start).astype(np.float32)
        _require_difference(task, recipe, targets, start)
        record = self._record(recipe, lot)
        parts = _parts(lot, recipe, start)
        weights = task.weights(targets[parts[0].learned], recipe.training.balance)
        start = unweighted(start, weights)
        loss = LossSettings(class_weights=weights, smoothing=recipe.training.smoothing)
        school = School(
            material=Material(pixels=given_to_model(lot.pixels, recipe.input, self.progress), targets=targets),
            parts=parts,
            recipe=recipe,
            outputs=task.outputs(recipe),
            combine=task.combine,
            loss=lambda logits, given: task.loss(logits, given, loss),
            judge=judge_of(task, recipe, start),
            folder=make_folder(self.settings.into / CHECKPOINTS),
            log=Log(self.settings.into / LOG_FILE),
            seconds=seconds_of(self.settings.checkpoints),
            data=record.data,
            weights=weights_of(recipe, self.cohort, self.progress),
        )
        if not resumed:
            school = self._forecast(school)
        try:
            trained = train_members(school, self.progress)
        except KeyboardInterrupt:
            self._write(self._timed(record))
            raise
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

    def _forecast(self, school: School) -> School:
        """Say how long it will take and how much memory, after turning a budget into steps."""
        here = with_gpu(machine())
        if school.recipe.training.precision == "bf16" and not here.bf16:
            self.progress.say(
                "The recipe asks for bf16, for which this machine has no instructions: "
                "`training.precision: fp32` is faster here."
            )
        found = probe(school)
        school = fitting(school, found, here)
        school = self._lengths(school, found)
        self._say(school, found)
        write_text(self.settings.into / RECIPE_FILE, school.recipe.to_yaml())
        return school

    def _lengths(self, school: School, found: Forecast) -> School:
        """How many steps each member takes."""
        recipe = school.recipe
        if recipe.compute.budget is None or not found.step:
            return school
        steps = steps_within(self._left(recipe.compute.budget), school, found)
        why = f"What fits into {lasting(recipe.compute.budget)} at {found.step:.3g} s a step on this machine."
        # The budget is spent into steps: from here on the recipe tells what was done, and can be repeated.
        recipe = recipe.model_copy(update={"reasons": recipe.reasons | {"training.steps": why}})
        recipe = recipe.changed("compute", budget=None).changed("training", steps=steps)
        return replace(school, recipe=recipe)

    def _left(self, budget: float) -> float:
        """What preparing has left of a budget."""
        left = budget - (time.monotonic() - self.begun)
        if left < SMALLEST_SHARE * budget:
            raise UsageError(
                f"A budget of {lasting(budget)} is too short",
                why=f"reading and preparing the cases took {lasting(budget - left)} of it",
                remedy="Run it again, for the cases are prepared now, or give a longer one",
            )
        return left

    def _say(self, school: School, found: Forecast) -> None:
        recipe = school.recipe
        learned = len(school.parts[0].learned)
        if not found.step:
            self.progress.say(f"{recipe.model.name}, {counted(learned, 'training case')}: learns at once.")
            return
        seen = recipe.training.steps * recipe.training.batch * recipe.training.accumulate
        self.progress.say(
            f"{recipe.model.name}, {counted(len(school.parts), 'member')}, {counted(learned, 'training case')} each, "
            f"{seen / max(learned, 1):.0f} passes over them: about {lasting(found.seconds(school))}, "
            f"{sized(found.memory)} of memory."
        )

    def _record(self, recipe: Recipe, lot: Lot) -> Record:
        """Who, when, with what, on which cases; a run that is taken up keeps its first record.

        It is written before the recipe: a recipe without its record would be taken up under any options.
        """
        path = self.settings.into / RECORD_FILE
        data = _digest(lot)
        if path.is_file():
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
        self._write(record)
        return record

    def _write(self, record: Record) -> None:
        write_text(self.settings.into / RECORD_FILE, record.model_dump_json(indent=2) + "\n")

    def _timed(self, record: Record) -> Record:
        """The record with the time of this sitting added to that of those before."""
        return record.model_copy(update={"seconds": round(record.seconds + time.monotonic() - self.begun, 1)})

    def _finish(
        self, recipe: Recipe, task: Task, lot: Lot, targets: Any, start: Decision, trained: Trained, record: Record
    ) -> Run:
        """Decide, measure on cases not learned from, package, report."""
        patients = blocks_of([lot.cases[row] for row in trained.rows])
        judged = Judged(logits=trained.logits, targets=targets[trained.rows], patients=patients)
        decision = decided(task, recipe, judged, start, everybody=targets)
        measured = validated(task, recipe, judged, decision)
        self.warnings += unmet(task, recipe, judged, decision)
        record = self._timed(record).model_copy(update={"finished": now()})
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
        self._write(record)
        write(package, self.settings.into / MODEL_FILE)
        self._warn(lot, recipe, measured)
        return Run(self.settings.into, _report(self.settings, recipe, record, measured, self.warnings))

    def _draw(self) -> None:
        entries = read_log(self.settings.into / LOG_FILE)
        if entries:
            with atomic_write(self.settings.into / EVIDENCE / CURVES) as temporary:
                temporary.write_bytes(training(entries))

    def _warn(self, lot: Lot, recipe: Recipe, measured: list[Measure]) -> None:
        if not measured:
            self.warnings.append("No case judged it: nothing is known of how good it is. Evaluate it on other cases.")
        passes = recipe.training.steps * recipe.training.batch * recipe.training.accumulate / max(len(lot.cases), 1)
        if recipe.training.steps and passes < 1:
            self.warnings.append("It saw less than each case once: give it more time before you trust it.")
        self.warnings += [f"{counted(count, 'case')} left out: {reason}" for reason, count in lot.left_out.items()]
        rows = lot.rows("train")
        for name, count in zip(recipe.classes, np.nansum(lot.targets[rows], axis=0), strict=False):
            if count < FEW:
                self.warnings.append(f"Only {counted(int(count), 'training case')} of `{name}`: expect little of it.")


def _require_one_decider(settings: TrainSettings) -> None:
    """A recipe decides everything; a wish beside it would be passed over in silence."""
    if settings.recipe is None:
        return
    wishes = [name for name, field in Wishes.model_fields.items() if getattr(settings, name) != field.default]
    wishes = [f"`--{name}`" for name in wishes if name != "set"]
    if wishes:
        raise UsageError(
            f"{', '.join(wishes)} cannot stand beside `--recipe`",
            why="the recipe has decided that already",
            remedy="Change the recipe, or single keys of it with `--set`, such as --set seed=1",
        )


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
    # What an earlier version could not be asked for was left at what it is by default.
    plain = Wishes().model_dump(mode="json")
    other = [name for name in asked if record.settings.get(name, plain.get(name)) != asked[name]]
    if other:
        raise UsageError(
            f"{settings.into} holds a training that was asked for otherwise",
            why=f"not alike: {', '.join(other)}",
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
    if settings.recipe is not None:
        plain["recipe"] = read_recipe(settings.recipe).digest
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
