"""Folders named train, val and test, in any of their spellings, at any depth."""

from __future__ import annotations

from collections import Counter

from isocenter.core.words import counted
from isocenter.data.layouts._shared import CaseDraft, Draft, Layout, Survey, Wishes
from isocenter.data.naming import split_named

_OWN_SPLITS = frozenset(("decathlon", "npz"))
"""Arrangements whose folder or array names say more than a split, and which have taken what they say."""


def _understand(survey: Survey, wishes: Wishes, draft: Draft) -> None:
    cases = [case for case in draft.cases.values() if case.split is None and case.images]
    if not cases or wishes.split is not None or _OWN_SPLITS & set(draft.layouts) or len(cases) < len(draft.cases):
        return
    splits: dict[str, str | None] = {}
    by_depth: Counter[int] = Counter()
    named = [(case, _named(survey, case, splits)) for case in cases]
    for _, found in named:
        by_depth.update(found.keys())
    if not by_depth:
        return
    depth = max(by_depth, key=lambda one: (by_depth[one], -one))
    division = Counter(found[depth] for _, found in named if depth in found)
    if len(division) < 2:
        only = next(iter(division))
        if division[only] == len(cases):
            draft.evidence.append(
                f"All cases lie in a folder named for {only}: a single part is no division, so none is taken."
            )
        return
    for case, found in named:
        case.split = found.get(depth)
    order = ", ".join(f"{name} {division[name]:,}" for name in ("train", "val", "test") if division[name])
    draft.understood("splits_folders", f"The folders divide the cases ({order}): kept.")
    outside = len(cases) - division.total()
    if outside:
        draft.warnings.append(
            f"{counted(outside, 'case')} {'lies' if outside == 1 else 'lie'} outside the folders for training and "
            "test: Isocenter says which split they join, unless a table does."
        )


def _named(survey: Survey, case: CaseDraft, splits: dict[str, str | None]) -> dict[int, str]:
    """Depth to split for every folder above a case that names one."""
    found = {}
    for depth, folder in enumerate(survey.folders(case.first)):
        if folder not in splits:
            splits[folder] = split_named(folder)
        split = splits[folder]
        if split is not None:
            found[depth] = split
    return found


LAYOUT = Layout(rank=60, understand=_understand)
