"""From what the layouts understood to the cases that the catalogue keeps."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import PurePosixPath

from isocenter.core.case import Case
from isocenter.core.image import ImageFacts
from isocenter.core.labels import ClassesValue, ClassValue, Label, NumberValue
from isocenter.core.words import counted
from isocenter.data.catalogue.splits import Member, assign, carve_validation
from isocenter.data.layouts._shared import CaseDraft, Draft

ALONE = "#"
"""Marks a patient made up for a case whose patient nobody named."""


def cases_of(draft: Draft, known_by_image: Mapping[str, str], taken: set[str], root: str) -> list[Case]:
    """Every drafted case; one whose image is in the cohort already keeps its name there.

    Args:
        draft: what was understood.
        known_by_image: image key to the key of the case it is catalogued under.
        taken: keys of all catalogued cases; a new case of the same name from another source is given another.
        root: the source's folder, whose name makes such a key unique.
    """
    used = taken | set(known_by_image.values())
    cases = []
    for drafted in draft.cases.values():
        key = next((known_by_image[one.key] for one in drafted.images.values() if one.key in known_by_image), None)
        if key is None:
            known_row = not drafted.images and drafted.key in taken
            key = drafted.key if known_row else _unused(drafted.key, used, root)
        used.add(key)
        cases.append(_case(drafted, key))
    return cases


def _unused(key: str, used: set[str], root: str) -> str:
    candidate, number = key, 1
    while candidate in used:
        candidate = f"{PurePosixPath(root).name}/{key}" if number == 1 else f"{PurePosixPath(root).name}-{number}/{key}"
        number += 1
    return candidate


def _case(drafted: CaseDraft, key: str) -> Case:
    return Case(
        key=key,
        patient=drafted.patient or f"{ALONE}{key}",
        images=drafted.images,
        labels=tuple(Label(name=claim.name, value=claim.value, reader=claim.reader) for claim in drafted.claims),
        split=drafted.split,
        group=drafted.group,
        visit=drafted.visit,
        date=drafted.date,
        covariates=drafted.covariates,
    )


def split_cases(cases: Sequence[Case], catalogued: Sequence[Case], *, seed: int) -> list[Case]:
    """The cases, each with a split where one is due: official ones kept, known ones kept, the rest assigned.


    A cohort without labels is not divided: there is nothing yet to train or to judge.
    """
    known = {case.key: case for case in catalogued}
    members = [_member(case, known.get(case.key)) for case in cases if case.labels]
    seen = {member.key for member in members}
    members += [_member(case, case) for key, case in known.items() if case.labels and key not in seen]
    given = assign(members, seed=seed)
    if not known:
        given |= carve_validation(members, seed=seed)
    current = {member.key: member.split for member in members}
    return [replace(case, split=given.get(case.key) or current.get(case.key) or case.split) for case in cases]


def joined(catalogued: Sequence[Case], cases: Sequence[Case]) -> list[Case]:
    """The whole cohort once these cases have been taken in: labels of other readers and splits once given stay."""
    whole = {case.key: case for case in catalogued}
    for case in cases:
        known = whole.get(case.key)
        if known is not None:
            said = {(label.name, label.reader) for label in case.labels}
            kept = tuple(label for label in known.labels if (label.name, label.reader) not in said)
            case = replace(case, labels=(*kept, *case.labels), split=known.split or case.split)
        whole[case.key] = case
    return [whole[key] for key in sorted(whole)]


def undivided(cases: Sequence[Case], catalogued: Sequence[Case], official: Collection[str]) -> list[Case]:
    """Every case of the cohort without the splits that Isocenter gave; those that came with the data stay."""
    before = [case if case.key in official else replace(case, split=None) for case in catalogued]
    brought = {case.key: case.split for case in cases}
    whole = joined(before, cases)
    return [replace(case, split=brought.get(case.key) or case.split) for case in whole]


def retired_by(
    cases: Sequence[Case], catalogued: Sequence[Case], gone: Collection[str], present: Collection[str]
) -> list[str]:
    """Keys of catalogued cases that no longer stand: their files are gone, or were looked at and mean something else.

    Args:
        cases: what was understood now.
        catalogued: what was there before.
        gone: paths that are no longer there.
        present: paths that were looked at.
    """
    standing = {case.key for case in cases}

    def left(image: ImageFacts) -> bool:
        return any(path in gone for path in image.files) or all(path in present for path in image.files)

    return [
        case.key
        for case in catalogued
        if case.key not in standing and case.images and all(left(image) for image in case.images.values())
    ]


def parted(cases: Sequence[Case]) -> list[str]:
    """Sentences on patients and groups that lie in more than one split, as when they became known later."""
    found = []
    for what in ("patient", "group"):
        splits: dict[str, set[str]] = defaultdict(set)
        for case in cases:
            tie = case.patient if what == "patient" else case.group
            if case.split and tie:
                splits[tie].add(case.split)
        count = sum(len(names) > 1 for names in splits.values())
        if count:
            found.append(
                f"{counted(count, what)} {'lies' if count == 1 else 'lie'} in more than one split, so results on them "
                "are too good. `--resplit` divides the cases anew; no model trained before may then be judged on them."
            )
    return found


def contradicted(cases: Sequence[Case], catalogued: Sequence[Case]) -> list[str]:
    """A sentence on cases whose official split differs from the one that they were given before."""
    known = {case.key: case.split for case in catalogued if case.split}
    count = sum(case.key in known and case.split not in (None, known[case.key]) for case in cases)
    if not count:
        return []
    return [
        f"{counted(count, 'case')} came with an official split other than the one given before, which stays: a case "
        "that trained a model must not judge the next. `--resplit` takes the official one."
    ]


def _member(case: Case, known: Case | None) -> Member:
    split = known.split if known and known.split else case.split
    return Member(case.key, case.patient, case.group, _stratum(case), split)


def _stratum(case: Case) -> str:
    """What the splits are balanced by: the classes, else the size of a number, else which labels there are."""
    parts = []
    for label in case.labels:
        match label.value:
            case ClassValue(value=value):
                parts.append(f"{label.name}={value}")
            case ClassesValue(values=values):
                parts.append(f"{label.name}={'+'.join(sorted(values))}")
            case NumberValue(value=number):
                parts.append(f"{label.name}~{number:.0e}")
            case _:
                parts.append(label.name)
    return "|".join(sorted(set(parts)))
