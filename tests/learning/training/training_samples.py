"""A small lesson that is learned in a second: bright or dark squares in noise."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from isocenter.core.recipe import (
    AugmentationRecipe,
    ComputeRecipe,
    InputRecipe,
    ModelRecipe,
    Recipe,
    TrainingRecipe,
)
from isocenter.learning.training.batches import Material
from isocenter.learning.training.log import Log
from isocenter.learning.training.members import Part, School
from isocenter.pathway.tasks._shared import Floats, LossSettings
from isocenter.pathway.tasks.classify import TASK


def squares(count: int = 24, *, channels: int = 1, seed: int = 0) -> Material:
    """Half of the pictures have a bright square, half a dark one."""
    rng = np.random.default_rng(seed)
    pixels = rng.integers(90, 110, (count, channels, 12, 12)).astype(np.uint8)
    bright = np.arange(count) % 2
    for row in range(count):
        top, left = rng.integers(1, 7, 2)
        pixels[row, :, top : top + 4, left : left + 4] = 180 if bright[row] else 20
    return Material(pixels=pixels, targets=np.eye(2, dtype=np.float32)[bright])


def recipe(**training: Any) -> Recipe:
    """A narrow convolutional network, a few steps, every variation switched on."""
    given = {"steps": 12, "batch": 8, "looks": 3, "average": 0.9, "learning_rate": 3e-3} | training
    return Recipe(
        task="classify",
        label="class",
        classes=("dark", "bright"),
        input=InputRecipe(channels=("intensity",), shape=(12, 12), stored="uint8", mean=(100.0,), deviation=(30.0,)),
        model=ModelRecipe(name="cnn", settings={"dropout": 0.2}),
        augmentation=AugmentationRecipe(
            rotation=10, scaling=0.1, shift=0.05, mirrored=("x",), brightness=0.1, noise=0.1, erased=0.3, mixup=0.2
        ),
        training=TrainingRecipe.model_validate(given),
        compute=ComputeRecipe(threads=1),
    )


def accuracy(logits: Floats, targets: Floats) -> tuple[float, dict[str, float]]:
    """The share of the cases that are right."""
    right = float((logits.argmax(1) == targets.argmax(1)).mean())
    return right, {"accuracy": right}


def school(
    folder: Path | None = None, *, material: Material | None = None, members: int = 1, **training: Any
) -> School:
    """A school of so many members, each judged by every `members`-th case, or by the last third where there is one."""
    cases = material or squares()
    rows = np.arange(len(cases))
    if members == 1:
        parts = [Part(learned=rows[: -len(rows) // 3], judged=rows[-len(rows) // 3 :])]
    else:
        parts = [
            Part(learned=rows[rows % members != one], judged=rows[rows % members == one]) for one in range(members)
        ]
    settings = LossSettings(class_weights=(1.0, 1.0), smoothing=0.05)
    return School(
        material=cases,
        parts=parts,
        recipe=recipe(**training),
        outputs=2,
        combine="softmax",
        loss=lambda logits, targets: TASK.loss(logits, targets, settings),
        judge=accuracy,
        folder=folder,
        log=Log(folder / "log.jsonl" if folder else None),
        seconds=0.0,
    )
