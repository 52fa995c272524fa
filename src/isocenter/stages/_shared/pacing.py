"""How fast this machine trains a recipe's network, before there is anything to train on."""

from __future__ import annotations

import numpy as np

from isocenter.core.recipe import Recipe
from isocenter.learning.training.batches import Material
from isocenter.learning.training.forecast import probe
from isocenter.learning.training.log import Log
from isocenter.learning.training.members import Part, School
from isocenter.pathway.tasks._shared import LossSettings
from isocenter.stages._shared.material import task_named


def pace(recipe: Recipe) -> float:
    """Seconds for one step measured on made-up pixels."""
    task = task_named(recipe.task)
    count = max(recipe.training.batch, 2)
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 255, (count, *recipe.input.given_shape))
    targets = rng.uniform(0, 1, (count, task.width(recipe))).astype(np.float32)
    rows = np.arange(count)
    weights = task.weights(task.encode(targets, task.decision_from(targets)), "none")
    settings = LossSettings(class_weights=weights)
    school = School(
        material=Material(pixels=pixels.astype(recipe.input.given_type), targets=targets),
        parts=[Part(learned=rows, judged=rows[:0])],
        recipe=recipe.changed("training", accumulate=1),
        outputs=task.outputs(recipe),
        combine=task.combine,
        loss=lambda logits, given: task.loss(logits, given, settings),
        judge=lambda *_: (0.0, {}),
        log=Log(),
    )
    return probe(school).step * recipe.training.accumulate
