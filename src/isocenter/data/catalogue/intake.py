"""Takes what an ingest found into the tables, in one transaction; nothing that was said before is overwritten."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from sqlalchemy import Connection, bindparam, delete, func, insert, select, update

from isocenter.core.case import Case
from isocenter.core.image import ImageFacts
from isocenter.data.catalogue import tables
from isocenter.data.catalogue.records import facts_to_text, value_to_text
from isocenter.data.catalogue.store import ACTIVE, RETIRED, Catalogue, FileState, batches, insert_rows


@dataclass(kw_only=True)
class Intake:
    """What an ingest found.

    Attributes:
        files: state of every file that is new or changed.
        images: facts of every image that is new or changed, masks included.
        cases: every case that was understood; those known already bring new labels at most.
        forgotten: keys of images whose files now hold something else.
        retired: keys of catalogued cases whose images are gone, or mean something else now.
        official: case keys whose split came with the data.
        resplit: whether splits given before make way for those of `cases`.
        event: the row for the record of who did what.
    """

    files: Sequence[FileState]
    images: Sequence[ImageFacts]
    cases: Sequence[Case]
    forgotten: Sequence[str] = ()
    retired: Sequence[str] = ()
    official: frozenset[str] = frozenset()
    resplit: bool = False
    event: Mapping[str, Any] = field(default_factory=dict)


_ROWS = 5000
"""Images turned into rows at a time: the rows of a hundred thousand would take more memory than the images."""


class Written(NamedTuple):
    """What became of the rows of one table: the id of each key, and the ids of those that were there before."""

    ids: Mapping[str, int]
    old: Sequence[int]


def take_in(catalogue: Catalogue, intake: Intake) -> None:
    """Write everything, or nothing."""
    with catalogue.writing() as connection:
        event = connection.execute(insert(tables.events).values(**intake.event)).inserted_primary_key
        files = _upsert_files(connection, intake.files, catalogue)
        _forget_images(connection, [catalogue.stored(key) for key in intake.forgotten])
        patients = _ids(connection, tables.patients, _patient_rows(intake.cases), "key")
        series = _series(connection, intake.cases, patients)
        images: dict[str, int] = {}
        for part in batches(intake.images, _ROWS):
            images.update(_upsert_images(connection, part, series, files, catalogue))
        cases = _upsert_cases(connection, intake.cases, patients)
        _retire(connection, intake.retired)
        _link_images(connection, intake.cases, cases, images, catalogue)
        _add_labels(connection, intake.cases, cases, catalogue, event[0] if event else None)
        if intake.resplit:
            connection.execute(delete(tables.splits).where(tables.splits.c.design == "default"))
        _add_splits(connection, intake.cases, cases.ids, intake.official)


def _ids(connection: Connection, table: Any, rows: Iterable[dict[str, Any]], key: str) -> dict[str, int]:
    """Insert the rows whose key is new; returns the id of every key of the table."""
    known = {value: number for number, value in connection.execute(select(table.c.id, table.c[key]))}
    fresh = {row[key]: row for row in rows if row[key] not in known}
    numbers = _insert_numbered(connection, table, list(fresh.values()))
    return known | dict(zip(fresh, numbers, strict=True))


def _patient_rows(cases: Sequence[Case]) -> Iterable[dict[str, Any]]:
    for case in cases:
        sex = next((image.sex for image in case.images.values() if image.sex), None)
        yield {"key": case.patient, "sex": sex}


def _series(connection: Connection, cases: Sequence[Case], patients: Mapping[str, int]) -> dict[str, int]:
    """Visits and series of all images of the cases; returns image key to series id."""
    visits = _nested(
        connection,
        tables.visits,
        "patient_id",
        ({"patient_id": patients[case.patient], "key": _visit(case), "date": case.date} for case in cases),
    )
    rows = (
        {
            "visit_id": visits[(patients[case.patient], _visit(case))],
            "key": image.series or image.key,
            "modality": image.modality,
            "description": image.description,
            "device": image.device,
            "body_part": image.body_part,
        }
        for case in cases
        for image in case.images.values()
    )
    found = _nested(connection, tables.series, "visit_id", rows)
    return {
        image.key: found[(visits[(patients[case.patient], _visit(case))], image.series or image.key)]
        for case in cases
        for image in case.images.values()
    }


def _visit(case: Case) -> str:
    return case.visit or case.date or "1"


def _nested(
    connection: Connection, table: Any, parent: str, rows: Iterable[dict[str, Any]]
) -> dict[tuple[int, str], int]:
    """The same as `_ids` for a table whose key is unique below a parent."""
    query = select(table.c.id, table.c[parent], table.c.key)
    known = {(above, key): number for number, above, key in connection.execute(query)}
    fresh: dict[tuple[int, str], dict[str, Any]] = {}
    for row in rows:
        if (row[parent], row["key"]) not in known:
            fresh.setdefault((row[parent], row["key"]), row)
    numbers = _insert_numbered(connection, table, list(fresh.values()))
    return known | dict(zip(fresh, numbers, strict=True))


def _upsert_files(connection: Connection, states: Sequence[FileState], catalogue: Catalogue) -> Mapping[str, int]:
    # A file that changed has to be hashed anew.
    rows = [
        {
            "path": catalogue.stored(state.path),
            "size": state.size,
            "mtime_ns": state.mtime_ns,
            "state": state.state,
            "reason": state.reason,
            "digest": None,
        }
        for state in states
    ]
    return _upsert(connection, tables.files, "path", rows).ids


def _upsert_images(
    connection: Connection,
    images: Sequence[ImageFacts],
    series: Mapping[str, int],
    files: Mapping[str, int],
    catalogue: Catalogue,
) -> Mapping[str, int]:
    rows = [
        {
            "key": catalogue.stored(image.key),
            "group_key": image.group,
            "series_id": series.get(image.key),
            "facts": facts_to_text(image),
        }
        for image in images
    ]
    written = _upsert(connection, tables.images, "key", rows)
    for part in batches(written.old):
        connection.execute(delete(tables.image_files).where(tables.image_files.c.image_id.in_(part)))
    paths = {path: catalogue.stored(path) for image in images for path in image.files}
    known = _completed(connection, tables.files, "path", files, paths.values())
    links = [
        {
            "image_id": written.ids[catalogue.stored(image.key)],
            "ordinal": ordinal,
            "file_id": known[paths[path]],
            "instance": instance,
        }
        for image in images
        for ordinal, (path, instance) in enumerate(_files_with_instances(image))
    ]
    insert_rows(connection, tables.image_files, links)
    return {image.key: written.ids[catalogue.stored(image.key)] for image in images}


def _files_with_instances(image: ImageFacts) -> list[tuple[str, str | None]]:
    instances: Sequence[str | None] = image.instances
    if len(instances) != len(image.files):
        instances = [*instances[:1], *([None] * len(image.files))][: len(image.files)] or [None] * len(image.files)
    return list(zip(image.files, instances, strict=True))


def _upsert_cases(connection: Connection, cases: Sequence[Case], patients: Mapping[str, int]) -> Written:
    rows = [
        {
            "key": case.key,
            "patient_id": patients[case.patient],
            "visit": case.visit,
            "date": case.date,
            "group_key": case.group,
            "covariates": json.dumps(dict(case.covariates)),
            "state": ACTIVE,
        }
        for case in cases
    ]
    return _upsert(connection, tables.cases, "key", rows)


def _retire(connection: Connection, keys: Sequence[str]) -> None:
    """Cases are kept with all that was said of them, and no longer counted, trained on or judged."""
    for part in batches(keys):
        connection.execute(update(tables.cases).where(tables.cases.c.key.in_(part)).values(state=RETIRED))


def _forget_images(connection: Connection, keys: Sequence[str]) -> None:
    """Drop images whose file now holds something else."""
    for part in batches(keys):
        ids = select(tables.images.c.id).where(tables.images.c.key.in_(part))
        connection.execute(delete(tables.case_images).where(tables.case_images.c.image_id.in_(ids)))
        connection.execute(delete(tables.image_files).where(tables.image_files.c.image_id.in_(ids)))
        connection.execute(delete(tables.images).where(tables.images.c.key.in_(part)))


def _link_images(
    connection: Connection, cases: Sequence[Case], written: Written, images: Mapping[str, int], catalogue: Catalogue
) -> None:
    table = tables.case_images
    for part in batches(written.old):
        connection.execute(delete(table).where(table.c.case_id.in_(part)))
    keys = {image.key: catalogue.stored(image.key) for case in cases for image in case.images.values()}
    known = _completed(
        connection,
        tables.images,
        "key",
        {catalogue.stored(key): number for key, number in images.items()},
        keys.values(),
    )
    rows = [
        {"case_id": written.ids[case.key], "channel": channel, "ordinal": ordinal, "image_id": known[keys[image.key]]}
        for case in cases
        for ordinal, (channel, image) in enumerate(case.images.items())
    ]
    insert_rows(connection, table, rows)


def _add_labels(
    connection: Connection, cases: Sequence[Case], written: Written, catalogue: Catalogue, event: int | None
) -> None:
    """A label that differs from the newest version of the same reader becomes the next version."""
    table = tables.labels
    newest: dict[tuple[int, str, str], tuple[int, str]] = {}
    for part in batches(written.old):
        query = select(table).where(table.c.case_id.in_(part)).order_by(table.c.version)
        for stored in connection.execute(query):
            newest[(stored.case_id, stored.name, stored.reader)] = (stored.version, stored.value)
    rows: list[dict[str, Any]] = []
    for case in cases:
        for label in case.labels:
            number = written.ids[case.key]
            version, value = newest.get((number, label.name, label.reader), (0, ""))
            text = value_to_text(label.value, catalogue.stored)
            if text != value:
                row = {"case_id": number, "name": label.name, "reader": label.reader, "event_id": event}
                rows.append({**row, "version": version + 1, "value": text})
    insert_rows(connection, table, rows)


def _add_splits(
    connection: Connection, cases: Sequence[Case], ids: Mapping[str, int], official: frozenset[str]
) -> None:
    """A split once given stays: a case that trained a model must not judge the next one."""
    table = tables.splits
    known = {case for (case,) in connection.execute(select(table.c.case_id).where(table.c.design == "default"))}
    rows = [
        {
            "case_id": ids[case.key],
            "design": "default",
            "split": case.split,
            "origin": "official" if case.key in official else "assigned",
        }
        for case in cases
        if case.split and ids[case.key] not in known
    ]
    insert_rows(connection, table, rows)


def _upsert(connection: Connection, table: Any, key: str, rows: Sequence[dict[str, Any]]) -> Written:
    """Insert rows whose key is new and update the others."""
    known = _stored(connection, table, key, [row[key] for row in rows])
    fresh = [row for row in rows if row[key] not in known]
    changed = [row for row in rows if row[key] in known]
    if changed:
        values: dict[str, Any] = {name: bindparam(f"new_{name}") for name in changed[0] if name != key}
        statement = update(table).where(table.c[key] == bindparam("old_key")).values(**values)
        given = [{"old_key": row[key], **{f"new_{name}": row[name] for name in values}} for row in changed]
        connection.execute(statement, given)
    numbers = _insert_numbered(connection, table, fresh)
    ids = known | {row[key]: number for row, number in zip(fresh, numbers, strict=True)}
    return Written(ids, list(known.values()))


def _insert_numbered(connection: Connection, table: Any, rows: Sequence[dict[str, Any]]) -> range:
    """Insert rows under the next free ids; the one transaction that writes may number them itself."""
    first = (connection.execute(select(func.max(table.c.id))).scalar() or 0) + 1 if rows else 0
    numbers = range(first, first + len(rows))
    insert_rows(connection, table, [{"id": number, **row} for number, row in zip(numbers, rows, strict=True)])
    return numbers


def _completed(
    connection: Connection, table: Any, key: str, known: Mapping[str, int], wanted: Iterable[str]
) -> Mapping[str, int]:
    """Known ids, with those of other wanted keys looked up."""
    missing = list({one for one in wanted if one not in known})
    return {**known, **_stored(connection, table, key, missing)} if missing else known


def _stored(connection: Connection, table: Any, key: str, values: Sequence[str]) -> dict[str, int]:
    """The ids of the rows with these keys."""
    if connection.execute(select(table.c.id).limit(1)).first() is None:
        return {}
    found: dict[str, int] = {}
    for part in batches(values):
        rows = connection.execute(select(table.c[key], table.c.id).where(table.c[key].in_(part)))
        found.update((name, number) for name, number in rows)
    return found
