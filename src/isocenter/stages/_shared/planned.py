"""From a cohort and a person's wishes to a recipe whose steps have learned what they learn from training cases."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from math import prod
from statistics import median

import numpy as np
from numpy.typing import NDArray

from isocenter.core.case import Case
from isocenter.core.cohort import Cohort
from isocenter.core.errors import CohortProblem, Unreadable, UsageError
from isocenter.core.fingerprint import Fingerprint
from isocenter.core.image import Image
from isocenter.core.labels import Unknown
from isocenter.core.progress import Progress, tracked
from isocenter.core.recipe import Recipe
from isocenter.data.catalogue.pixels import Pixels
from isocenter.data.fingerprint import fingerprint
from isocenter.learning.build import checked_settings
from isocenter.learning.device import with_gpu
from isocenter.learning.planning.overrides import overridden
from isocenter.learning.planning.rules import Pace, plan
from isocenter.learning.planning.wishes import Wishes
from isocenter.pathway.given import with_features
from isocenter.pathway.preparation import Preparation, fit_steps
from isocenter.stages._shared.beginning import network_of, with_digest
from isocenter.stages._shared.material import task_named

SAMPLED = 200
"""Training cases from which the steps learn; spread evenly over all of them."""

SAMPLED_VOXELS = 100_000_000
"""All sampled cases are in memory at once: fewer are taken where they are large, but never fewer than `FEWEST`."""

FEWEST = 8


def planned(
    cohort: Cohort, wishes: Wishes, progress: Progress, *, pace: Pace | None = None
) -> tuple[Fingerprint, Recipe]:
    """A complete recipe, and what it was made from."""
    known = fingerprint(cohort, label=wishes.label, progress=progress)
    known = known.model_copy(update={"machine": with_gpu(known.machine)})
    # What is set by hand decides how fast it goes, too.
    timed = None if pace is None else lambda recipe: pace(overridden(recipe, wishes.set))
    draft = overridden(plan(known, wishes, pace=timed, begun=network_of(wishes.weights)), wishes.set)
    checked_settings(draft.model)
    task_named(draft.task)
    return known, learned_from(cohort, with_digest(draft, cohort, progress), progress)


def learned_from(cohort: Cohort, recipe: Recipe, progress: Progress) -> Recipe:
    """The recipe after its steps and its normalisation have learned from training cases."""
    cases = _decoded(cohort, _spread(cohort, recipe.label), progress)
    if not cases:
        raise CohortProblem(
            f"None of the training cases of {cohort.name} can be read",
            remedy="`isocenter show` tells which files are missing, changed or damaged",
        )
    steps, images = fit_steps(recipe.preparation, cases, recipe.input.channels)
    learned = recipe.model_copy(update={"preparation": steps, "input": with_features(recipe.input, images)})
    mean, deviation = _normalisation(learned, cases)
    return learned.changed("input", mean=mean, deviation=deviation)


def _normalisation(recipe: Recipe, cases: Sequence[Mapping[str, Image]]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and deviation of each channel over the cases that have it."""
    count = len(recipe.input.channels)
    sums, squares, pixels = np.zeros(count), np.zeros(count), np.zeros(count)
    for array, missing in _prepared(recipe, cases):
        for channel in range(count):
            if recipe.input.channels[channel] not in missing:
                values = array[channel].astype(np.float64)
                sums[channel] += values.sum()
                squares[channel] += (values**2).sum()
                pixels[channel] += values.size
    seen = np.maximum(pixels, 1)
    mean = sums / seen
    deviation = np.sqrt(np.maximum(squares / seen - mean**2, 0))
    # A channel that is the same everywhere tells nothing; dividing by 1 keeps it harmless.
    return (
        tuple(round(float(one), 6) for one in mean),
        tuple(round(float(one), 6) if one > 1e-6 else 1.0 for one in deviation),
    )


def _prepared(
    recipe: Recipe, cases: Sequence[Mapping[str, Image]]
) -> Iterator[tuple[NDArray[np.generic], tuple[str, ...]]]:
    preparation = Preparation(recipe.preparation, recipe.input)
    for case in cases:
        with suppress(UsageError):  # told and counted when all cases are prepared
            prepared = preparation.apply(case)
            yield prepared.array, prepared.missing


def _spread(cohort: Cohort, label: str) -> list[Case]:
    """Labelled training cases, spread evenly over all, as many as memory bears."""
    labelled = [case for case in cohort.split("train") if case.images and _known(case, label)]
    if not labelled:
        return []
    voxels = median(sum(prod(facts.shape) for facts in case.images.values()) for case in labelled)
    count = min(len(labelled), SAMPLED, max(FEWEST, int(SAMPLED_VOXELS / max(voxels, 1))))
    places = np.unique(np.linspace(0, len(labelled) - 1, count).round().astype(int))
    return [labelled[place] for place in places]


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
