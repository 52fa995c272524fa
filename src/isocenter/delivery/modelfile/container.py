"""The container of a model file: a zip of stored members that has one right form, so that any other byte shows."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from io import BytesIO
from struct import error as StructError
from zipfile import ZIP_STORED, BadZipFile, LargeZipFile, ZipFile, ZipInfo

from isocenter.core.errors import Unreadable, UsageError
from isocenter.core.words import listed
from isocenter.delivery.modelfile.package import GRAPH, HEAD, INT8, Manifest

MANIFEST, RECIPE, LABELS, DECISION = "manifest.json", "recipe.yaml", "labels.json", "decision.json"
REFERENCE, RECORD, CARD, WEIGHTS = "reference.json", "record.json", "card.md", "weights.safetensors"
LEARNED = "learned.bin"

NEEDED = (CARD, DECISION, GRAPH, LABELS, MANIFEST, RECIPE, RECORD, REFERENCE)
ALLOWED = (*NEEDED, HEAD, INT8, LEARNED, WEIGHTS)
VERSION = 1

MOST_BYTES = (1 << 31) - 1
"""The largest model file: what a zip and an ONNX graph hold without extensions."""

MOST_TEXT_BYTES = 4_000_000
"""The largest member that is text: parsing must not become the work."""

_DATE = (1980, 1, 1, 0, 0, 0)
_RIGHTS = 0o644 << 16
_UNIX = 3
_BROKEN = (BadZipFile, EOFError, OSError, RuntimeError, StructError, ValueError)  # what `zipfile` says of odd bytes


def archive(members: Mapping[str, bytes]) -> bytes:
    """The members as one file; the same members, the same bytes, on any day and machine."""
    stream = BytesIO()
    try:
        with ZipFile(stream, "w", ZIP_STORED, allowZip64=False) as file:
            for name in sorted(members):
                info = ZipInfo(name, _DATE)
                info.external_attr, info.create_system = _RIGHTS, _UNIX
                file.writestr(info, members[name])
    except LargeZipFile as error:
        raise UsageError(
            "A model file holds at most 2 GB", why=str(error), remedy="Train fewer members or a smaller network"
        ) from error
    return stream.getvalue()


def opened(data: bytes, *, source: str) -> dict[str, bytes]:
    """The members of a model file whose form is right; their content is not judged here.

    Members are stored, not compressed, so that none can unpack to more than the file. What writing these members
    again does not give byte for byte was added, moved or damaged.
    """
    try:
        with ZipFile(BytesIO(data)) as file:
            infos = file.infolist()
            _require_names([info.filename for info in infos], file, source)
            for info in infos:
                if info.compress_type != ZIP_STORED or info.file_size > len(data):
                    raise refused(source, f"its member {info.filename} is not stored as it must be")
            members = {info.filename: file.read(info) for info in infos}
    except _BROKEN as error:
        raise refused(source, f"it cannot be unpacked ({error or type(error).__name__})") from error
    if archive(members) != data:
        raise refused(source, "it holds bytes that belong to none of its members")
    return members


def manifest_of(members: Mapping[str, bytes], *, source: str) -> Manifest:
    """The table of contents."""
    try:
        return Manifest.model_validate(json.loads(members[MANIFEST]))
    except (ValueError, RecursionError) as error:
        raise refused(source, f"its {MANIFEST} cannot be understood ({first_line(error)})") from error


def digest(content: bytes) -> str:
    """SHA-256."""
    return hashlib.sha256(content).hexdigest()


def refused(source: str, why: str) -> Unreadable:
    """What is said of every file that is no sound model file."""
    return Unreadable(
        f"{source} is not a sound model file",
        why=why,
        remedy="Copy it again, or make it again with `isocenter package`",
    )


def first_line(error: Exception) -> str:
    """The beginning of what a parser says, for the middle of a sentence."""
    return " ".join(str(error).split())[:200] or type(error).__name__


def _require_names(names: list[str], file: ZipFile, source: str) -> None:
    """Refuse what a later version wrote as such, then any name that has no business here."""
    if MANIFEST in names:
        _require_version(file, source)
    strange = sorted(set(names) - set(ALLOWED))
    if strange:
        raise refused(source, f"it holds {listed([repr(name) for name in strange], most=3)}, which no model file has")
    if len(set(names)) != len(names):
        raise refused(source, "it holds a member twice")
    missing = sorted(set(NEEDED) - set(names))
    if missing:
        raise refused(source, f"it holds no {listed(missing)}")


def _require_version(file: ZipFile, source: str) -> None:
    info = file.getinfo(MANIFEST)
    if info.compress_type != ZIP_STORED or info.file_size > MOST_TEXT_BYTES:
        raise refused(source, f"its {MANIFEST} is not stored as it must be")
    try:
        said = json.loads(file.read(info))
    except (ValueError, RecursionError) as error:
        raise refused(source, f"its {MANIFEST} cannot be understood ({first_line(error)})") from error
    version = said.get("version") if isinstance(said, dict) else None
    if isinstance(version, int) and version > VERSION:
        raise Unreadable(
            f"{source} cannot be opened",
            why=f"it has version {version} and this Isocenter knows {VERSION}",
            remedy="Update Isocenter with `pip install --upgrade isocenter`",
        )
