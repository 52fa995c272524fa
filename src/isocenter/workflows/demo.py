"""The whole path on built-in phantom scans: made as real DICOM, catalogued, and shown."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, Field

from isocenter.core.cohort import IngestReport
from isocenter.core.errors import UsageError
from isocenter.core.progress import Progress
from isocenter.core.settings import Settings, Subject, verb
from isocenter.core.words import LANGUAGES
from isocenter.data.phantoms.scans import write_scans
from isocenter.data.summary import Summary
from isocenter.stages.ingest import ingest
from isocenter.stages.show import show
from isocenter.storage.atomic import atomic_write, make_folder


class DemoSettings(Settings):
    """Where to put the demonstration, and how large it is."""

    into: Subject[Path] = Path("demo")
    """The folder for scans, cohort and page; `demo` unless given."""
    patients: int = Field(default=40, ge=4, le=2000)
    """How many made-up patients are scanned."""
    seed: int = Field(default=0, ge=0)
    """The same seed makes the same scans, byte for byte."""


class Demonstration(BaseModel):
    """What the demonstration made."""

    version: int = 1
    scans: str
    cohort: str
    pages: list[str]
    report: IngestReport
    summary: Summary


@verb(DemoSettings)
def demo(settings: DemoSettings, progress: Progress) -> Demonstration:
    """Make phantom chest scans as real DICOM series, catalogue them as a cohort, and show it.

    The scans belong to nobody: they are computed. A folder that holds them already is used as it is.
    """
    home = settings.into
    scans = home / f"scans-{settings.patients}-{settings.seed}"
    _check(home)
    make_folder(home)
    if scans.is_dir():
        progress.say(f"The scans in {scans} are used as they are.")
    else:
        progress.say("Scanning made-up patients.")
        with atomic_write(scans) as temporary:
            write_scans(temporary, patients=settings.patients, seed=settings.seed, progress=progress)
    cohort = ingest(scans, into=home / "cohort", name="Phantom chests", label="class", progress=progress)
    assert cohort.report is not None
    pages = []
    for language in LANGUAGES:
        page = home / ("cohort.html" if language == "en" else f"cohort.{language}.html")
        summary = show(home / "cohort", into=page, language=language, progress=progress)
        pages.append(page.as_posix())
    return Demonstration(
        scans=scans.as_posix(),
        cohort=(home / "cohort").as_posix(),
        pages=pages,
        report=cohort.report,
        summary=summary,
    )


def _check(home: Path) -> None:
    """A folder with somebody's work in it is not ours to fill."""
    if home.is_dir():
        strangers = [one.name for one in home.iterdir() if not one.name.startswith((".", "scans-", "cohort"))]
        if strangers:
            raise UsageError(
                f"{home} holds other things ({strangers[0]})",
                remedy="Give another folder: `isocenter demo FOLDER`",
            )
