"""Write the recipe that a training would follow, with a reason for each decision."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from isocenter.core.errors import UsageError
from isocenter.core.fingerprint import Fingerprint
from isocenter.core.progress import Progress
from isocenter.core.recipe import Recipe
from isocenter.core.settings import Subject, verb
from isocenter.data.catalogue.store import open_cohort
from isocenter.learning.planning.wishes import Wishes
from isocenter.stages._shared.pacing import pace
from isocenter.stages._shared.planned import planned
from isocenter.storage.atomic import write_text


class PlanSettings(Wishes):
    """What is to be learned from which cohort."""

    cohort: Subject[Path]
    """A cohort folder, as `isocenter ingest` makes it."""
    into: Path | None = None
    """Where to write the recipe, such as recipe.yaml."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A recipe, and what it was made from."""

    recipe: Recipe
    fingerprint: Fingerprint
    path: Path | None = None


@verb(PlanSettings)
def plan(settings: PlanSettings, progress: Progress) -> Plan:
    """Look at a cohort and this machine, and write the recipe that training would use, with the reason for each step.

    The test split is counted and not looked at. The recipe is a file to be read and changed; `train --recipe` takes it.
    """
    if settings.into is not None and settings.into.suffix.lower() not in {".yaml", ".yml"}:
        raise UsageError(f"{settings.into} cannot be a recipe", remedy="End it in .yaml")
    cohort = open_cohort(settings.cohort)
    known, recipe = planned(cohort, settings, progress, pace=pace)
    if settings.into is not None:
        write_text(settings.into, recipe.to_yaml())
    return Plan(recipe=recipe, fingerprint=known, path=settings.into)
