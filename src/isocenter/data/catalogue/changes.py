"""How an ingest changes a cohort: which cases are new, which no longer stand, and what a careful person would say."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from isocenter.core.case import Case
from isocenter.core.image import ImageFacts
from isocenter.core.words import counted, listed
from isocenter.data.catalogue.drafts import cases_of, joined, split_cases
from isocenter.data.catalogue.store import Catalogue
from isocenter.data.layouts._shared import Draft
from isocenter.data.survey import Difference, Listing, Stamps


@dataclass(frozen=True, kw_only=True)
class Change:
    """How an ingest changes a cohort.

    Attributes:
        cases: new ones and those seen again, with their splits.
        whole: every case of the cohort as it will be.
        retired: keys of cases that no longer stand.
        official: keys of cases whose split came with the data.
        warnings: what a careful person would say of it.
    """

    cases: list[Case]
    whole: list[Case]
    retired: list[str]
    official: frozenset[str]
    warnings: list[str]


def change_of(
    draft: Draft,
    catalogue: Catalogue | None,
    listing: Listing,
    stamps: Stamps,
    found: Difference,
    *,
    seed: int,
    resplit: bool,
) -> Change:
    """What was understood, held against what is catalogued."""
    old = list(catalogue.cases()) if catalogue else []
    by_image = catalogue.case_keys_by_image() if catalogue else {}
    drafted = cases_of(draft, by_image, {case.key for case in old}, listing.root)
    gone = found.gone | {path for path, stamp in stamps.items() if stamp[2] == "gone" and path not in listing.files}
    retired = retired_by(drafted, old, gone, listing.files.keys())
    left = set(retired)
    standing = [case for case in old if case.key not in left]
    if resplit:
        drafted = undivided(drafted, standing, catalogue.officially_split() if catalogue else frozenset())
        standing = []
    cases = split_cases(drafted, standing, seed=seed)
    warnings = [*unsound(drafted), *contradicted(drafted, standing)]
    if retired:
        warnings.append(
            f"{counted(len(retired), 'case')} retired: the files are gone or mean something else now. What was said of "
            "them is kept, and they come back with their files."
        )
    whole = joined(standing, cases)
    if old:
        warnings += parted(whole)
    brought = {case.key: case.split for case in drafted if case.split}
    official = frozenset(case.key for case in cases if case.key in brought and brought[case.key] == case.split)
    return Change(cases=cases, whole=whole, retired=retired, official=official, warnings=warnings)


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


def unsound(cases: Sequence[Case]) -> list[str]:
    """A sentence on images whose headers show already that reading will refuse them as they are."""
    found = [(case, image) for case in cases for image in case.images.values() if image.problem]
    if not found:
        return []
    told = listed([f"{image.description or case.key} ({image.problem})" for case, image in found], most=3)
    return [
        f"{counted(len(found), 'image')} cannot be read as {'it is' if len(found) == 1 else 'they are'}: {told}. "
        "`--resample` of `show` and `convert` lays slices onto a regular grid where that is possible."
    ]


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
