"""From the cases of a cohort to what a model learns from: prepared pixels, targets, and who may learn from whom."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isocenter.core import registry
from isocenter.core.case import Case
from isocenter.core.cohort import Cohort
from isocenter.core.errors import UsageError
from isocenter.core.progress import Progress
from isocenter.core.recipe import Recipe
from isocenter.data.arrays import prepared_cases
from isocenter.data.catalogue.splits import Member, folds
from isocenter.pathway import tasks
from isocenter.pathway.entrance import Entrance
from isocenter.pathway.tasks._shared import Decision, Floats, Task
from isocenter.stages._shared.marks import marks


@dataclass(frozen=True, slots=True, kw_only=True)
class Lot:
    """Prepared cases with their targets.

    Attributes:
        cases: in the order of the arrays.
        pixels: (cases, channels, [slices,] rows, columns), as stored; mapped from disk.
        targets: (cases, width), as the labels say.
        left_out: how many cases could not be used, by reason.
        marks: of the content of each case, see `marks`.
    """

    cases: Sequence[Case]
    pixels: NDArray[Any]
    targets: Floats
    left_out: dict[str, int]
    marks: NDArray[np.uint64]

    def rows(self, split: str) -> NDArray[np.int64]:
        """The rows of one split."""
        return np.array([row for row, case in enumerate(self.cases) if case.split == split], dtype=np.int64)


def task_named(name: str) -> Task:
    """A task on the shelf."""
    task: Task = registry.get(tasks, name)
    return task


def gathered(cohort: Cohort, recipe: Recipe, splits: Sequence[str], progress: Progress) -> Lot:
    """The labelled cases of some splits, prepared as the recipe says."""
    task = task_named(recipe.task)
    left_out: Counter[str] = Counter()
    labelled: list[Case] = []
    targets: dict[str, Floats] = {}
    for case in cohort.cases:
        if case.split not in splits:
            continue
        target = task.target(case.label(recipe.label), recipe)
        if target is None:
            left_out[f"no usable label `{recipe.label}`"] += 1
        else:
            labelled.append(case)
            targets[case.key] = target
    entrance = Entrance(recipe)
    prepared = prepared_cases(
        cohort,
        labelled,
        lambda channels: entrance.prepare(channels).array,
        key=entrance.key,
        shape=recipe.input.array_shape,
        dtype=recipe.input.stored,
        progress=progress,
    )
    left_out.update(Counter(prepared.refused.values()))
    if not prepared.cases:
        raise UsageError(
            f"No case of {cohort.name} can be used",
            why="; ".join(f"{count} x {reason}" for reason, count in left_out.most_common(3)) or "it has no such split",
            remedy=f"`isocenter show {cohort.folder}` tells what is there",
        )
    rows = np.stack([targets[case.key] for case in prepared.cases]).astype(np.float32)
    return Lot(
        cases=prepared.cases,
        pixels=prepared.array,
        targets=rows,
        left_out=dict(left_out),
        marks=marks(cohort, prepared.cases, progress),
    )


def evenly(count: int, most: int) -> NDArray[np.int64]:
    """At most so many of `count` rows, spread evenly over all of them."""
    rows: NDArray[np.int64] = np.unique(np.linspace(0, count - 1, min(most, count)).round().astype(np.int64))
    return rows


def fold_of(lot: Lot, recipe: Recipe, decision: Decision) -> NDArray[np.int64]:
    """The fold of each row, by patient and balanced by what is learned."""
    task = task_named(recipe.task)
    encoded = task.encode(lot.targets, decision)
    members = [
        Member(case.key, case.patient, case.group, task.stratum(encoded[row]), None)
        for row, case in enumerate(lot.cases)
    ]
    given = folds(members, count=recipe.validation.folds, seed=recipe.seed)
    return np.array([given[case.key] for case in lot.cases], dtype=np.int64)
