"""Which cases may judge a model: labelled, of classes that it knows, readable, and not among those it learned from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isocenter.core.case import Case
from isocenter.core.cohort import Cohort
from isocenter.core.errors import UsageError
from isocenter.core.labels import ClassValue, Kind, Unknown
from isocenter.core.progress import Progress, Silent
from isocenter.core.recipe import Recipe
from isocenter.core.words import counted, listed
from isocenter.data.arrays import prepared_cases
from isocenter.data.catalogue.folder import is_cohort
from isocenter.data.catalogue.splits import blocks_of
from isocenter.data.catalogue.store import Catalogue, open_cohort
from isocenter.data.looks import ALL
from isocenter.delivery.modelfile.package import Package
from isocenter.delivery.reader import Reader
from isocenter.delivery.reports.evaluation import Note
from isocenter.evidence.metrics._shared import Answers
from isocenter.pathway.tasks._shared import Floats, Task
from isocenter.stages._shared.deciding import Judged, answers
from isocenter.stages._shared.marks import known, marks
from isocenter.stages._shared.material import evenly, task_named

LEARNED_FROM = ("train", "val")

SAMPLED, SHARED = 16, 0.75
"""Cases by which a cohort is told to be the one that a model learned from, and how many of them it must know."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """The cases that judge.

    Attributes:
        cohort: where they are from.
        own: whether it is the cohort that the model was trained on.
        cases, pixels, targets: in one order.
        left_out: how many may not judge, by reason, said by a sentence of the report or by whoever refused.
        notes: what a person should know of them.
    """

    cohort: Cohort
    own: bool
    cases: Sequence[Case]
    pixels: NDArray[Any]
    targets: Floats
    left_out: list[tuple[Note | str, int]]
    notes: list[Note]

    @property
    def patients(self) -> NDArray[np.str_]:
        """The patient of each case."""
        return np.array([case.patient for case in self.cases])

    @property
    def blocks(self) -> NDArray[np.int64]:
        """What intervals are drawn by: the patient of each case, patients with near-duplicate images as one."""
        return blocks_of(self.cases)


def cohort_of(place: Path | None, package: Package, home: Path | None) -> tuple[Cohort, bool]:
    """The cohort to judge on, and whether it is the one that the model was trained on, or a copy of it.

    Args:
        place: the cohort that is asked for, if one is.
        package: the model.
        home: the folder of the cohort that it was trained on, where that is known.
    """
    if place is None:
        if home is None or not is_cohort(home):
            raise UsageError(
                "Which cohort is the model to be judged on?",
                why=f"the one that it was trained on ({home}) is not here"
                if home
                else "a model file does not name its own, and no run lies beside it",
                remedy="Name it after the model: `isocenter evaluate MODEL COHORT`",
            )
        place = home
    cohort = open_cohort(place)
    own = home is not None and place.resolve() == home.resolve()
    return cohort, own or _holds_learned(cohort, package)


def seated(package: Package, cohort: Cohort, split: str, *, own: bool, reader: Reader, progress: Progress) -> Bench:
    """The cases of a split that may judge the model, prepared as it wants them.

    Raises:
        UsageError: the labels are not those that the model knows, or no case is left.
    """
    recipe, task = package.recipe, task_named(package.recipe.task)
    missing = _check_labels(cohort, recipe, task)
    if own and split not in (*LEARNED_FROM, ALL):
        _check_division(cohort, package)
    labelled, targets, left_out, notes = _labelled(_of_split(cohort, split), recipe, task)
    _require(labelled, cohort, split, left_out)
    prepared = prepared_cases(
        cohort,
        labelled,
        lambda channels: reader.prepare(channels).array,
        key=reader.key,
        shape=recipe.input.array_shape,
        dtype=recipe.input.stored,
        progress=progress,
    )
    if prepared.refused:
        left_out += [(reason, count) for reason, count in Counter(prepared.refused.values()).most_common()]
        notes.append(Note("warn_refused", {"count": len(prepared.refused)}))
    fresh = np.ones(len(prepared.cases), dtype=bool)
    if not (own and split in (*LEARNED_FROM, ALL)):
        fresh = ~known(marks(cohort, prepared.cases, progress), package.learned)
    if not all(fresh):
        shared = int((~fresh).sum())
        left_out.append((Note("reason_shared"), shared))
        notes.append(Note("warn_shared", {"count": shared}))
    rows = np.flatnonzero(fresh)
    kept = [prepared.cases[row] for row in rows]
    _require(kept, cohort, split, left_out)
    known_targets = np.stack([targets[case.key] for case in kept]).astype(np.float32)
    known_targets[:, missing] = np.nan
    pixels = prepared.array if all(fresh) else prepared.array[rows]
    return Bench(
        cohort=cohort, own=own, cases=kept, pixels=pixels, targets=known_targets, left_out=left_out, notes=notes
    )


def answered(bench: Bench, package: Package, reader: Reader, progress: Progress) -> tuple[Bench, Answers]:
    """What was true and what the model says; cases for which it gives no number are taken off the bench."""
    recipe, task = package.recipe, task_named(package.recipe.task)
    logits = _all_logits(bench.pixels, reader, progress)
    finite = np.isfinite(logits).all(axis=1)
    if not finite.all():
        lost, rows = int((~finite).sum()), np.flatnonzero(finite)
        bench = Bench(
            cohort=bench.cohort,
            own=bench.own,
            cases=[bench.cases[int(row)] for row in rows],
            pixels=bench.pixels[rows],
            targets=bench.targets[rows],
            left_out=[*bench.left_out, (Note("reason_not_finite"), lost)],
            notes=[*bench.notes, Note("warn_not_finite", {"count": lost})],
        )
        logits = logits[finite]
        _require(bench.cases, bench.cohort, "", bench.left_out)
    targets = task.encode(bench.targets, package.decision)
    judged = Judged(logits=logits, targets=targets, patients=bench.blocks)
    return bench, answers(task, recipe, judged, package.decision)


def _all_logits(pixels: NDArray[Any], reader: Reader, progress: Progress) -> Floats:
    """Outputs of all cases, batch after batch, so that progress can be told."""
    progress.start("Judging", len(pixels))
    parts = []
    for start in range(0, len(pixels), reader.batch):
        part = np.asarray(pixels[start : start + reader.batch])
        parts.append(reader.logits(part))
        progress.advance(len(part))
    return np.concatenate(parts)


def _check_labels(cohort: Cohort, recipe: Recipe, task: Task) -> list[int]:
    """Refuse labels that are not what the model learned; returns the columns of classes that nobody looked for."""
    if recipe.label not in cohort.schema:
        raise UsageError(
            f"The cohort {cohort.name} has no label `{recipe.label}`, which is what this model says",
            why=f"it has {listed(cohort.schema.names) or 'no labels'}",
            remedy=f"Name the label so in its cohort.toml, or ingest the labels as `{recipe.label}`",
        )
    definition = cohort.schema[recipe.label]
    if definition.kind not in task.kinds:
        wanted = " or ".join(str(kind) for kind in task.kinds)
        raise UsageError(
            f"The label `{recipe.label}` of the cohort {cohort.name} is of the kind {definition.kind}",
            why=f"this model says labels of the kind {wanted}",
            remedy="Judge it on a cohort with such a label",
        )
    there = {one.name for one in definition.classes}
    if recipe.classes and not there & set(recipe.classes):
        raise UsageError(
            f"The classes of the cohort {cohort.name} are not those of the model",
            why=f"the cohort has {listed(sorted(there)) or 'none'}, the model knows {listed(recipe.classes)}",
            remedy="Ingest the labels under the model's names, or judge it on another cohort",
        )
    if definition.kind != Kind.CLASSES:
        return []
    return [place for place, name in enumerate(recipe.classes) if name not in there]


def _check_division(cohort: Cohort, package: Package) -> None:
    """Refuse to test on a cohort that was divided anew after the training: who is in the test may have been learned."""
    with Catalogue(cohort.folder) as catalogue:
        events = catalogue.events()
    later = [one for one in events if str(one["time"]) > package.record.started]
    if any('"resplit":true' in str(one["settings"]).replace(" ", "") for one in later):
        raise UsageError(
            f"{cohort.name} was divided anew after this model was trained",
            why="cases that are in its test split now may have been training cases then",
            remedy="Train again on the new division, or judge the model on another cohort",
        )


def _of_split(cohort: Cohort, split: str) -> Iterable[Case]:
    splits = cohort.splits
    if split != ALL and split not in splits:
        known = ", ".join([*splits, ALL])
        raise UsageError(
            f"The cohort {cohort.name} has no split `{split}`", remedy=f"Give one of these with `--split`: {known}"
        )
    return cohort.cases if split == ALL else cohort.split(split)


def _labelled(
    cases: Iterable[Case], recipe: Recipe, task: Task
) -> tuple[list[Case], dict[str, Floats], list[tuple[Note | str, int]], list[Note]]:
    """The cases with a target; the others by reason."""
    labelled, targets = [], {}
    reasons: Counter[str] = Counter()
    strange: Counter[str] = Counter()
    for case in cases:
        value = case.label(recipe.label)
        target = task.target(value, recipe)
        if target is not None:
            labelled.append(case)
            targets[case.key] = target
        elif isinstance(value, ClassValue):
            strange[value.value] += 1
        else:
            reasons["reason_unknown" if isinstance(value, Unknown) else "reason_unlabelled"] += 1
    left_out: list[tuple[Note | str, int]] = [
        (Note(reason, {"label": recipe.label}), count) for reason, count in reasons.most_common()
    ]
    notes = []
    if strange:
        left_out.append((Note("reason_strange"), strange.total()))
        notes.append(Note("warn_strange", {"count": strange.total(), "names": listed(sorted(strange))}))
    return labelled, targets, left_out, notes


def _require(cases: Sequence[Case], cohort: Cohort, split: str, left_out: Sequence[tuple[Note | str, int]]) -> None:
    if cases:
        return
    reasons = [f"{counted(count, 'case')}: {_english(reason)}" for reason, count in left_out]
    raise UsageError(
        f"No case of {cohort.name}{f', {split} split,' if split else ''} can judge this model",
        why="; ".join(reasons) or "it has none",
        remedy=f"`isocenter show {cohort.folder}` tells which cases carry which labels",
    )


def _english(reason: Note | str) -> str:
    return reason if isinstance(reason, str) else reason.said("en")


def _holds_learned(cohort: Cohort, package: Package) -> bool:
    """Whether the training and validation cases of a cohort, by a sample, are such that the model learned from."""
    label = package.recipe.label
    there = [case for case in cohort.cases if case.split in LEARNED_FROM and case.images and case.label(label)]
    if not there or not package.learned:
        return False
    some = [there[row] for row in evenly(len(there), SAMPLED)]
    return bool(known(marks(cohort, some, Silent()), package.learned).mean() >= SHARED)
