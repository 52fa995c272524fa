"""Trials: before it trains in earnest, a cohort is asked how strongly its images may be varied.

Each strength trains one network for a few steps on the same cases and is judged on the same others. New scanners and
new hospitals differ from those in the cohort, which no held-out case of it can show; so the strongest variation is
kept that costs nothing worth speaking of, and not the one that looks best by a hair.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch

from isocenter.core.progress import Progress
from isocenter.core.recipe import AugmentationRecipe, Recipe
from isocenter.learning.build import build_model, input_form
from isocenter.learning.training.log import Log
from isocenter.learning.training.loop import Lesson, predicted, train
from isocenter.learning.training.members import Part, School

TOLERATED = 0.01
"""What share of the score (AUROC and the like) robustness may cost: networks that are varied more learn more slowly, so
that a short trial shows them a little worse than they end."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the trials came to."""

    chosen: str
    scores: Mapping[str, float]

    @property
    def reason(self) -> str:
        """The decision in a sentence."""
        told = ", ".join(f"{name} {score:.3f}" for name, score in self.scores.items())
        return f"The strongest that costs less than {TOLERATED:.0%} of the score in a short trial ({told})."


def tried(school: School, strengths: Mapping[str, AugmentationRecipe], part: Part, progress: Progress) -> Outcome:
    """Try each strength, the mildest first, and choose.

    Args:
        school: what all members share; its recipe says for how many steps to try.
        strengths: name to variations, the mildest first.
        part: which cases to learn from and to be judged by.
        progress: told of each step.
    """
    steps = school.recipe.augmentation.trial
    torch.set_num_threads(school.recipe.compute.threads)
    progress.start("Trying variations", steps * len(strengths))
    scores = {
        name: _score(school, _trial_recipe(school.recipe, one, steps), part, f"trial-{name}", progress)
        for name, one in strengths.items()
    }
    best = np.nanmax([*scores.values(), -np.inf])
    fit = [name for name, score in scores.items() if score >= best - TOLERATED * abs(best)]
    return Outcome(chosen=fit[-1] if fit else next(iter(strengths)), scores=scores)


def _trial_recipe(recipe: Recipe, variation: AugmentationRecipe, steps: int) -> Recipe:
    short = recipe.model_copy(update={"augmentation": variation})
    return short.changed("training", steps=steps, looks=1, patience=0)


def _score(school: School, recipe: Recipe, part: Part, name: str, progress: Progress) -> float:
    torch.manual_seed(int(np.random.default_rng([recipe.seed, 3]).integers(2**62)))
    network = build_model(recipe.model, input_form(recipe), school.outputs)
    lesson = Lesson(
        material=school.material,
        learned=part.learned,
        judged=part.judged,
        recipe=recipe,
        loss=school.loss,
        judge=school.judge,
        checkpoint=school.folder / f"{name}.safetensors" if school.folder else None,
        log=Log(),
        seconds=school.seconds,
    )
    trained = train(network, lesson, progress)
    logits = predicted(trained, school.material.pixels, part.judged, torch.device(recipe.compute.device))
    return school.judge(logits, school.material.targets[part.judged])[0]


def without_trial(school: School, chosen: AugmentationRecipe, reason: str) -> School:
    """The school with the chosen variations and their reason; nothing is left to try."""
    recipe = school.recipe
    reasons = recipe.reasons | {"augmentation": reason}
    settled = recipe.model_copy(update={"augmentation": chosen.model_copy(update={"trial": 0}), "reasons": reasons})
    return replace(school, recipe=settled)
