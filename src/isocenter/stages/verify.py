"""Say whether a model file is as it was when it was written, member by member."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel

from isocenter.core.progress import Progress
from isocenter.core.run import find_model
from isocenter.core.settings import Settings, Subject, verb
from isocenter.delivery.modelfile.read import examine


class VerifySettings(Settings):
    """Which file to look at."""

    model: Subject[Path]
    """A model file (.isomodel), or the run that made it."""


class MemberState(BaseModel):
    """One member of the file."""

    name: str
    size: int
    sha256: str
    sound: bool


class Verification(BaseModel):
    """What was found; the document that `verify --json` prints."""

    version: int = 1
    model: str
    digest: str
    """SHA-256 of the file as a whole."""
    name: str = ""
    made: str = ""
    program: str = ""
    origin: str = ""
    members: list[MemberState] = []
    sound: bool
    problem: str = ""
    """Why the file is refused; empty where it is sound."""


@verb(VerifySettings)
def verify(settings: VerifySettings, progress: Progress) -> Verification:
    """Check every member of a model file against its SHA-256; says nothing of who wrote it, which a signature would."""
    path = find_model(settings.model)
    progress.start("Reading the file")
    found = examine(path)
    told = found.manifest
    return Verification(
        model=path.as_posix(),
        digest=found.digest,
        name=told.name if told else "",
        made=told.made if told else "",
        program=told.program if told else "",
        origin=told.origin if told else "",
        members=[
            MemberState(name=one.name, size=one.size, sha256=one.sha256, sound=one.sound) for one in found.members
        ],
        sound=not found.problem,
        problem=found.problem,
    )
