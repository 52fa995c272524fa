"""Make a model file: from a finished run, or from a model that was trained elsewhere."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, Field

from isocenter.core import registry
from isocenter.core.errors import UsageError
from isocenter.core.labels import ClassDefinition, Kind, LabelDefinition
from isocenter.core.optional import version
from isocenter.core.progress import Progress
from isocenter.core.recipe import InputRecipe, ModelRecipe, Recipe, StepRecipe
from isocenter.core.record import begin, now
from isocenter.core.run import ENDING, find_model
from isocenter.core.settings import Settings, Subject, verb
from isocenter.core.words import separated
from isocenter.delivery.check import Examples, checked_runtimes
from isocenter.delivery.foreign import Adopted, Wanted, adopted
from isocenter.delivery.modelfile.card import model_card
from isocenter.delivery.modelfile.package import INT8, Manifest, Package, Reference, RuntimeChoice
from isocenter.delivery.modelfile.read import read_model
from isocenter.delivery.modelfile.write import write_model
from isocenter.pathway import decide, tasks
from isocenter.pathway.tasks._shared import Decision, Task
from isocenter.stages._shared.home import home_of

_KINDS = {"classify": Kind.CLASS, "multilabel": Kind.CLASSES, "regress": Kind.NUMBER}


class PackageSettings(Settings):
    """What to make a model file of."""

    source: Subject[Path]
    """A finished run, a model file (.isomodel), or a model trained elsewhere (.onnx)."""
    into: Path
    """The model file to write; its name ends in .isomodel."""
    int8: bool = False
    """Of a run: try the network in 8-bit integers and keep them where they are 1.3 times as fast and as good."""
    labels: tuple[str, ...] = ()
    """Of an .onnx file: its classes in the order of its outputs, such as benign,malignant."""
    task: Literal["classify", "multilabel", "regress"] = "classify"
    """Of an .onnx file: one class, any number of findings, or a number."""
    label: str = "class"
    """Of an .onnx file: the label of a cohort that it answers, for evaluating it."""
    positive: str | None = None
    """Of an .onnx file with two classes: the one that is asked for; the second unless given."""
    size: int | None = Field(default=None, ge=1, le=4096)
    """Of an .onnx file that takes any size: rows and columns that it was trained on."""
    channels: Literal[1, 3] | None = None
    """Of an .onnx file that does not say: 1 for grey, 3 for colour."""
    range: Literal["0..1", "0..255", "imagenet"] | None = None
    """Of an .onnx file: the range in which it expects its pixels: 0..1, 0..255 or imagenet."""
    overwrite: bool = False
    """Replace a file that is there."""


class PackageReport(BaseModel):
    """What was made; the document that `package --json` prints."""

    version: int = 1
    model: str
    """Where the file lies."""
    digest: str
    """SHA-256 of the file."""
    origin: str
    task: str
    classes: list[str] = []
    runtimes: list[RuntimeChoice] = []
    notes: list[str] = []
    """How a model from elsewhere was understood, and what was tried and left out."""


@verb(PackageSettings)
def package(settings: PackageSettings, progress: Progress) -> PackageReport:
    """Make a model file of a finished run, or of an ONNX model that was trained elsewhere."""
    _require_place(settings)
    notes = _Notes(progress)
    foreign = settings.source.suffix.lower() == ".onnx"
    made = _of_foreign(settings, notes) if foreign else _of_run(settings, notes)
    made = replace(made, manifest=made.manifest.model_copy(update={"name": settings.into.stem}))
    written = write_model(settings.into, replace(made, card=model_card(made)))
    return PackageReport(
        model=settings.into.as_posix(),
        digest=written.digest,
        origin=written.manifest.origin,
        task=written.recipe.task,
        classes=list(written.recipe.classes),
        runtimes=written.manifest.runtimes,
        notes=notes.said,
    )


class _Notes:
    """Passes progress on and keeps what was said."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self.said: list[str] = []

    def start(self, what: str, total: int | None = None) -> None:
        """A new piece of work begins."""
        self._progress.start(what, total)

    def advance(self, steps: int = 1) -> None:
        """So many more steps are done."""
        self._progress.advance(steps)

    def say(self, message: str) -> None:
        """Something a person should read now, and afterwards."""
        self.said.append(message)


def _require_place(settings: PackageSettings) -> None:
    if settings.into.suffix.lower() != ENDING:
        raise UsageError(f"`into` must end in {ENDING}, got {settings.into}")
    if settings.into.exists() and not settings.overwrite:
        raise UsageError(
            f"{settings.into} is there already", remedy="Choose another name, or replace it with `--overwrite`"
        )


def _of_run(settings: PackageSettings, notes: _Notes) -> Package:
    said = {"labels", "task", "label", "positive", "size", "channels", "range"} & settings.model_fields_set
    if said:
        raise UsageError(f"`{sorted(said)[0]}` is for .onnx files", why=f"{settings.source} is none")
    finished = read_model(find_model(settings.source))
    return _in_eight_bits(finished, settings, notes) if settings.int8 else finished


def _in_eight_bits(finished: Package, settings: PackageSettings, notes: _Notes) -> Package:
    """The package with an 8-bit graph, where that is worth it and its quality stays inside its interval."""
    from isocenter.stages._shared.eight_bits import quantised

    home = home_of(find_model(settings.source), finished)
    if home is None:
        raise UsageError(
            "Integers in 8 bits are made from training cases, and where those are is not known",
            why=f"no run of this model lies beside {settings.source}",
            remedy="Give the run that made it instead of its model file",
        )
    graph, runtimes = quantised(finished, home, notes)
    if graph is None:
        return replace(finished, graphs={name: one for name, one in finished.graphs.items() if name != INT8})
    manifest = finished.manifest.model_copy(update={"runtimes": runtimes})
    return replace(finished, manifest=manifest, graphs={**finished.graphs, INT8: graph})


def _of_foreign(settings: PackageSettings, notes: _Notes) -> Package:
    labels = _labels(settings)
    notes.start("Looking at the graph")
    wanted = Wanted(
        labels=labels, task=settings.task, size=settings.size, channels=settings.channels, range=settings.range
    )
    found = adopted(settings.source, wanted)
    for note in found.notes.values():
        notes.say(note)
    recipe = _recipe(settings, labels, found)
    decision = Decision(thresholds={})
    task: Task = registry.get(tasks, settings.task)
    examples = Examples(
        pixels=found.examples,
        logits=found.logits,
        decode=lambda logits: task.decode(logits, decision),
        call=lambda scores: decide.called(scores, recipe, decision, task.form),
    )
    runtimes = checked_runtimes(found.graphs, examples, progress=notes)
    return Package(
        manifest=Manifest(
            name=settings.into.stem,
            made=now(),
            program=version("isocenter") or "",
            origin=settings.source.name,
            runtimes=runtimes,
        ),
        recipe=recipe,
        label=LabelDefinition(
            name=settings.label,
            kind=_KINDS[settings.task],
            classes=tuple(ClassDefinition(name=name) for name in labels),
        ),
        decision=decision,
        reference=Reference(),
        record=begin().to_pass_on(),
        graphs=found.graphs,
    )


def _labels(settings: PackageSettings) -> tuple[str, ...]:
    labels = separated(settings.labels)
    if settings.task == "regress":
        if labels:
            raise UsageError("A model that estimates a number has no `labels`", remedy="Leave them out")
        return ()
    if len(set(labels)) != len(labels) or len(labels) < (2 if settings.task == "classify" else 1):
        raise UsageError(
            f"`labels` must name the classes, each once, got {', '.join(labels) or 'none'}",
            remedy="Name them in the order of the model's outputs, such as `--labels benign,malignant`",
        )
    if settings.positive is not None and settings.positive not in labels:
        raise registry.unknown("class", settings.positive, labels)
    return labels


def _recipe(settings: PackageSettings, labels: tuple[str, ...], found: Adopted) -> Recipe:
    """What is known of how a model from elsewhere wants its images."""
    steps = [StepRecipe(step="orient", settings={"dimensions": len(found.shape)})]
    if len(found.shape) == 2:
        steps.append(StepRecipe(step="grey" if found.channels == 1 else "colour"))
    steps.append(StepRecipe(step="resize", settings={"shape": list(found.shape)}))
    return Recipe(
        task=settings.task,
        label=settings.label,
        classes=labels,
        positive=settings.positive or (labels[1] if settings.task == "classify" and len(labels) == 2 else None),
        preparation=tuple(steps),
        input=InputRecipe(
            channels=("intensity",) if found.channels == 1 else ("red", "green", "blue"),
            shape=found.shape,
            stored="uint8",
            mean=found.mean,
            deviation=found.deviation,
        ),
        model=ModelRecipe(name="onnx"),
        reasons=found.notes,
    )
