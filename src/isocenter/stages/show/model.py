"""A model file: what it answers, from which images, how it decides, how well it did, and what it runs on."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel

from isocenter.core.reading import Measure
from isocenter.core.recipe import Recipe
from isocenter.delivery.modelfile.package import Package, RuntimeChoice
from isocenter.delivery.modelfile.weights import parameters
from isocenter.pathway import decide
from isocenter.pathway.decide import Decision
from isocenter.stages.show.design import Design, design, form_of

_FOLDS = (
    "Each validation case was judged by the one member that had not learned from it; the model is the mean of its "
    "members, of which these numbers do not speak."
)


class DecisionShown(BaseModel):
    """How outputs become findings."""

    temperature: float = 1.0
    """What calibration divides by; 1 where nothing was calibrated."""
    thresholds: dict[str, float] = {}
    """By class, the probability from which on it is called; empty where the likeliest is."""
    shift: dict[str, float] = {}
    """By class, the logarithm of how much more it counted in training, taken off again; empty where all were alike."""
    offset: float = 0.0
    """Of a number, what is added to the scaled output."""
    scale: float = 1.0
    """Of a number, what the output is multiplied by to be in its unit."""


class _Named(BaseModel):
    """What stands first in the document."""

    version: int = 1
    kind: Literal["model"] = "model"
    name: str


class ModelShown(Design, _Named):
    """A model in short; the document that `show MODEL --json` prints."""

    model: str
    """Where the file lies."""
    size: int
    """Its bytes."""
    digest: str
    """SHA-256 of the file."""
    made: str
    program: str
    """Which version of Isocenter wrote it."""
    origin: str
    """`isocenter`, or the name of the file that was brought in from elsewhere."""
    unit: str | None = None
    decision: DecisionShown
    validation: list[Measure] = []
    """What was measured on validation cases, which also helped to choose it."""
    runtimes: list[RuntimeChoice] = []
    """Those that answered like the trained network, the fastest first."""
    cohort: str = ""
    """The name of the cohort that it was trained on."""
    cases: dict[str, int] = {}
    """Cases used of each split."""
    left_out: dict[str, int] = {}
    """Cases left out, by reason."""
    prevalence: dict[str, float] = {}
    """Share of each class among the training cases."""
    seed: int = 0
    seconds: float = 0.0
    """How long training took."""
    notes: list[str] = []
    files: list[str] = []
    """The card, where it was written."""


def shown(path: Path, package: Package) -> ModelShown:
    """Everything worth knowing of a model file that was read."""
    manifest, recipe, record, reference = package.manifest, package.recipe, package.record, package.reference
    learned = None if package.weights is None else parameters(package.weights, source=str(path))
    return ModelShown(
        **design(recipe, parameters=learned),
        name=manifest.name,
        model=path.as_posix(),
        size=path.stat().st_size,
        digest=package.digest,
        made=manifest.made,
        program=manifest.program,
        origin=manifest.origin,
        unit=package.label.unit,
        decision=_decision(recipe, package.decision),
        validation=reference.validation,
        runtimes=manifest.runtimes,
        cohort=record.cohort_name,
        cases=record.cases,
        left_out=record.left_out,
        prevalence=reference.prevalence,
        seed=record.seed,
        seconds=record.seconds,
        notes=_notes(package),
    )


def _decision(recipe: Recipe, decision: Decision) -> DecisionShown:
    several = dict.fromkeys(recipe.classes, decide.EVEN) if form_of(recipe) == "several" else {}
    return DecisionShown(
        temperature=decision.temperature,
        thresholds={**several, **decision.thresholds},
        shift=dict(zip(recipe.classes, decision.shift, strict=False)),
        offset=decision.offset,
        scale=decision.scale,
    )


def _notes(package: Package) -> list[str]:
    """What a person should know of the numbers."""
    if not package.reference.validation:
        return ["Nothing was measured when this file was made: judge it on cases of your own before use."]
    folds = package.recipe.validation.design == "folds" and package.recipe.model.members > 1
    return [_FOLDS] if folds else []
