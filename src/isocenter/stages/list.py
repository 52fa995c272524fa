"""List what Isocenter knows of a kind: formats, layouts, tasks, models, metrics and others."""

from __future__ import annotations

from types import ModuleType

from pydantic import BaseModel

from isocenter.core import registry
from isocenter.core.progress import Progress
from isocenter.core.settings import Settings, Subject, verb
from isocenter.data import archives, formats, layouts
from isocenter.delivery import runtimes
from isocenter.evidence import explainers, metrics
from isocenter.learning import models
from isocenter.pathway import features, prepare, tasks

KINDS: dict[str, ModuleType] = {
    "archives": archives,
    "explainers": explainers,
    "features": features,
    "formats": formats,
    "layouts": layouts,
    "metrics": metrics,
    "models": models,
    "runtimes": runtimes,
    "steps": prepare,
    "tasks": tasks,
}


class ListSettings(Settings):
    """Which kind to list."""

    kind: Subject[str | None] = None
    """archives, explainers, features, formats, layouts, metrics, models, runtimes, steps or tasks; all unless given."""


class Entry(BaseModel):
    """One thing on a shelf."""

    name: str
    blurb: str


class Shelves(BaseModel):
    """What stands on each shelf."""

    version: int = 1
    kinds: dict[str, list[Entry]]


@verb(ListSettings)
def list_kinds(settings: ListSettings, _progress: Progress) -> Shelves:
    """List what Isocenter knows of a kind, read from the files without loading them."""
    wanted = list(KINDS) if settings.kind is None else [settings.kind]
    if wanted[0] not in KINDS:
        raise registry.unknown("kind", wanted[0], KINDS)
    return Shelves(kinds={kind: _entries(KINDS[kind]) for kind in wanted})


def _entries(shelf: ModuleType) -> list[Entry]:
    return [Entry(name=name, blurb=registry.blurb(shelf, name)) for name in registry.names(shelf)]
