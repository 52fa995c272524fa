"""Folders named for patients (`patient_007`, `subject12`, `pt-3`): the images of one patient stay together."""

from __future__ import annotations

import re

from isocenter.core.words import counted, listed
from isocenter.data.layouts._shared import Draft, Layout, Survey, Wishes, in_natural_order

_PATIENT = re.compile(r"^(patients?|pat|pt|subjects?|subj|sub|person|participant)[-_ ]?\w*\d\w*$", re.IGNORECASE)


def _understand(survey: Survey, wishes: Wishes, draft: Draft) -> None:
    """Take the outermost such folder above an image as its patient, where no header says who it is."""
    if wishes.patient is not None:
        return
    found: dict[str, list[str]] = {}
    for case in draft.cases.values():
        if case.patient is None and case.images:
            name = next((folder for folder in survey.folders(case.first) if _PATIENT.match(folder)), None)
            if name is not None:
                found.setdefault(name, []).append(case.key)
    if len(found) < 2:
        return
    for name, keys in found.items():
        for key in keys:
            draft.cases[key].patient = name
    count = sum(len(keys) for keys in found.values())
    draft.understood(
        "patient_folders",
        f"{counted(count, 'case')} lie in {len(found):,} folders named for patients "
        f"({listed(in_natural_order(found), most=3)}): their images stay together.",
    )


LAYOUT = Layout(rank=58, understand=_understand)
