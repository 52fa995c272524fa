"""The SQL engine and its migrations: SQLite in a folder today, PostgreSQL by URL when a server needs it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, MetaData, create_engine, event, inspect, text
from sqlalchemy.exc import DatabaseError, OperationalError

from isocenter.core.errors import CohortProblem, StorageProblem


def open_engine(place: Path | str) -> Engine:
    """An engine for a SQLite file (a path) or for any database (a URL)."""
    if isinstance(place, Path):
        engine = create_engine(URL.create("sqlite", database=str(place)))
        event.listen(engine, "connect", _tune_sqlite)
        return engine
    return create_engine(place)


def prepare(engine: Engine, metadata: MetaData, *, revision: str, migrations: Path, what: str) -> None:
    """Create the tables of a new database, or bring an older one up to `revision`.

    Alembic is slow to import and not needed for a new database or a current one: it is loaded for an upgrade alone.
    A test holds the tables made here equal to those that the migrations make.
    """
    try:
        with engine.begin() as connection:
            found = _revision(connection)
            if found is None:
                metadata.create_all(connection)
                connection.execute(text("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)"))
                connection.execute(text("INSERT INTO alembic_version VALUES (:head)"), {"head": revision})
                return
        if found != revision:
            upgrade(engine, found, migrations=migrations, revision=revision, what=what)
    except OperationalError as error:
        raise sql_problem(error, what) from error
    except DatabaseError as error:
        raise CohortProblem(
            f"{what} cannot be opened",
            why=f"its database is damaged ({error.orig})",
            remedy="Restore it from a backup, or ingest the sources again into a new folder",
        ) from error


def upgrade(engine: Engine, found: str, *, migrations: Path, revision: str, what: str) -> None:
    """Run the migrations that lie between the revision found and the current one."""
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", migrations.as_posix())
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if found not in known | {"base"}:
        raise CohortProblem(
            f"{what} cannot be opened",
            why=f"it was written by a newer Isocenter (tables of version {found}, this one knows {revision})",
            remedy="Update Isocenter with `pip install --upgrade isocenter`",
        )
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)


def sql_problem(error: OperationalError, what: str) -> Exception:
    """What a database that cannot be written says, in a sentence with a remedy."""
    reason = str(error.orig).lower()
    if "full" in reason:
        return StorageProblem(f"{what} cannot be written", why="the disk is full", remedy="Free some space and repeat")
    if "readonly" in reason or "read-only" in reason or "unable to open" in reason:
        return StorageProblem(
            f"{what} cannot be written",
            why="its folder is read-only for this user",
            remedy="Choose another folder or change its permissions",
        )
    if "locked" in reason:
        return StorageProblem(
            f"{what} cannot be written now",
            why="another process holds its database",
            remedy="Wait for it to finish and run the same command again; nothing was changed",
        )
    return CohortProblem(f"{what} cannot be used", why=str(error.orig), remedy="Run `isocenter doctor` on it")


def _revision(connection: Connection) -> str | None:
    """The version of the tables, or None where there are none yet."""
    tables = inspect(connection).get_table_names()
    if "alembic_version" not in tables:
        return "base" if tables else None
    return str(connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one())


def _tune_sqlite(connection: Any, _record: Any) -> None:
    """A crash or a power cut leaves the last finished transaction; readers wait while the writer commits.

    The journal is SQLite's plain one: a write-ahead log could not be read from a folder that is read-only.
    """
    cursor = connection.cursor()
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.execute("PRAGMA busy_timeout = 30000")
    cursor.execute("PRAGMA synchronous = FULL")
    cursor.close()
