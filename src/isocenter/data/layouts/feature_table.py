"""A table without images: one row is one case."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from isocenter.core.errors import OpenQuestion
from isocenter.core.words import counted, listed
from isocenter.data.column_labels import ask_for_label, read_label, sift
from isocenter.data.columns import (
    MOST_CLASSES,
    Column,
    Roles,
    columns_of,
    gives_away,
    roles,
)
from isocenter.data.formats._shared import Table
from isocenter.data.layouts._shared import CaseDraft, Draft, Layout, Survey, Wishes, tables_named, wished_columns
from isocenter.data.naming import SPLIT_NAMES, split_named, tokens


@dataclass(frozen=True)
class _Rows:
    """The rows of one table, or of several with the same columns."""

    names: tuple[str, ...]
    columns: Mapping[str, Column]
    numbers: tuple[str, ...]
    """What a row without a name is called: its table and its number there."""
    splits: tuple[str | None, ...]
    """The split that the name of the row's own table says, where several are joined."""

    @property
    def name(self) -> str:
        return listed([*self.names])

    def __len__(self) -> int:
        return len(self.splits)


def _understand(survey: Survey, wishes: Wishes, draft: Draft) -> None:
    tables = [table for table in survey.tables if table.rows and table.path not in draft.explained]
    if not tables or draft.cases or (survey.images and wishes.table is None and wishes.layout != "feature_table"):
        return
    tables = tables_named(tables, wishes.table) or tables
    if len({table.columns for table in tables}) > 1:
        draft.questions.append(_ask_for_table(survey, tables))
        return
    rows = _join(survey, tables)
    found = roles(rows.columns, wished_columns(wishes))
    draft.understood("feature_table", f"No images: each of the {len(rows):,} rows of {rows.name} is a case.")
    labels = _labels(rows, found, wishes, draft)
    if draft.questions:
        return
    draft.explained.update(table.path for table in tables)
    cases = _cases(rows, found, draft)
    _say_roles(rows, found, draft)
    _apply_roles(rows, found, cases, draft)
    _apply_covariates(rows, found, labels, wishes, cases)
    for column in labels:
        _claim(draft, rows, column, cases)


def _ask_for_table(survey: Survey, tables: Sequence[Table]) -> OpenQuestion:
    names = [survey.place(table.path) for table in tables]
    return OpenQuestion(
        f"There are {len(tables)} tables of different columns and no images: {listed(names)}",
        why="one of them has to say what a case is",
        remedy=f"Say which with `--table {names[0]}`",
    )


def _join(survey: Survey, tables: Sequence[Table]) -> _Rows:
    joined = Table(
        path=tables[0].path, columns=tables[0].columns, rows=tuple(row for table in tables for row in table.rows)
    )
    by_name = [split_named(PurePosixPath(table.path).stem) for table in tables]
    divided = len({split for split in by_name if split}) > 1
    return _Rows(
        names=tuple(survey.place(table.path) for table in tables),
        columns=columns_of(joined),
        numbers=tuple(
            f"{survey.place(table.path)}#row {number}" for table in tables for number, _ in enumerate(table.rows, 1)
        ),
        splits=tuple(
            split if divided else None for split, table in zip(by_name, tables, strict=True) for _ in table.rows
        ),
    )


def _labels(rows: _Rows, found: Roles, wishes: Wishes, draft: Draft) -> list[Column]:
    """The label's columns: as asked, by name, or the only one whose values can be classes; else a question."""
    if "none" in wishes.label:
        return []
    if any(name in rows.columns for name in wishes.label):
        return [rows.columns[name] for name in found.labels]
    kept = sift([rows.columns[name] for name in found.labels]).kept
    by_value = not kept
    kept = kept or sift([rows.columns[name] for name in found.perhaps]).kept
    if len(kept) > 1:
        draft.questions.append(ask_for_label(rows.name, kept))
        return []
    if kept and by_value:
        draft.evidence.append(
            f"`{kept[0].name}` is the only column of {rows.name} with few whole numbers or words, so it is taken as "
            "the label; `--label` names another."
        )
    return kept


def _cases(rows: _Rows, found: Roles, draft: Draft) -> list[CaseDraft]:
    """A case per row, named by the column that names rows, else by its table and number."""
    named = _naming_column(rows, found)
    if named is not None:
        draft.evidence.append(f"`{named.name}` names each row.")
        return [draft.add(value, {}) for value in named.values]
    draft.warnings.append(
        f"No column names the rows of {rows.name}: they are known by their number, so a row inserted or removed later "
        "shifts all that follow. A column such as `id` keeps them apart."
    )
    return [draft.add(name, {}) for name in rows.numbers]


def _naming_column(rows: _Rows, found: Roles) -> Column | None:
    for column in rows.columns.values():
        words = tokens(column.name)
        ids = any(word in ("id", "name", "key", "identifier", "accession") for word in words)
        if ids and column.name not in found.labels and len(column.counts) == len(rows):
            return column
    return None


def _say_roles(rows: _Rows, found: Roles, draft: Draft) -> None:
    named = (("patient", found.patient), ("group", found.group), ("date", found.date), ("visit", found.visit))
    told = [f"`{column}` is the {name}" for name, column in named if column]
    if told:
        draft.evidence.append(f"{rows.name}: column {listed(told)}.")
    if found.patient is not None:
        people = len(rows.columns[found.patient].counts)
        draft.evidence.append(f"{counted(len(rows), 'row')} of {counted(people, 'patient')}.")


def _apply_roles(rows: _Rows, found: Roles, cases: Sequence[CaseDraft], draft: Draft) -> None:
    for name, column in (
        ("patient", found.patient),
        ("group", found.group),
        ("date", found.date),
        ("visit", found.visit),
    ):
        if column is not None:
            for case, value in zip(cases, rows.columns[column].values, strict=True):
                setattr(case, name, value or None)
    counts: Counter[str] = Counter()
    cells: Sequence[str | None] = rows.columns[found.split].cells if found.split is not None else rows.splits
    for case, said in zip(cases, cells, strict=True):
        case.split = SPLIT_NAMES.get((said or "").lower())
        counts.update([case.split] if case.split else [])
    if counts:
        source = f"Column `{found.split}`" if found.split is not None else "The names of the tables"
        division = ", ".join(f"{name} {counts[name]:,}" for name in ("train", "val", "test") if counts[name])
        draft.evidence.append(f"{source} divides the cases ({division}): kept.")


def _apply_covariates(
    rows: _Rows, found: Roles, labels: Sequence[Column], wishes: Wishes, cases: Sequence[CaseDraft]
) -> None:
    taken = {column.name for column in labels}
    naming = _naming_column(rows, found)
    chosen = [name for name in found.rest if name not in taken and (naming is None or name != naming.name)]
    if wishes.covariate:
        chosen = [name for name in rows.columns if name in wishes.covariate]
    for name in chosen:
        for case, value in zip(cases, rows.columns[name].covariates(), strict=True):
            case.covariates[name] = value


def _claim(draft: Draft, rows: _Rows, column: Column, cases: Sequence[CaseDraft]) -> None:
    read = read_label(column)
    draft.define(read.definition)
    for case, value in zip(cases, read.values, strict=True):
        if value is not None:
            case.claim(column.name, value)
    draft.evidence.append(f"Column `{column.name}` is the label ({column.words()}).")
    if read.unsure:
        draft.warnings.append(f"{counted(read.unsure, 'row')} of `{column.name}` uncertain: taken as unknown.")
    for other in rows.columns.values():
        told = gives_away(other, column) if len(other.counts) <= MOST_CLASSES else None
        if told is not None and any(other.name in case.covariates for case in cases[:1]):
            draft.warnings.append(told)


LAYOUT = Layout(rank=90, understand=_understand)
