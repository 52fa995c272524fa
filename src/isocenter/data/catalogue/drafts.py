"""From what the layouts understood to the cases that the catalogue keeps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import PurePosixPath

from isocenter.core.case import Case
from isocenter.core.labels import ClassesValue, ClassValue, Label, NumberValue
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
