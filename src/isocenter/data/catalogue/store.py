"""The catalogue itself: opens the tables, takes in what an ingest found, and hands back cases."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, overload

from sqlalchemy import Connection, bindparam, func, insert, select, update
from sqlalchemy.exc import OperationalError

from isocenter.core.case import Case
from isocenter.core.cohort import Cohort, IngestReport, Refusal
from isocenter.core.errors import CohortProblem
from isocenter.core.image import ImageFacts
from isocenter.core.labels import Label
from isocenter.data.catalogue import tables
from isocenter.data.catalogue.folder import DATABASE, read_description
from isocenter.data.catalogue.records import facts_from_text, value_from_text
from isocenter.storage.sql import open_engine, prepare, sql_problem

MIGRATIONS = Path(__file__).with_name("migrations")
ACTIVE, RETIRED = "active", "retired"
BATCH = 500
"""Cases loaded at a time, and values bound to one statement."""


@dataclass(frozen=True, slots=True)
class FileState:
    """A file as it was when it was last looked at."""

    path: str
    size: int
    mtime_ns: int
    state: str
    """`image`, `table`, `used` (annotation, side-car), `refused` or `gone`."""
    reason: str | None = None


class Catalogue:
    """The tables of one cohort folder."""

    def __init__(self, folder: Path, *, create: bool = False) -> None:
        """Open the tables of a cohort; only an ingest may `create` them."""
        self.folder = folder
        self.what = f"the cohort {folder}"
        if not create and not (folder / DATABASE).is_file():
            raise CohortProblem(
                f"{folder} cannot be opened",
                why=f"its {DATABASE} is missing",
                remedy="Restore it from a backup, or run `isocenter ingest` on the sources named in its cohort.toml",
            )
        self._home = folder.absolute().as_posix() + "/"
        self.engine = open_engine(folder / DATABASE)
        prepare(
            self.engine, tables.METADATA, revision=tables.REVISION, migrations=MIGRATIONS, what=self.what.capitalize()
        )

    def close(self) -> None:
        """Let go of the database file."""
        self.engine.dispose()

    def __enter__(self) -> Catalogue:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection to read from."""
        try:
            with self.engine.connect() as connection:
                yield connection
        except OperationalError as error:
            raise sql_problem(error, self.what.capitalize()) from error

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """One transaction: everything in it happens, or nothing."""
        try:
            with self.engine.begin() as connection:
                yield connection
        except OperationalError as error:
            raise sql_problem(error, self.what.capitalize()) from error

    def file_stamps(self) -> dict[str, tuple[int, int, str]]:
        """Size, time and state of every file by path: what an unchanged ingest needs, and no more."""
        with self.reading() as connection:
            rows = connection.exec_driver_sql("SELECT path, size, mtime_ns, state FROM files")
            return {self.absolute(path): (size, mtime, state) for path, size, mtime, state in rows}

    def refusals(self) -> list[Refusal]:
        """Every file that was not taken, and why."""
        table = tables.files
        query = select(table.c.path, table.c.reason).where(table.c.reason.is_not(None)).order_by(table.c.path)
        with self.reading() as connection:
            rows = connection.execute(query.where(table.c.state != "gone"))
            return [Refusal(path=self.absolute(path), reason=reason) for path, reason in rows]

    def images(self) -> dict[str, ImageFacts]:
        """Facts of every image, masks included, by key."""
        query = select(tables.images.c.id, tables.images.c.key, tables.images.c.facts)
        with self.reading() as connection:
            return _facts(connection, connection.execute(query).all(), self)

    def last_ingest(self) -> tuple[str, IngestReport] | None:
        """The settings of the newest ingest, as text, and what it understood."""
        table = tables.events
        query = select(table.c.settings, table.c.report).where(table.c.command == "ingest")
        with self.reading() as connection:
            row = connection.execute(query.order_by(table.c.id.desc()).limit(1)).first()
        return (row.settings, IngestReport.model_validate_json(row.report)) if row else None

    def last_report(self) -> IngestReport | None:
        """What the newest ingest understood."""
        last = self.last_ingest()
        return last[1] if last else None

    def events(self) -> list[Mapping[str, Any]]:
        """Who did what and when, oldest first."""
        with self.reading() as connection:
            return [dict(row) for row in connection.execute(select(tables.events)).mappings()]

    def digests(self) -> dict[str, str]:
        """The content hash of every file that was decoded before, by stored path."""
        table = tables.files
        with self.reading() as connection:
            query = select(table.c.path, table.c.digest).where(table.c.digest.is_not(None))
            return dict(connection.execute(query).all())

    def remember_digests(self, digests: Mapping[str, str]) -> None:
        """Keep the content hashes of files."""
        statement = update(tables.files).where(tables.files.c.path == bindparam("stored"))
        rows = [{"stored": path, "hashed": digest} for path, digest in digests.items()]
        with self.writing() as connection:
            connection.execute(statement.values(digest=bindparam("hashed")), rows)

    def move_files(self, moves: Mapping[str, str]) -> None:
        """Follow files that were moved; their images stay the same images of the same cases."""
        file, link, image = tables.files, tables.image_files, tables.images
        with self.writing() as connection:
            for part in batches(list(moves.items())):
                stored = {self.stored(old): self.stored(new) for old, new in part}
                query = (
                    select(image.c.id, image.c.key, file.c.path)
                    .join(link, link.c.image_id == image.c.id)
                    .join(file, file.c.id == link.c.file_id)
                    .where(file.c.path.in_(list(stored)), image.c.group_key == "")
                )
                for number, key, path in connection.execute(query).all():
                    if key == path or key.startswith(f"{path}#"):
                        renamed = stored[path] + key[len(path) :]
                        connection.execute(update(image).where(image.c.id == number).values(key=renamed))
                for old, new in stored.items():
                    connection.execute(update(file).where(file.c.path == old).values(path=new))

    def case_keys_by_image(self) -> dict[str, str]:
        """Image key to the key of the case that it belongs to."""
        query = (
            select(tables.images.c.key, tables.images.c.group_key, tables.cases.c.key)
            .join(tables.case_images, tables.case_images.c.image_id == tables.images.c.id)
            .join(tables.cases, tables.cases.c.id == tables.case_images.c.case_id)
        )
        with self.reading() as connection:
            rows = connection.execute(query).all()
        return {image if group else self.absolute(image): case for image, group, case in rows}

    def officially_split(self) -> frozenset[str]:
        """Keys of cases whose split came with the data."""
        query = select(tables.cases.c.key).join(tables.splits, tables.splits.c.case_id == tables.cases.c.id)
        with self.reading() as connection:
            rows = connection.execute(query.where(tables.splits.c.origin == "official"))
            return frozenset(row.key for row in rows)

    def cases(self) -> CaseList:
        """Every case, read as it is walked."""
        return CaseList(self)

    def stored(self, path: str) -> str:
        """A path as the tables hold it: relative where the file is kept inside the cohort, which may be moved."""
        return path.removeprefix(self._home)

    def absolute(self, path: str) -> str:
        """A stored path as one that can be opened: files kept in the cohort are stored relative to it."""
        return path if path.startswith("/") or path[1:2] == ":" else f"{self._home}{path}"


class CaseList(Sequence[Case]):
    """The cases of a catalogue in the order of their keys, loaded in batches."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        with catalogue.reading() as connection:
            query = select(func.count()).select_from(tables.cases).where(tables.cases.c.state == ACTIVE)
            self._count: int = connection.execute(query).scalar_one()

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, position: int) -> Case: ...
    @overload
    def __getitem__(self, position: slice) -> Sequence[Case]: ...
    def __getitem__(self, position: int | slice) -> Case | Sequence[Case]:
        if isinstance(position, slice):
            start, stop, step = position.indices(self._count)
            return (
                self._load(start, max(0, stop - start))
                if step == 1
                else [self[one] for one in range(start, stop, step)]
            )
        wanted = position + self._count if position < 0 else position
        if not 0 <= wanted < self._count:
            raise IndexError(f"a cohort of {self._count} cases has no case {position}")
        return self._load(wanted, 1)[0]

    def __iter__(self) -> Iterator[Case]:
        for start in range(0, self._count, BATCH):
            yield from self._load(start, BATCH)

    def _load(self, start: int, count: int) -> list[Case]:
        query = (
            select(tables.cases, tables.patients.c.key.label("patient"))
            .join(tables.patients, tables.patients.c.id == tables.cases.c.patient_id)
            .where(tables.cases.c.state == ACTIVE)
            .order_by(tables.cases.c.key)
            .offset(start)
            .limit(count)
        )
        with self._catalogue.reading() as connection:
            rows = connection.execute(query).all()
            ids = [row.id for row in rows]
            images = _case_images(connection, ids, self._catalogue)
            labels = _newest_labels(connection, ids, self._catalogue)
            found = select(tables.splits.c.case_id, tables.splits.c.split).where(
                tables.splits.c.case_id.in_(ids), tables.splits.c.design == "default"
            )
            splits = dict(connection.execute(found).all())
        return [
            Case(
                key=row.key,
                patient=row.patient,
                images=images.get(row.id, {}),
                labels=tuple(labels.get(row.id, ())),
                split=splits.get(row.id),
                group=row.group_key,
                visit=row.visit,
                date=row.date,
                covariates=json.loads(row.covariates),
            )
            for row in rows
        ]


def open_cohort(folder: str | Path) -> Cohort:
    """Open a cohort folder."""
    place = Path(folder)
    description = read_description(place)
    catalogue = Catalogue(place)
    return Cohort(folder=place, name=description.name, schema=description.schema, cases=catalogue.cases())


def batches(items: Sequence[Any], size: int = BATCH) -> Iterator[Sequence[Any]]:
    """Parts of a sequence, each small enough for one statement."""
    for start in range(0, len(items), size):
        yield items[start : start + size]


def insert_rows(connection: Connection, table: Any, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert many rows of the same columns at once, past the machinery that looks at each value."""
    if not rows:
        return
    statement = insert(table).compile(dialect=connection.dialect, column_keys=list(rows[0]))
    if statement.positiontup:
        names = statement.positiontup
        connection.exec_driver_sql(str(statement), [tuple(row[name] for name in names) for row in rows])
    else:
        connection.exec_driver_sql(str(statement), [dict(row) for row in rows])


def _case_images(connection: Connection, ids: Sequence[int], catalogue: Catalogue) -> dict[int, dict[str, ImageFacts]]:
    link, image = tables.case_images, tables.images
    query = (
        select(link.c.case_id, link.c.channel, image.c.id, image.c.key, image.c.group_key, image.c.facts)
        .join(image, image.c.id == link.c.image_id)
        .where(link.c.case_id.in_(ids))
        .order_by(link.c.case_id, link.c.ordinal)
    )
    rows = connection.execute(query).all()
    facts = _facts(connection, [(row.id, row.key, row.facts) for row in rows], catalogue)
    found: dict[int, dict[str, ImageFacts]] = defaultdict(dict)
    for row in rows:
        key = row.key if row.group_key else catalogue.absolute(row.key)
        found[row.case_id][row.channel] = facts[key]
    return found


def _facts(connection: Connection, rows: Sequence[Any], catalogue: Catalogue) -> dict[str, ImageFacts]:
    link, file = tables.image_files, tables.files
    files: dict[int, list[tuple[str, str | None]]] = defaultdict(list)
    for part in batches([row[0] for row in rows]):
        query = (
            select(link.c.image_id, file.c.path, link.c.instance)
            .join(file, file.c.id == link.c.file_id)
            .where(link.c.image_id.in_(part))
            .order_by(link.c.image_id, link.c.ordinal)
        )
        for image, path, instance in connection.execute(query):
            files[image].append((catalogue.absolute(path), instance))
    found: dict[str, ImageFacts] = {}
    for image, _, text in rows:
        paths = [path for path, _ in files[image]]
        instances = [instance for _, instance in files[image] if instance]
        facts = facts_from_text(text, paths, instances)
        found[facts.key] = facts
    return found


def _newest_labels(connection: Connection, ids: Sequence[int], catalogue: Catalogue) -> dict[int, list[Label]]:
    table = tables.labels
    query = select(table).where(table.c.case_id.in_(ids)).order_by(table.c.case_id, table.c.id)
    newest: dict[int, dict[tuple[str, str], Label]] = defaultdict(dict)
    for row in connection.execute(query):
        known = newest[row.case_id].get((row.name, row.reader))
        if known is None or known.version < row.version:
            label = Label(
                name=row.name,
                value=value_from_text(row.value, catalogue.absolute),
                reader=row.reader,
                version=row.version,
            )
            newest[row.case_id][(row.name, row.reader)] = label
    return {case: list(labels.values()) for case, labels in newest.items()}
