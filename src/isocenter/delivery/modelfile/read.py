"""Read a model file: every member is held against its SHA-256, and anything odd is refused in one sentence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import yaml
from pydantic import TypeAdapter

from isocenter.core.errors import IsocenterError, Unreadable, UsageError
from isocenter.core.labels import LabelDefinition
from isocenter.core.recipe import plain_from, recipe_from
from isocenter.core.record import Record
from isocenter.core.words import listed, sized
from isocenter.delivery.modelfile.container import (
    CARD,
    DECISION,
    LABELS,
    LEARNED,
    MANIFEST,
    MOST_BYTES,
    MOST_TEXT_BYTES,
    RECIPE,
    RECORD,
    REFERENCE,
    WEIGHTS,
    digest,
    first_line,
    manifest_of,
    opened,
    refused,
)
from isocenter.delivery.modelfile.outside import reads_other_files
from isocenter.delivery.modelfile.package import GRAPH, HEAD, INT8, Manifest, Package, Reference
from isocenter.pathway.tasks._shared import Decision

Parsed = TypeVar("Parsed")
_GRAPHS = (GRAPH, HEAD, INT8)


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One member of a model file, and whether it is as it was when it was written."""

    name: str
    size: int
    sha256: str
    sound: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Examination:
    """What is in a model file; `problem` says why it is refused, empty where it is sound."""

    digest: str
    manifest: Manifest | None = None
    members: tuple[Member, ...] = ()
    problem: str = ""


def read_model(path: str | Path) -> Package:
    """The values of a model file whose every member is as it was written."""
    return package_from(_content(Path(path)), source=str(path))


def examine(path: str | Path) -> Examination:
    """Look at each member of a model file; only a file that is not there is an error."""
    content = _content(Path(path))
    whole = digest(content)
    try:
        members = opened(content, source=str(path))
        manifest = manifest_of(members, source=str(path))
        found = tuple(_member(name, value, manifest) for name, value in members.items())
    except Unreadable as error:
        return Examination(digest=whole, problem=error.reason)
    try:
        package_from(content, source=str(path))
    except Unreadable as error:
        return Examination(digest=whole, manifest=manifest, members=found, problem=error.reason)
    return Examination(digest=whole, manifest=manifest, members=found)


def package_from(content: bytes, *, source: str) -> Package:
    """The values of a model file given as bytes; raises `Unreadable`."""
    members = opened(content, source=source)
    manifest = manifest_of(members, source=source)
    _require_whole(members, manifest, source)
    for name, value in members.items():
        if name not in (*_GRAPHS, LEARNED, WEIGHTS) and len(value) > MOST_TEXT_BYTES:
            raise refused(source, f"its {name} is longer than {sized(MOST_TEXT_BYTES)}")
    for name in (one for one in _GRAPHS if one in members):
        if reads_other_files(members[name]):
            raise refused(source, f"its {name} would read other files of this machine")
    if len(members.get(LEARNED, b"")) % 8:
        raise refused(source, f"its {LEARNED} is not whole")
    try:
        return Package(
            manifest=manifest,
            recipe=recipe_from(plain_from(members[RECIPE]), source=RECIPE),
            label=_parsed(LabelDefinition, members[LABELS]),
            decision=_parsed(Decision, members[DECISION]),
            reference=_parsed(Reference, members[REFERENCE]),
            record=_parsed(Record, members[RECORD]),
            card=members[CARD].decode(),
            weights=members.get(WEIGHTS),
            graphs={name: members[name] for name in _GRAPHS if name in members},
            learned=members.get(LEARNED, b""),
            digest=digest(content),
        )
    except (ValueError, yaml.YAMLError, RecursionError, IsocenterError) as error:
        raise refused(source, f"what it says cannot be understood ({first_line(error)})") from error


def _content(path: Path) -> bytes:
    if path.is_dir() or not path.exists():
        what = "is a folder" if path.is_dir() else "does not exist"
        raise UsageError(f"{path} {what}", remedy="Give a file that ends in .isomodel")
    size = path.stat().st_size
    if size > MOST_BYTES:
        raise refused(str(path), f"it has {sized(size)} and a model file holds at most 2 GB")
    return path.read_bytes()


def _require_whole(members: Mapping[str, bytes], manifest: Manifest, source: str) -> None:
    found = [_member(name, content, manifest) for name, content in members.items()]
    changed = [member.name for member in found if not member.sound]
    lost = sorted(set(manifest.members) - set(members))
    if changed:
        raise refused(source, f"{listed(changed)} changed since it was written")
    if lost:
        raise refused(source, f"{listed(lost)} is no longer in it")


def _member(name: str, content: bytes, manifest: Manifest) -> Member:
    found = digest(content)
    sound = name == MANIFEST or manifest.members.get(name) == found
    return Member(name=name, size=len(content), sha256=found, sound=sound)


def _parsed(kind: type[Parsed], content: bytes) -> Parsed:
    parsed: Parsed = TypeAdapter(kind).validate_json(content)
    return parsed
