"""Say what this machine and this installation can do, and what is missing and how to get it."""

from __future__ import annotations

import platform
import shutil
from pathlib import Path
from typing import Literal

from pydantic import BaseModel

from isocenter.core.errors import IsocenterError
from isocenter.core.machine import machine
from isocenter.core.optional import EXTRAS, present, version
from isocenter.core.progress import Progress
from isocenter.core.settings import Settings, Subject, verb
from isocenter.core.words import counted, sized
from isocenter.data.catalogue.folder import read_description
from isocenter.data.catalogue.store import Catalogue

REQUIRED = ("numpy", "pydicom", "nibabel", "Pillow", "tifffile", "SQLAlchemy", "python-gdcm", "pylibjpeg-openjpeg")
LITTLE_DISK = 2_000_000_000
LITTLE_MEMORY = 2_000_000_000


class DoctorSettings(Settings):
    """What to look at."""

    cohort: Subject[Path | None] = None
    """A cohort folder to examine too."""


class Finding(BaseModel):
    """One thing that was looked at."""

    what: str
    state: Literal["good", "missing", "bad"]
    detail: str
    remedy: str = ""


class Examination(BaseModel):
    """Everything that was looked at."""

    version: int = 1
    isocenter: str
    findings: list[Finding]

    @property
    def healthy(self) -> bool:
        """Whether nothing is wrong; an extra that is not installed is not wrong."""
        return all(finding.state != "bad" for finding in self.findings)


@verb(DoctorSettings)
def doctor(settings: DoctorSettings, progress: Progress) -> Examination:
    """Say what this machine and this installation can do, what is missing, and the command that adds it."""
    progress.start("Looking around", None)
    findings = [*_machine(), *_packages(), *_extras()]
    if settings.cohort is not None:
        findings += _cohort(settings.cohort)
    return Examination(isocenter=version("isocenter") or "", findings=findings)


def _machine() -> list[Finding]:
    found = machine()
    disk = shutil.disk_usage(Path.cwd())
    return [
        Finding(what="Python", state="good", detail=f"{platform.python_version()} on {platform.system()}"),
        Finding(
            what="processors",
            state="good",
            detail=f"{counted(found.cores, 'core')}, {'with' if found.bf16 else 'without'} bf16",
        ),
        Finding(
            what="memory",
            state="good" if found.free_memory > LITTLE_MEMORY else "bad",
            detail=f"{sized(found.free_memory)} free",
            remedy="" if found.free_memory > LITTLE_MEMORY else "Close other programs before training",
        ),
        Finding(
            what="disk",
            state="good" if disk.free > LITTLE_DISK else "bad",
            detail=f"{sized(disk.free)} free at {Path.cwd()}",
            remedy="" if disk.free > LITTLE_DISK else "Free some space; the pixel cache of a cohort may be deleted",
        ),
    ]


def _packages() -> list[Finding]:
    findings = []
    for name in REQUIRED:
        found = version(name)
        state: Literal["good", "bad"] = "good" if found else "bad"
        remedy = "" if found else "Install again with `pip install --force-reinstall isocenter`"
        findings.append(Finding(what=name, state=state, detail=found or "not installed", remedy=remedy))
    return findings


def _extras() -> list[Finding]:
    findings = []
    for module, (extra, purpose) in EXTRAS.items():
        there = present(module)
        findings.append(
            Finding(
                what=f"extra `{extra}`",
                state="good" if there else "missing",
                detail=f"{purpose} ({module})",
                remedy="" if there else f'pip install "isocenter[{extra}]"',
            )
        )
    return findings


def _cohort(folder: Path) -> list[Finding]:
    what = f"cohort {folder}"
    try:
        description = read_description(folder)
        with Catalogue(folder) as catalogue:
            cases = catalogue.cases()
            lost = [path for path, stamp in catalogue.file_stamps().items() if _is_lost(path, stamp)]
    except IsocenterError as error:
        return [Finding(what=what, state="bad", detail=error.why or error.what, remedy=error.remedy)]
    found = [Finding(what=what, state="good", detail=f"{description.name}: {counted(len(cases), 'case')}")]
    if lost:
        detail = f"{counted(len(lost), 'file')} gone or changed since the ingest, the first {lost[0]}"
        remedy = "Put them back, or run `isocenter ingest` again on their folder"
        found.append(Finding(what=what, state="bad", detail=detail, remedy=remedy))
    return found


def _is_lost(path: str, stamp: tuple[int, int, str]) -> bool:
    size, time, state = stamp
    if state != "image":
        return False
    try:
        now = Path(path).stat()
    except OSError:
        return True
    return (now.st_size, now.st_mtime_ns) != (size, time)
