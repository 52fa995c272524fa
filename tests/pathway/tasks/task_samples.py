"""What each task is tried on: a recipe, labels that it can learn from, and labels that it cannot."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from isocenter.core import registry
from isocenter.core.labels import (
    ClassDefinition,
    ClassesValue,
    ClassValue,
    Kind,
    LabelDefinition,
    NumberValue,
    TextValue,
    Unknown,
    Value,
)
from isocenter.core.recipe import InputRecipe, ModelRecipe, Recipe
from isocenter.pathway import tasks
from isocenter.pathway.tasks._shared import Task

NEVER = (None, Unknown(), TextValue(value="see report"), ClassValue(value="no such class"))


@dataclass(frozen=True)
class Sample:
    """One way of asking a task."""

    recipe: Recipe
    definition: LabelDefinition
    values: tuple[Value, ...]

    @property
    def task(self) -> Task:
        """The task that is asked."""
        task: Task = registry.get(tasks, self.recipe.task)
        return task

    @property
    def targets(self) -> NDArray[np.float32]:
        """The targets of all values, not yet encoded."""
        rows = [self.task.target(value, self.recipe) for value in self.values]
        return np.stack([row for row in rows if row is not None])


def recipe(task: str, classes: tuple[str, ...] = (), positive: str | None = None) -> Recipe:
    """A recipe that asks a task of some classes."""
    given = InputRecipe(channels=("image",), shape=(8, 8), mean=(0.0,), deviation=(1.0,))
    return Recipe(
        task=task, label="finding", classes=classes, positive=positive, input=given, model=ModelRecipe(name="any")
    )


def definition(kind: Kind, classes: tuple[str, ...] = (), unit: str | None = None) -> LabelDefinition:
    """A label of some classes, each with a code and a recommendation."""
    each = tuple(
        ClassDefinition(name=name, code=f"SCT:{place}", recommendation=f"Ask about {name}")
        for place, name in enumerate(classes)
    )
    return LabelDefinition(name="finding", kind=kind, classes=each, unit=unit)


TWO, GRADES, SEVERAL = ("benign", "malignant"), ("none", "mild", "moderate", "severe"), ("nodule", "effusion", "mass")
RANDOM = np.random.default_rng(3)


def _classes(names: tuple[str, ...]) -> tuple[Value, ...]:
    return tuple(ClassValue(value=names[place]) for place in RANDOM.permutation(np.arange(60) % len(names)))


def _several() -> tuple[Value, ...]:
    rows = RANDOM.random((60, len(SEVERAL)))
    return tuple(
        ClassesValue(
            values=tuple(name for name, draw in zip(SEVERAL, row, strict=True) if draw < 0.4),
            unknown=tuple(name for name, draw in zip(SEVERAL, row, strict=True) if draw > 0.9 and name != "nodule"),
        )
        for row in rows
    )


SAMPLES = {
    "classify two": Sample(recipe("classify", TWO, "malignant"), definition(Kind.CLASS, TWO), _classes(TWO)),
    "classify more": Sample(recipe("classify", GRADES), definition(Kind.CLASS, GRADES), _classes(GRADES)),
    "ordinal": Sample(recipe("ordinal", GRADES), definition(Kind.CLASS, GRADES), _classes(GRADES)),
    "ordinal two": Sample(recipe("ordinal", TWO), definition(Kind.CLASS, TWO), _classes(TWO)),
    "multilabel": Sample(recipe("multilabel", SEVERAL), definition(Kind.CLASSES, SEVERAL), _several()),
    "regress": Sample(
        recipe("regress"),
        definition(Kind.NUMBER, unit="ml"),
        tuple(NumberValue(value=float(value)) for value in RANDOM.normal(120.0, 30.0, 60)),
    ),
}
