"""A table beside the images, whose rows name the cases by path, file name, patient or DICOM identifier."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from isocenter.core.errors import OpenQuestion
from isocenter.core.labels import ClassDefinition, ClassValue, Kind, LabelDefinition, Value
from isocenter.core.words import counted, listed
from isocenter.data.column_labels import agreement, ask_for_label, read_label, sift, with_numbers
from isocenter.data.columns import Column, Roles, columns_of, names_patients, roles, sounds_like_label
from isocenter.data.formats._shared import Table
from isocenter.data.layouts._shared import CaseDraft, Draft, Layout, Survey, Wishes, tables_named, wished_columns
from isocenter.data.naming import SPLIT_NAMES, split_named
from isocenter.data.table_rows import Index, Match


@dataclass(frozen=True)
class _Matched:
    """A table whose rows name cases, with what its columns mean."""

    table: Table
    name: str
    columns: Mapping[str, Column]
    match: Match
    roles: Roles

    def only(self, column: str, key: str) -> str:
        """What the rows of a case say in a column, where they all say the same; empty otherwise."""
        cells = {self.columns[column].values[row] for row in self.match.rows.get(key, ())} - {""}
        return cells.pop() if len(cells) == 1 else ""


def _understand(survey: Survey, wishes: Wishes, draft: Draft) -> None:
    tables = [table for table in survey.tables if table.path not in draft.explained and table.rows]
    if not draft.cases or not survey.images or not tables:
        return
    index = _index(survey, draft)
    matched = [found for table in tables if (found := _matched(survey, wishes, index, table)) is not None]
    draft.questions.extend(_ask_for_key(one) for one in matched if one.match.rivals)
    if draft.questions:
        return
    for one in matched:
        draft.explained.add(one.table.path)
        draft.understood("table", _sentence(one, len(draft.cases)))
        _tell_unmatched(draft, one)
    _split_by_table(draft, matched)
    for one in matched:
        _apply_columns(draft, wishes, one)
    for one in _label_tables(wishes, matched):
        _apply_labels(draft, wishes, one)
        if draft.questions:
            return


def _index(survey: Survey, draft: Draft) -> Index:
    index = Index()
    for key, case in draft.cases.items():
        images = case.images.values()
        places = [survey.place(path) for image in images if not image.part for path in image.files]
        index.add(key, images, places, case.patient)
    return index


def _matched(survey: Survey, wishes: Wishes, index: Index, table: Table) -> _Matched | None:
    columns = columns_of(table)
    place = survey.place(table.path)
    keys = [column for name, column in columns.items() if name == wishes.key] or columns.values()
    match = index.match(keys, place.rpartition("/")[0])
    if match is None:
        return None
    return _Matched(table, place, columns, match, roles(columns, wished_columns(wishes), apart=(match.column,)))


def _ask_for_key(one: _Matched) -> OpenQuestion:
    columns = (one.match.column, *one.match.rivals)
    return OpenQuestion(
        f"{counted(len(columns), 'column')} of {one.name} could name the images, and each names them in another way",
        why=f"{listed([f'`{column}`' for column in columns])} name as many of them by {one.match.kind}",
        remedy=f"Say which with `--key {columns[0]}`",
    )


def _sentence(one: _Matched, cases: int) -> str:
    return (
        f"{one.name}: column `{one.match.column}` names {len(one.match.rows):,} of {counted(cases, 'case')} by "
        f"{one.match.how} ({one.match.matched:,} of {counted(len(one.table.rows), 'row')})."
    )


def _tell_unmatched(draft: Draft, one: _Matched) -> None:
    column = one.columns[one.match.column]
    named = {row for rows in one.match.rows.values() for row in rows}
    rows = [column.cells[row] for row in range(len(column.cells)) if row not in named]
    if rows:
        draft.warnings.append(
            f"{counted(len(rows), 'row')} of {one.name} name{'s' if len(rows) == 1 else ''} no case here: "
            f"{listed([row or 'empty' for row in rows], most=3)}."
        )
    cases = [key for key in draft.cases if key not in one.match.rows]
    if cases:
        draft.warnings.append(
            f"{counted(len(cases), 'case')} {'is' if len(cases) == 1 else 'are'} not in {one.name}: "
            f"{listed(cases, most=3)}."
        )


def _split_by_table(draft: Draft, matched: Sequence[_Matched]) -> None:
    """train.csv and test.csv divide the cases that they name, where no column does."""
    named = [(split, one) for one in matched if (split := split_named(Path(one.table.path).stem)) is not None]
    if len({split for split, _ in named}) < 2 or any(one.roles.split for one in matched):
        return
    counts: Counter[str] = Counter()
    for split, one in named:
        for key in one.match.rows:
            if draft.cases[key].split is None:
                draft.cases[key].split = split
                counts[split] += 1
    if counts:
        division = ", ".join(f"{name} {counts[name]:,}" for name in ("train", "val", "test") if counts[name])
        draft.evidence.append(f"The tables are named for the splits of the cases they list ({division}): kept.")


def _apply_columns(draft: Draft, wishes: Wishes, one: _Matched) -> None:
    """Patient, group, visit, date, split and covariates."""
    found = one.roles
    cases = [draft.cases[key] for key in one.match.rows]
    told = []
    for name in ("patient", "group", "date", "visit"):
        column = getattr(found, name)
        if column is None:
            continue
        told.append(f"`{column}` is the {name}")
        asked = column in (wishes.patient, wishes.group, wishes.date)
        for case in cases:
            value = one.only(column, case.key)
            if value and (asked or getattr(case, name) is None):
                setattr(case, name, value)
    if told:
        draft.evidence.append(f"{one.name}: column {listed(told)}.")
    _tie_together(draft, one)
    if found.split is not None:
        _apply_split(draft, one, found.split, cases)
    _apply_covariates(wishes, one, cases)


def _tie_together(draft: Draft, one: _Matched) -> None:
    """Cases that one row names belong together; as one patient, where the column that names them names patients."""
    column = one.columns[one.match.column]
    people = one.roles.patient is None and (names_patients(column) or one.match.kind == "PatientID")
    together: dict[str, list[CaseDraft]] = defaultdict(list)
    for key in one.match.rows:
        value = one.only(column.name, key)
        case = draft.cases[key]
        classes = {claim.value.value.lower() for claim in case.claims if isinstance(claim.value, ClassValue)}
        if value and value.lower() not in classes and split_named(value) is None:
            together[value].append(case)
    tied = 0
    for value, cases in together.items():
        for case in cases:
            if people and case.patient is None:
                case.patient = value
            elif len(cases) > 1 and case.patient is None and case.group is None:
                case.group = value
                tied += 1
    if people:
        draft.evidence.append(f"{one.name}: column `{column.name}`, which names the cases, is the patient.")
    if tied:
        draft.evidence.append(
            f"{one.name}: cases that share one row, by `{column.name}`, belong together: they stay in one split."
        )


def _apply_split(draft: Draft, one: _Matched, column: str, cases: Sequence[CaseDraft]) -> None:
    counts: Counter[str] = Counter()
    against = unread = 0
    for case in cases:
        cell = one.only(column, case.key)
        split = SPLIT_NAMES.get(cell.lower())
        if split is None:
            unread += bool(cell)
            continue
        against += case.split not in (None, split)
        case.split = split
        counts[split] += 1
    division = ", ".join(f"{name} {counts[name]:,}" for name in ("train", "val", "test") if counts[name])
    draft.evidence.append(f"{one.name}: column `{column}` divides the cases ({division or 'none'}): kept.")
    if against:
        draft.warnings.append(
            f"{counted(against, 'case')} in another split by folder than by `{column}` of {one.name}: the table counts."
        )
    if unread:
        draft.warnings.append(f"{counted(unread, 'case')} with a value in `{column}` that is no train, val or test.")


def _apply_covariates(wishes: Wishes, one: _Matched, cases: Sequence[CaseDraft]) -> None:
    chosen = [name for name in one.roles.rest if name != one.match.column]
    if wishes.covariate:
        chosen = [name for name in one.columns if name in wishes.covariate]
    for name in chosen:
        values = one.columns[name].covariates()
        for case in cases:
            said = {values[row] for row in one.match.rows[case.key]} - {None}
            case.covariates[name] = said.pop() if len(said) == 1 else None


def _label_tables(wishes: Wishes, matched: Sequence[_Matched]) -> list[_Matched]:
    """The tables that may give labels: the one that was named, else all."""
    if wishes.table is None:
        return list(matched)
    meant = {table.path for table in tables_named((one.table for one in matched), wishes.table)}
    return [one for one in matched if one.table.path in meant]


def _apply_labels(draft: Draft, wishes: Wishes, one: _Matched) -> None:
    if "none" in wishes.label or wishes.label == ("folder",):
        return
    wished = [name for name in wishes.label if name in one.columns]
    if wished:
        for name in wished:
            _claim(draft, one, one.columns[name], {}, name)
        return
    if wishes.label:
        return
    anchor = _folder_classes(draft, one)
    others, named = [*one.roles.perhaps, *one.roles.measured], bool(one.roles.labels)
    # In BIDS, what participants are is a label also where some of their images have masks.
    bids = "bids" in draft.layouts
    perhaps = [name for name in others if not draft.labels or (bids and sounds_like_label(one.columns[name]))]
    candidates = [one.columns[name] for name in one.roles.labels or perhaps]
    sifted = sift(candidates, anchor)
    known = [column for column in sifted.kept if column.name in draft.labels]
    if len(sifted.kept) > 1 and not known:
        draft.questions.append(ask_for_label(one.name, sifted.kept, folder=anchor is not None))
        return
    for name, follows in sifted.follows.items():
        draft.warnings.append(
            f"`{name}` of {one.name} follows from `{follows.name}` as a coarser grouping: kept as a covariate that "
            f"no model should see. `--label {name}` takes it as the label."
        )
    _merge_with_folders(draft, one, anchor, [name for name, kept in sifted.same.items() if kept is anchor])
    _tell_others(draft, one, sifted.kept, named, [name for name in others if name not in sifted.same])
    for column in sifted.kept:
        repeats = [one.columns[name] for name, kept in sifted.same.items() if kept is column]
        _claim(draft, one, column, _numbers(column, repeats), column.name)
        _forget_covariates(draft, one, [column.name, *(repeat.name for repeat in repeats)])


def _tell_others(draft: Draft, one: _Matched, kept: Sequence[Column], named: bool, others: Sequence[str]) -> None:
    """What else could have been the label, or that nothing else could."""
    left = [f"`{name}`" for name in others if name not in {column.name for column in kept}]
    if kept and not named:
        draft.evidence.append(
            f"`{kept[0].name}` is the only column of {one.name} that could be the label; `--label` names another."
        )
    elif left:
        draft.evidence.append(
            f"{one.name}: {listed(left, most=12)} could be {'a label' if len(left) == 1 else 'labels'} too, kept as "
            f"{'a covariate' if len(left) == 1 else 'covariates'}: `--label` takes what you name."
        )


def _folder_classes(draft: Draft, one: _Matched) -> Column | None:
    """The classes that the folders gave, as if they stood in the table."""
    label = draft.labels.get("class")
    if label is None or label.kind is not Kind.CLASS:
        return None
    cells = [""] * len(one.table.rows)
    for key, rows in one.match.rows.items():
        said = next((claim.value for claim in draft.cases[key].claims if claim.name == "class"), None)
        for row in rows:
            cells[row] = said.value if isinstance(said, ClassValue) else ""
    return Column("class", tuple(cells))


def _merge_with_folders(draft: Draft, one: _Matched, anchor: Column | None, names: Sequence[str]) -> None:
    """Columns that name the folders' classes again: words are kept, numbers noted, and the table counts."""
    if anchor is None or not names:
        return
    columns = [one.columns[name] for name in names]
    words = next((column for column in columns if not column.numeric), None)
    own_words = not anchor.numeric
    for column in columns:
        to_class = _partners(column, anchor)
        different = _correct(draft, one, column, to_class) if column is (words or columns[0]) else 0
        if different:
            draft.warnings.append(
                f"`{column.name}` of {one.name} contradicts the folder in {counted(different, 'case')}: the table "
                "counts."
            )
    numbers = {name: value for column in columns if column.numeric for value, name in _partners(column, anchor).items()}
    if numbers:
        draft.labels["class"] = with_numbers(draft.labels["class"], numbers)
    if words is not None and not own_words:
        _rename_classes(draft, {name: word for word, name in _partners(words, anchor).items()})
    _forget_covariates(draft, one, names)
    told = "; ".join(f"`{column.name}` ({column.words()})" for column in columns)
    draft.evidence.append(f"{one.name}: {told} names the same classes as the folders.")


def _partners(column: Column, other: Column) -> dict[str, str]:
    """The commonest value of the other column for each value of this one."""
    return agreement(column, other).partner


def _correct(draft: Draft, one: _Matched, column: Column, to_class: Mapping[str, str]) -> int:
    """Let the table's word count where the folder says otherwise; returns how many cases that were."""
    read = read_label(column, "class", to_class)
    different = 0
    for key, rows in one.match.rows.items():
        said = _agreed([read.values[row] for row in rows])
        case = draft.cases[key]
        old = [claim for claim in case.claims if claim.name == "class"]
        if said is None or any(claim.value == said for claim in old):
            continue
        different += bool(old)
        case.claims = [claim for claim in case.claims if claim.name != "class"]
        case.claim("class", said)
    return different


def _agreed(values: Sequence[Value | None]) -> Value | None:
    given = [value for value in values if value is not None]
    return given[0] if given and all(value == given[0] for value in given) else None


def _rename_classes(draft: Draft, words: Mapping[str, str]) -> None:
    """Folders named by numbers take the words of the table; the numbers are kept as values."""
    classes = tuple(
        ClassDefinition(name=words.get(one.name, one.name), value=one.value) for one in draft.labels["class"].classes
    )
    draft.labels["class"] = LabelDefinition(name="class", kind=Kind.CLASS, classes=classes)
    for case in draft.cases.values():
        old, case.claims = case.claims, []
        for claim in old:
            value = claim.value
            if claim.name == "class" and isinstance(value, ClassValue):
                value = ClassValue(value=words.get(value.value, value.value))
            case.claim(claim.name, value, claim.reader)


def _numbers(column: Column, repeats: Sequence[Column]) -> dict[str, str]:
    """Class name to the number that a repeating column writes for it."""
    numbers: dict[str, str] = {}
    for repeat in repeats:
        if repeat.numeric:
            numbers |= {name: value for value, name in _partners(repeat, column).items()}
    return numbers


def _claim(draft: Draft, one: _Matched, column: Column, numbers: Mapping[str, str], name: str) -> None:
    """Take a column as a label of its own, by reader where another column names readers."""
    taken = draft.labels.get(name)
    read = read_label(column, name)
    folders = name == "class" and "class_folders" in draft.layouts
    if taken is not None and (folders or taken.kind is not read.definition.kind):
        name = f"{name} (table)"
        read = read_label(column, name)
    draft.define(with_numbers(read.definition, numbers) if numbers else read.definition)
    readers = one.columns[one.roles.reader].cells if one.roles.reader else None
    torn, against = [], []
    for key, rows in one.match.rows.items():
        case = draft.cases[key]
        by_reader: dict[str, list[Value | None]] = {}
        for row in rows:
            by_reader.setdefault((readers[row] if readers else "") or "reference", []).append(read.values[row])
        for reader, values in by_reader.items():
            said = _agreed(values)
            if said is None:
                torn += [key] if any(value is not None for value in values) else []
            elif case.said(name, reader) not in (None, said):
                against.append(key)
            else:
                case.claim(name, said, reader)
    draft.evidence.append(f"{one.name}: column `{column.name}` is the label `{name}` ({column.words()}).")
    if torn:
        draft.warnings.append(
            f"{counted(len(torn), 'case')} with rows that contradict one another in `{column.name}`, left unlabelled: "
            f"{listed(torn, most=3)}."
        )
    if against:
        draft.warnings.append(
            f"{counted(len(against), 'case')} where `{column.name}` of {one.name} contradicts an earlier source of "
            f"`{name}`, which is kept: {listed(against, most=3)}."
        )
    if read.unsure:
        draft.warnings.append(f"{counted(read.unsure, 'row')} of `{column.name}` uncertain: taken as unknown.")


def _forget_covariates(draft: Draft, one: _Matched, names: Sequence[str]) -> None:
    """What is the label is no covariate."""
    for key in one.match.rows:
        for name in names:
            draft.cases[key].covariates.pop(name, None)


LAYOUT = Layout(rank=80, understand=_understand)
