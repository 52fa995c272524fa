"""The cohort folder: its name, its schema for people to read and edit, and how it is opened."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import tomli_w
from pydantic import ValidationError

from isocenter.core.errors import CohortProblem, UsageError
from isocenter.core.labels import LabelDefinition, LabelSchema
from isocenter.storage.atomic import write_text

DESCRIPTION = "cohort.toml"
DATABASE = "catalogue.db"
LOCK = ".writing.lock"
VERSION = 1

_HEADING = """\
# What this cohort is. Written by Isocenter, meant to be read and edited by people: the name, and for each class an
# optional `code` (SNOMED CT or RadLex, such as "SCT:86049000") and `recommendation` (what should follow, shown beside
# the finding). The images stay where they are; the catalogue beside this file knows them.

"""


@dataclass
class Description:
    """What `cohort.toml` says."""

    name: str
    created: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))
    sources: list[str] = field(default_factory=list)
    schema: LabelSchema = field(default_factory=LabelSchema)


def is_cohort(folder: Path) -> bool:
    """Whether a folder is a cohort."""
    return (folder / DESCRIPTION).is_file()


def read_description(folder: Path) -> Description:
    """Read `cohort.toml`, or say what is wrong with it."""
    path = folder / DESCRIPTION
    if not path.is_file():
        raise _no_cohort(folder)
    try:
        stored: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
        if stored["version"] > VERSION:
            raise CohortProblem(
                f"{folder} cannot be opened",
                why=f"its {DESCRIPTION} has version {stored['version']} and this Isocenter knows {VERSION}",
                remedy="Update Isocenter with `pip install --upgrade isocenter`",
            )
        return Description(
            name=stored["name"],
            created=stored["created"],
            sources=list(stored.get("sources", [])),
            schema=LabelSchema.model_validate({"labels": stored.get("labels", [])}),
        )
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, KeyError, TypeError, ValidationError) as error:
        reason = " ".join(str(error).split())[:300]
        raise CohortProblem(f"{path} cannot be understood", why=reason, remedy="Mend it in a text editor") from error


def write_description(folder: Path, description: Description) -> None:
    """Write `cohort.toml`."""
    stored: dict[str, Any] = {
        "version": VERSION,
        "name": description.name,
        "created": description.created,
        "sources": description.sources,
        "labels": [label.model_dump(mode="json", exclude_none=True) for label in description.schema.labels],
    }
    write_text(folder / DESCRIPTION, _HEADING + tomli_w.dumps(stored))


def merged(schema: LabelSchema, found: dict[str, LabelDefinition]) -> LabelSchema:
    """The schema with new labels and classes added; what people wrote into it stays."""
    labels = {label.name: label for label in schema.labels}
    for name, definition in found.items():
        known = labels.get(name)
        if known is None or known.kind != definition.kind:
            labels[name] = definition
            continue
        names = {one.name for one in known.classes}
        extra = tuple(one for one in definition.classes if one.name not in names)
        labels[name] = known.model_copy(update={"classes": known.classes + extra})
    return LabelSchema(labels=tuple(labels.values()))


def check_destination(folder: Path) -> None:
    """Refuse to catalogue into a folder that is something else already."""
    if folder.is_file():
        raise UsageError(f"{folder} is a file", remedy="Give a folder for the cohort with `--into`")
    if folder.is_dir() and not is_cohort(folder) and any(_is_strange(one.name) for one in folder.iterdir()):
        raise UsageError(
            f"{folder} is not empty and not a cohort",
            remedy="Give a new folder with `--into`; the images themselves stay where they are",
        )


def _is_strange(name: str) -> bool:
    """Whether a file is not one that an ingest leaves when it is killed before its first end."""
    return not name.startswith(".") and name not in {"images", "cache"} and not name.startswith(DATABASE)


def _no_cohort(folder: Path) -> CohortProblem:
    what = "does not exist" if not folder.exists() else "is not a cohort"
    return CohortProblem(
        f"{folder} {what}",
        why=f"there is no {DESCRIPTION} in it" if folder.exists() else "",
        remedy=f"Make one with `isocenter ingest SOURCE --into {folder}`",
    )
