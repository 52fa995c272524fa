"""Says what a folder means: asks every layout in the order of its rank, and finishes what they drafted."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable

from isocenter.core import registry
from isocenter.core.errors import OpenQuestion, UsageError
from isocenter.core.labels import Kind
from isocenter.core.words import counted, listed
from isocenter.data import layouts
from isocenter.data.layouts._shared import NOT_COLUMNS, CaseDraft, Draft, Layout, Survey, Wishes, tables_named

GENERAL_RANK = 50
"""Layouts from here on see what is left by the others, and run also when one layout was asked for."""


def shelf() -> dict[str, Layout]:
    """Every layout by name, in the order in which they are asked."""
    found: dict[str, Layout] = {name: registry.get(layouts, name) for name in registry.names(layouts)}
    return dict(sorted(found.items(), key=lambda item: (item[1].rank, item[0])))


def understand(survey: Survey, wishes: Wishes) -> Draft:
    """What the files of a survey mean, with the evidence for it.

    An open question ends the search: `draft.questions` then holds it, and the cases are unfinished.

    Raises:
        UnknownName: a wish names a layout or a column that is nowhere.
        UsageError: a wish cannot be met by these files.
    """
    known = shelf()
    _check_wishes(survey, wishes, known)
    draft = Draft()
    for name, layout in known.items():
        if wishes.layout is None or name == wishes.layout or layout.rank >= GENERAL_RANK:
            layout.understand(survey, wishes, draft)
        if draft.questions:
            return draft
        if name == wishes.layout and name not in draft.layouts:
            raise UsageError(
                f"{survey.root} is not laid out as `{name}`",
                why=registry.blurb(layouts, name),
                remedy="Leave the layout out to have it recognised",
            )
    _finish(survey, wishes, draft)
    return draft


def _check_wishes(survey: Survey, wishes: Wishes, known: dict[str, Layout]) -> None:
    if wishes.layout is not None and wishes.layout not in known:
        raise registry.unknown("layout", wishes.layout, known)
    columns = list(dict.fromkeys(column for table in survey.tables for column in table.columns))
    asked = (*wishes.label, wishes.key, wishes.patient, wishes.split, wishes.group, wishes.date, *wishes.covariate)
    for name in asked:
        if name is not None and name not in columns and name not in NOT_COLUMNS:
            raise registry.unknown("column", name, columns)
    if wishes.table is not None and not tables_named(survey.tables, wishes.table):
        raise registry.unknown("table", str(wishes.table), [survey.place(table.path) for table in survey.tables])


def _finish(survey: Survey, wishes: Wishes, draft: Draft) -> None:
    _refuse_left(survey, draft)
    draft.refused = list(dict.fromkeys(draft.refused))
    _tell_tables(survey, draft)
    _check_labels(wishes, draft)
    _check_tables(survey, wishes, draft)
    cases = list(draft.cases.values())
    _tell_patients(draft, cases)
    _tell_parted(draft, cases, "patient")
    _tell_parted(draft, cases, "group")
    _tell_twice(draft, cases)
    _tell_readers(draft, cases)
    _tell_unlabelled(draft, cases)


def _refuse_left(survey: Survey, draft: Draft) -> None:
    """Nothing is passed over in silence: what no layout took is refused by name."""
    for image in draft.free(survey):
        draft.refuse(image.files[0], "no arrangement gave it a meaning.")
        draft.taken.add(image.key)


def _tell_tables(survey: Survey, draft: Draft) -> None:
    unused = [survey.place(table.path) for table in survey.tables if table.path not in draft.explained]
    if unused:
        have = "table was" if len(unused) == 1 else "tables were"
        draft.warnings.append(
            f"{len(unused):,} {have} not used, since no column names the cases: {listed(unused, most=4)}."
        )


def _check_labels(wishes: Wishes, draft: Draft) -> None:
    """A label that was asked for has to be there."""
    for name in wishes.label:
        if name not in NOT_COLUMNS and not any(label.partition(" (")[0] == name for label in draft.labels):
            raise UsageError(
                f"The column `{name}` cannot be the label",
                why="no column of its table names the cases by path, file name, patient or DICOM identifier",
                remedy="Add a column with the file names, or leave the option out",
            )
    if "folder" in wishes.label and "class" not in draft.labels:
        raise UsageError(
            "The folders' names cannot be the label", why="the images lie in one folder", remedy="Leave the option out"
        )


def _check_tables(survey: Survey, wishes: Wishes, draft: Draft) -> None:
    """A table or column that was asked for has to say something of the cases."""
    used = [table for table in survey.tables if table.path in draft.explained]
    if wishes.table is not None and not tables_named(used, wishes.table):
        raise UsageError(
            f"The table {wishes.table} says nothing of these images",
            why="no column names them by path, file name, patient, DICOM identifier or folder",
            remedy="Name the column with `--key`, add one with the file names, or leave the option out",
        )
    columns = {column for table in used for column in table.columns}
    asked = [(what, getattr(wishes, what)) for what in ("key", "patient", "split", "group", "date")]
    for what, name in [*asked, *(("covariate", name) for name in wishes.covariate)]:
        if name is not None and name not in columns:
            raise UsageError(
                f"The column `{name}` cannot be the {what}",
                why="its table says nothing of these images: no column names them",
                remedy="Add a column with the file names, or leave the option out",
            )


def _tell_patients(draft: Draft, cases: list[CaseDraft]) -> None:
    people = {case.patient for case in cases if case.patient is not None}
    alone = sum(case.patient is None for case in cases)
    if people and not alone:
        draft.evidence.append(f"{counted(len(cases), 'case')} of {counted(len(people), 'patient')}.")
    elif people:
        draft.evidence.append(
            f"{counted(len(cases) - alone, 'case')} of {counted(len(people), 'patient')}; {alone:,} whose patient is "
            "unknown count as a patient each."
        )
    elif len(cases) > 1:
        draft.evidence.append(
            "Nothing here says which cases are of one patient: each counts as a patient of its own; `--patient` names "
            "a column that says so."
        )


def _tell_parted(draft: Draft, cases: Iterable[CaseDraft], what: str) -> None:
    """A division that parts a patient or group is kept, since it came with the data, and told."""
    splits: dict[str, set[str]] = defaultdict(set)
    for case in cases:
        name = getattr(case, what)
        if name is not None and case.split is not None:
            splits[name].add(case.split)
    parted = sorted(name for name, found in splits.items() if len(found) > 1)
    if parted:
        plural = len(parted) > 1
        draft.warnings.append(
            f"{counted(len(parted), what)} {'lie' if plural else 'lies'} in more than one split "
            f"({listed(parted, most=3)}): results on these are too good. The division came with the data and is kept."
        )


def _tell_twice(draft: Draft, cases: Iterable[CaseDraft]) -> None:
    counts = Counter(name for case in cases for name in case.twice)
    for name, count in sorted(counts.items()):
        draft.warnings.append(
            f"{counted(count, 'case')} with several values of `{name}` by one reader: the further ones count as "
            "`reader 2` and so on."
        )


def _tell_readers(draft: Draft, cases: Iterable[CaseDraft]) -> None:
    readers: dict[str, Counter[str]] = defaultdict(Counter)
    for case in cases:
        for claim in case.claims:
            readers[claim.name][claim.reader] += 1
    for name, counts in readers.items():
        if len(counts) > 1:
            told = listed([f"{reader} ({count:,})" for reader, count in counts.most_common()])
            draft.evidence.append(f"`{name}` was read by {len(counts)} readers: {told}.")


def _tell_unlabelled(draft: Draft, cases: list[CaseDraft]) -> None:
    if not draft.labels and cases:
        draft.evidence.append("No label was found: the cases are unlabelled.")
        return
    for name, label in draft.labels.items():
        without = sum(not any(claim.name == name for claim in case.claims) for case in cases)
        if without:
            draft.evidence.append(f"{counted(without, 'case')} without the label `{name}`.")
        if label.kind is Kind.CLASS and len(label.classes) < 2:
            draft.warnings.append(f"The label `{name}` has one class alone: nothing can be learnt from it.")


def question(draft: Draft) -> OpenQuestion | None:
    """The one question that is open, or None."""
    return draft.questions[0] if draft.questions else None
