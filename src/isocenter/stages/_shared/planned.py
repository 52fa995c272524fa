"""From a cohort and a person's wishes to a recipe whose steps have learned what they learn from training cases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress

import numpy as np

from isocenter.core.case import Case
from isocenter.core.cohort import Cohort
from isocenter.core.errors import CohortProblem, Unreadable, UsageError
from isocenter.core.fingerprint import Fingerprint
from isocenter.core.image import Image
from isocenter.core.labels import Unknown
from isocenter.core.progress import Progress, tracked
from isocenter.core.recipe import Recipe, StepRecipe
from isocenter.data.catalogue.pixels import Pixels
from isocenter.data.fingerprint import fingerprint
from isocenter.learning.build import checked_settings
from isocenter.learning.device import with_gpu
from isocenter.learning.planning.overrides import overridden
from isocenter.learning.planning.rules import Pace, plan
from isocenter.learning.planning.wishes import Wishes
from isocenter.pathway.preparation import fit_steps
from isocenter.stages._shared.material import task_named

SAMPLED = 200
"""Training cases from which the steps learn; spread evenly over all of them."""


def planned(
    cohort: Cohort, wishes: Wishes, progress: Progress, *, pace: Pace | None = None
) -> tuple[Fingerprint, Recipe]:
    """A complete recipe, and what it was made from."""
    known = fingerprint(cohort, label=wishes.label, progress=progress)
    known = known.model_copy(update={"machine": with_gpu(known.machine)})
    if not known.cases.get("train"):
        raise UsageError(
            f"{cohort.name} has no labelled training cases",
            why=f"of {len(cohort)} cases none in the split `train` carries the label `{known.label}`",
            remedy="Ingest labels with the images; `isocenter show` counts them",
        )
    draft = overridden(plan(known, wishes, pace=pace), wishes.set)
    checked_settings(draft.model)
    task_named(draft.task)
    return known, learned_from(cohort, draft, progress)


def learned_from(cohort: Cohort, recipe: Recipe, progress: Progress) -> Recipe:
    """The recipe after its steps and its normalisation have learned from training cases."""
    labelled = [case for case in cohort.split("train") if case.images and _known(case, recipe.label)]
    spread = np.unique(np.linspace(0, len(labelled) - 1, min(SAMPLED, len(labelled))).round().astype(int))
    cases = _decoded(cohort, [labelled[place] for place in spread], progress)
    steps, images = _fitted(recipe, cases, cohort)
    pixels = [image.array.reshape(image.array.shape[0], -1).astype(np.float64) for image in images]
    mean = np.mean([one.mean(axis=1) for one in pixels], axis=0)
    square = np.mean([(one**2).mean(axis=1) for one in pixels], axis=0)
    deviation = np.sqrt(np.maximum(square - mean**2, 0))
    learned = recipe.changed(
        "input",
        mean=tuple(round(float(one), 6) for one in mean),
        # A channel that is the same everywhere tells nothing; dividing by 1 keeps it harmless.
        deviation=tuple(round(float(one), 6) if one > 1e-6 else 1.0 for one in deviation),
    )
    return learned.model_copy(update={"preparation": steps})


def _known(case: Case, label: str) -> bool:
    value = case.label(label)
    return value is not None and not isinstance(value, Unknown)


def _decoded(cohort: Cohort, cases: Sequence[Case], progress: Progress) -> list[dict[str, Image]]:
    """The images of some cases; those that cannot be read are told when the arrays are made."""
    pixels = Pixels(cohort)
    found = []
    try:
        for case in tracked(cases, progress, "Learning the preparation from training cases", len(cases)):
            with suppress(Unreadable):
                found.append({name: pixels.image(facts, keep=False) for name, facts in case.images.items()})
    finally:
        pixels.close()
    return found


def _fitted(
    recipe: Recipe, cases: Sequence[Mapping[str, Image]], cohort: Cohort
) -> tuple[tuple[StepRecipe, ...], list[Image]]:
    """The steps after learning; a case that a step refuses teaches nothing and does not stop the others."""
    try:
        return fit_steps(recipe.preparation, cases, recipe.input.channels)
    except UsageError:
        usable = [case for case in cases if _can_be_prepared(case, recipe)]
    if not usable:
        raise CohortProblem(
            f"None of the training cases of {cohort.name} can be prepared",
            remedy="`isocenter show` tells which files cannot be read; look at `preparation` in the recipe",
        )
    return fit_steps(recipe.preparation, usable, recipe.input.channels)


def _can_be_prepared(case: Mapping[str, Image], recipe: Recipe) -> bool:
    try:
        fit_steps(recipe.preparation, [case], recipe.input.channels)
    except UsageError:
        return False
    return True
