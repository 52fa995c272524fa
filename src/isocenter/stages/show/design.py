"""What is asked of a case, from which pixels, and of what network: the part that models and runs have in common."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from isocenter.core import registry
from isocenter.core.recipe import Recipe
from isocenter.pathway import tasks


class InputShown(BaseModel):
    """The pixels that are looked at, after preparation."""

    channels: list[str]
    shape: list[int]
    """Rows and columns; slices, rows and columns of a volume."""
    modalities: list[str] = []
    """DICOM's words for the kinds of image; empty where no file said."""


class NetworkShown(BaseModel):
    """What learns."""

    name: str
    settings: dict[str, Any] = {}
    members: int
    """How many are trained and averaged."""
    parameters: int | None = None
    """Numbers that were learned, over all members; null where no weights are there to be counted."""


class Design(BaseModel):
    """A recipe in short."""

    task: str
    label: str
    classes: list[str] = []
    positive: str | None = None
    """Of two classes, the one that is asked for."""
    input: InputShown
    network: NetworkShown


def design(recipe: Recipe, *, parameters: int | None = None) -> dict[str, Any]:
    """The values of a `Design`."""
    return {
        "task": recipe.task,
        "label": recipe.label,
        "classes": list(recipe.classes),
        "positive": _positive(recipe),
        "input": InputShown(
            channels=list(recipe.input.channels),
            shape=list(recipe.input.shape),
            modalities=list(recipe.input.modalities),
        ),
        "network": NetworkShown(
            name=recipe.model.name,
            settings=recipe.model.settings,
            members=recipe.model.members,
            parameters=parameters,
        ),
    }


def form_of(recipe: Recipe) -> str:
    """The form of the answers: `classes`, `several` or `number`; empty for a task that is not installed here."""
    return str(registry.get(tasks, recipe.task).form) if recipe.task in registry.names(tasks) else ""


def _positive(recipe: Recipe) -> str | None:
    """As deciding takes it: the second of two classes unless the recipe names one."""
    if form_of(recipe) != "classes" or len(recipe.classes) != 2:
        return None
    return recipe.positive or recipe.classes[1]
