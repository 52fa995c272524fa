"""Several models on one cohort with one plan: trained one after the other, judged alike, in one table.

`apart` trains in a process of its own, `results` holds what came of it, `table` says it to people.
"""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import Field, ValidationError

from isocenter.core import registry
from isocenter.core.cohort import Cohort
from isocenter.core.errors import IsocenterError, UsageError
from isocenter.core.progress import Progress
from isocenter.core.run import EVIDENCE, LOCK_FILE, MODEL_FILE, RECIPE_FILE, RECORD_FILE
from isocenter.core.settings import Subject, verb
from isocenter.core.words import separated
from isocenter.data.catalogue.store import open_cohort
from isocenter.data.looks import read_looks
from isocenter.drawing.comparison import comparison as drawn
from isocenter.evidence import metrics
from isocenter.evidence.metrics._shared import Metric
from isocenter.learning import models
from isocenter.learning.models._shared import Model
from isocenter.learning.planning.wishes import SharedWishes
from isocenter.pathway import tasks
from isocenter.pathway.tasks._shared import Task
from isocenter.stages.evaluate import Evaluation, evaluate
from isocenter.stages.evaluate.folder import METRICS
from isocenter.stages.plan import Plan, plan
from isocenter.stages.train import TrainSettings, train
from isocenter.storage.atomic import atomic_write, make_folder, write_text
from isocenter.storage.lock import locked
from isocenter.workflows.compare.apart import train_apart
from isocenter.workflows.compare.results import Compared, Comparison, finished, ranked
from isocenter.workflows.compare.table import markdown, measured, points

ALL = "all"
DOCUMENT, TABLE, PICTURE = "compare.json", "compare.md", "compare.png"
TEST = "test"


class CompareSettings(SharedWishes):
    """Which models are compared on which cohort, and where their runs are kept."""

    cohort: Subject[Path]
    """A cohort folder, as `isocenter ingest` makes it."""
    into: Path
    """The folder for a run of each model, the table and the picture. The same command goes on where it was stopped."""
    models: tuple[str, ...] = ()
    """Names from `isocenter list models` with commas between them, such as resnet,cnn,logistic; all unless given."""
    members: int = Field(default=1, ge=1, le=20)
    """How many networks of each model are trained and averaged."""
    test: bool = False
    """Judge each finished model on the test split as well; every look is counted."""


@verb(CompareSettings)
def compare(settings: CompareSettings, progress: Progress) -> Comparison:
    """Train several models on one cohort with the same plan, and put how well they do and what they cost in one table.

    Each model is trained by the stage `train` in a folder of its own: what is finished is not trained again, what was
    stopped is taken up, and a model that fails is listed with the reason. `--budget` is for each model.

    They are judged by validation cases that they have not learned from, and not by the test split: the best of ten on
    the test looks better than it is, and then no cases are left that could tell. `--test` shows the test as well.

    One member of each, unless `--members` says otherwise: the plan's own number would multiply the time, and under a
    budget slow models would get fewer members than quick ones and be judged by other cases.
    """
    cohort = open_cohort(settings.cohort)
    asked = _asked(settings)
    made = _planned(settings, progress)
    names = asked or _fitting(made)
    make_folder(settings.into)
    with locked(settings.into / LOCK_FILE, f"the comparison {settings.into}", progress=progress):
        return _Comparing(settings, cohort, names, made, progress).run()


class _Comparing:
    """One comparison, from the first model to the table."""

    def __init__(
        self, settings: CompareSettings, cohort: Cohort, names: list[str], made: Plan, progress: Progress
    ) -> None:
        self.settings = settings
        self.cohort = cohort
        self.made = made
        self.progress = progress
        self.found = {name: Compared(model=name, state="open") for name in names}

    def run(self) -> Comparison:
        """Take what is finished, train the rest, and write everything down after each."""
        done = [name for name in self.found if self._is_finished(name)]
        rest = [name for name in self.found if name not in done]
        for name in done:
            self.found[name] = self._made(name)
        for place, name in enumerate(rest, start=1):
            self.progress.say(f"{name}: model {place} of {len(rest)} to train.")
            self.found[name] = self._made(name)
            self._write()
        for name, one in self.found.items():
            if self.settings.test and one.state == "finished":
                self.found[name] = self._tested(one)
        return self._shown(self._write())

    def _is_finished(self, name: str) -> bool:
        run = self.settings.into / name
        return (run / RECORD_FILE).is_file() and (run / MODEL_FILE).is_file()

    def _training(self, name: str) -> TrainSettings:
        """What the stage `train` is asked for."""
        shared = {wish: getattr(self.settings, wish) for wish in SharedWishes.model_fields}
        into, called = self.settings.into / name, f"{self.cohort.name}, {name}"
        return TrainSettings(**shared, cohort=self.settings.cohort, into=into, model=name, name=called)

    def _made(self, name: str) -> Compared:
        """The model, trained unless it is already, or why it came to nothing."""
        run = self.settings.into / name
        begun = (run / RECIPE_FILE).is_file()
        try:
            if self._is_finished(name):
                train(self._training(name), progress=self.progress)  # refuses what was asked for otherwise
                return finished(name, run)
            return finished(name, run, held=train_apart(self._training(name), self.progress))
        except IsocenterError as error:
            if begun and isinstance(error, UsageError):
                raise  # it is not this model that cannot be trained: something else was asked for before
            self.progress.say(f"{name} failed: {error}")
            return Compared(model=name, state="failed", reason=str(error), run=run.as_posix())

    def _tested(self, one: Compared) -> Compared:
        """With its numbers on the test split: those of an earlier look where there are some, for each wears it out."""
        known = _evaluation(Path(one.run) / EVIDENCE / METRICS)
        try:
            if known is None or (known.digest, known.split) != (one.digest, TEST):
                known = evaluate(Path(one.run), progress=self.progress)
        except IsocenterError as error:
            return one.model_copy(update={"reason": str(error)})
        return one.model_copy(update={"test": known.metrics})

    def _write(self) -> Comparison:
        """The document, as far as everything has come."""
        recipe = self.made.recipe
        task: Task = registry.get(tasks, recipe.task)
        better = _metric(task.metrics(recipe)[0]).better
        comparison = Comparison(
            folder=self.settings.into.as_posix(),
            cohort=self.cohort.folder.as_posix(),
            cohort_name=self.cohort.name,
            label=recipe.label,
            task=recipe.task,
            split="folds" if recipe.validation.design == "folds" else "val",
            members=self.settings.members,
            better=better,
            models=ranked(list(self.found.values()), better),
            looks=read_looks(self.cohort.folder).at(TEST) if self.settings.test else None,
        )
        return _kept(comparison, self.settings.into)

    def _shown(self, comparison: Comparison) -> Comparison:
        """The same as a table and a picture."""
        folder = self.settings.into
        told = {"table": (folder / TABLE).as_posix()}
        write_text(folder / TABLE, markdown(comparison))
        panels = points(comparison)
        if panels:
            with atomic_write(folder / PICTURE) as temporary:
                temporary.write_bytes(drawn(panels, up=measured(comparison)))
            told["picture"] = (folder / PICTURE).as_posix()
        return _kept(comparison.model_copy(update=told), folder)


def _asked(settings: CompareSettings) -> list[str]:
    """The models that are asked for, in that order, none for all; refuses what makes all of them one."""
    for pair in settings.set:
        if pair.partition("=")[0].strip() in ("model", "model.name"):
            raise UsageError(
                f"`--set {pair}` cannot stand beside a comparison of models",
                why="it would make every one of them the same",
                remedy="Name the models with `--models`",
            )
    known = registry.names(models)
    asked = list(dict.fromkeys(separated(settings.models)))
    if asked == [ALL]:
        return []
    for name in asked:
        if name not in known:
            raise registry.unknown("model", name, known)
    return asked


def _fitting(made: Plan) -> list[str]:
    """Every model that can take these cases: images or volumes, or the rows that features are."""
    wanted = made.recipe.input
    found = []
    for name in registry.names(models):
        model: Model = registry.get(models, name)
        rows = model.kind == "estimator" or model.takes_rows
        if rows if wanted.features else wanted.dimensions in model.dimensions:
            found.append(name)
    return found


def _planned(settings: CompareSettings, progress: Progress) -> Plan:
    """A plan of what all models share: what nobody could learn is refused here, once, before any is trained."""
    shared = {name: getattr(settings, name) for name in SharedWishes.model_fields}
    shared["set"] = tuple(pair for pair in settings.set if not pair.startswith("model."))
    shared["budget"] = None  # each model has its own pace
    made = plan(settings.cohort, progress=progress, **shared)
    cases = made.fingerprint.cases
    if made.recipe.validation.design == "split" and not cases.get("val"):
        raise UsageError(
            "There are no validation cases to compare models by",
            remedy="Compare in folds, such as with `--members 5`, or ingest again with `--resplit`",
        )
    if settings.test and not cases.get(TEST):
        raise UsageError("There are no test cases", remedy="Leave out `--test`, or ingest again with `--resplit`")
    return made


def _metric(name: str) -> Metric:
    metric: Metric = registry.get(metrics, name)
    return metric


def _evaluation(document: Path) -> Evaluation | None:
    try:
        return Evaluation.model_validate_json(document.read_bytes())
    except (OSError, ValidationError):
        return None


def _kept(comparison: Comparison, folder: Path) -> Comparison:
    """Write the document, and give it back."""
    text: str = json.dumps(comparison.model_dump(mode="json"), ensure_ascii=False, indent=2)
    write_text(folder / DOCUMENT, text + "\n")
    return comparison
