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
from numpy.typing import NDArray

from isocenter.core.progress import Progress
from isocenter.core.recipe import AugmentationRecipe, Recipe
from isocenter.learning.build import build_model, input_form
from isocenter.learning.device import prepare_device
from isocenter.learning.training.log import Log
from isocenter.learning.training.loop import Lesson, predicted, train
from isocenter.learning.training.members import Part, School

TOLERATED = 0.01
"""What share of the score (AUROC and the like) robustness may cost: networks that are varied more learn more slowly, so
that a short trial shows them a little worse than they end."""

REPEATS = 200
"""How often judged cases are drawn again, to learn how far two scores differ by chance."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the trials came to.

    Attributes:
        chosen: the strength that is kept.
        scores: of each strength.
        cases: how many cases judged.
    """

    chosen: str
    scores: Mapping[str, float]
    cases: int

    @property
    def reason(self) -> str:
        """The decision in a sentence."""
        told = ", ".join(f"{name} {score:.3f}" for name, score in self.scores.items())
        return (
            f"The strongest whose score in a short trial lies within one standard error, or {TOLERATED:.0%}, of the "
            f"best ({told}; on the {self.cases} cases that judge the first member)."
        )


def tried(school: School, strengths: Mapping[str, AugmentationRecipe], part: Part, progress: Progress) -> Outcome:
    """Try each strength, the mildest first, and choose.

    Args:
        school: what all members share; its recipe says for how many steps to try.
        strengths: name to variations, the mildest first.
        part: which cases to learn from and to be judged by.
        progress: told of each step.
    """
    steps = school.recipe.augmentation.trial
    prepare_device(school.recipe)
    progress.start("Trying variations", steps * len(strengths))
    said = {
        name: _said(school, _trial_recipe(school.recipe, one, steps), part, f"trial-{name}", progress)
        for name, one in strengths.items()
    }
    return _chosen(school, said, school.material.targets[part.judged])


def _chosen(school: School, said: Mapping[str, NDArray[np.float32]], targets: NDArray[np.float32]) -> Outcome:
    scores = {name: school.judge(logits, targets)[0] for name, logits in said.items()}
    known = {name: score for name, score in scores.items() if not np.isnan(score)}
    if not known:
        return Outcome(chosen=next(iter(said)), scores=scores, cases=len(targets))
    best = max(known, key=lambda name: known[name])
    margin = TOLERATED * abs(known[best])
    fit = [
        name
        for name, score in known.items()
        if known[best] - score <= max(margin, _standard_error(school, said[best], said[name], targets))
    ]
    return Outcome(chosen=fit[-1], scores=scores, cases=len(targets))


def _standard_error(
    school: School, one: NDArray[np.float32], other: NDArray[np.float32], targets: NDArray[np.float32]
) -> float:
    """How far the difference of two scores moves when the judged cases are drawn again, the same for both."""
    rng = np.random.default_rng([school.recipe.seed, 4])
    draws = rng.integers(0, len(targets), (REPEATS, len(targets)))
    apart = [school.judge(one[rows], targets[rows])[0] - school.judge(other[rows], targets[rows])[0] for rows in draws]
    known = np.array([value for value in apart if not np.isnan(value)])
    return float(known.std()) if len(known) > 1 else 0.0


def _trial_recipe(recipe: Recipe, variation: AugmentationRecipe, steps: int) -> Recipe:
    short = recipe.model_copy(update={"augmentation": variation})
    return short.changed("training", steps=steps, looks=1, patience=0)


def _said(school: School, recipe: Recipe, part: Part, name: str, progress: Progress) -> NDArray[np.float32]:
    """What a network says of the judged cases after a short training."""
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
        data=school.data,
    )
    trained = train(network, lesson, progress)
    return predicted(trained, school.material.pixels, part.judged, torch.device(recipe.compute.device))


def without_trial(school: School, chosen: AugmentationRecipe, reason: str) -> School:
    """The school with the chosen variations and their reason; nothing is left to try."""
    recipe = school.recipe
    reasons = recipe.reasons | {"augmentation": reason}
    settled = recipe.model_copy(update={"augmentation": chosen.model_copy(update={"trial": 0}), "reasons": reasons})
    return replace(school, recipe=settled)
