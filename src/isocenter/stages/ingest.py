"""Recognise a folder, archive or collection of images, say what was understood, and catalogue it as a cohort."""

from __future__ import annotations

import gc
import getpass
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import Field

from isocenter.core.case import Case
from isocenter.core.cohort import Cohort, IngestReport, Refusal, count_labels
from isocenter.core.errors import Unreadable
from isocenter.core.labels import LabelSchema
from isocenter.core.optional import version
from isocenter.core.progress import Progress
from isocenter.core.settings import Subject, verb
from isocenter.core.words import counted, listed
from isocenter.data.catalogue.changes import Change, change_of
from isocenter.data.catalogue.folder import (
    DATABASE,
    LOCK,
    Description,
    check_destination,
    is_cohort,
    merged,
    read_description,
    write_description,
)
from isocenter.data.catalogue.intake import Intake, take_in
from isocenter.data.catalogue.store import Catalogue, FileState
from isocenter.data.fetch import archive_for, fetch
from isocenter.data.layouts._shared import Draft, Wishes
from isocenter.data.survey import (
    PASSED,
    Difference,
    Listing,
    Memory,
    Sighting,
    Stamps,
    difference,
    list_files,
    look,
    moved,
)
from isocenter.data.understand import understand
from isocenter.storage.atomic import make_folder, sweep
from isocenter.storage.lock import locked

IMAGES = "images"


class IngestSettings(Wishes):
    """What to take in, and where to."""

    source: Subject[tuple[str, ...]] = Field(min_length=1)
    """Folders, files, archives (zip, tar) or a public collection such as medmnist:breastmnist."""
    into: Path
    """The cohort folder: made if it is not there, added to if it is."""
    name: str | None = None
    """What to call the cohort; the folder's name unless given."""
    dry_run: bool = False
    """Say what was understood and write nothing."""
    seed: int = Field(default=0, ge=0)
    """Seed of the splits made for cases that have no official one."""
    resplit: bool = False
    """Divide all cases anew; models trained before must then not be judged on this cohort."""
    mirror: str | None = None
    """Where to download a public collection from instead of its own address."""


@verb(IngestSettings)
def ingest(settings: IngestSettings, progress: Progress) -> Cohort:
    """Recognise images and labels, say what was understood, and catalogue them; the images stay where they are.

    Run again on the same folder, it adds only what is new. The report of what was understood, and of every file that
    was refused with its reason, is in the cohort's `report`.
    """
    started = time.monotonic()
    check_destination(settings.into)
    sources = _sources(settings)
    with ExitStack() as stack:
        if settings.dry_run:
            copies = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="isocenter-")))
        else:
            make_folder(settings.into)
            stack.enter_context(locked(settings.into / LOCK, f"the cohort {settings.into}", progress=progress))
            copies = settings.into / IMAGES
            sweep(copies)
        fetched = [fetch(source, copies, progress, mirror=settings.mirror) for source in sources]
        with _uncollected():
            cohort = _take_in(settings, progress, list_files(fetched, progress))
    assert cohort.report is not None
    cohort.report.seconds = round(time.monotonic() - started, 3)
    return cohort


@contextmanager
def _uncollected() -> Iterator[None]:
    """An ingest makes objects by the hundred thousand, none of them in circles: looking for circles costs a tenth."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _sources(settings: IngestSettings) -> list[str]:
    """Every source, known to exist before a folder is made for it."""
    sources = list(settings.source)
    # A table named as it is called inside a source is found there.
    if settings.table is not None and settings.table.exists():
        sources.append(str(settings.table))
    for source in sources:
        archive_for(source)
    return sources


def _take_in(settings: IngestSettings, progress: Progress, listing: Listing) -> Cohort:
    with _catalogued(settings.into) as catalogue:
        stamps, found, followed = _compared(settings, catalogue, listing, progress)
        if catalogue and not found and not followed and (known := _same_as_before(settings, catalogue)):
            return _unchanged(settings, catalogue, known, listing, progress)
        memory = Memory(stamps=stamps, images=catalogue.images() if catalogue else {})
        sighting = look(listing, memory, found, progress)
        draft = understand(sighting.survey, settings)
        _say(draft, progress)
        if draft.questions:
            raise draft.questions[0]
        if not draft.cases and not catalogue:
            raise _nothing_there(settings, sighting, draft)
        change = change_of(draft, catalogue, listing, stamps, found, seed=settings.seed, resplit=settings.resplit)
        refused = [*sighting.refused, *draft.refused, *_unexplained(sighting, draft)]
        refused += _refused_before(catalogue, sighting, draft, refused)
    for sentence in change.warnings:
        progress.say(f"Note: {sentence}")
    description = _description(settings, draft)
    report = _report(settings, listing, stamps, found, draft, change, refused, description.schema)
    cohort = Cohort(
        folder=settings.into, name=description.name, schema=description.schema, cases=change.whole, report=report
    )
    if settings.dry_run:
        return cohort
    progress.start("Writing the catalogue", None)
    understood = {image.key: image for case in change.cases for image in case.images.values()}
    intake = Intake(
        files=_file_states(sighting, draft, refused, listing, stamps),
        images=[understood.get(image.key, image) for image in sighting.fresh],
        cases=change.cases,
        forgotten=sighting.forgotten,
        retired=change.retired,
        official=change.official,
        resplit=settings.resplit,
        event=_event(settings, report),
    )
    # The schema first: a label that no case carries yet does no harm, a case with an unknown label would.
    write_description(settings.into, description)
    with Catalogue(settings.into, create=True) as catalogue:
        take_in(catalogue, intake)
        return replace(cohort, cases=catalogue.cases())


def _compared(
    settings: IngestSettings, catalogue: Catalogue | None, listing: Listing, progress: Progress
) -> tuple[Stamps, Difference, bool]:
    """What is remembered of the files, how they differ now, and whether some were followed to another place."""
    if catalogue is None:
        return {}, difference(listing, {}), False
    stamps = catalogue.file_stamps()
    found = difference(listing, stamps)
    moves = {} if settings.dry_run else moved(listing, stamps, found)
    if not moves:
        return stamps, found, False
    progress.say(f"{counted(len(moves), 'file')} moved since the last ingest: followed.")
    catalogue.move_files(moves)
    stamps = catalogue.file_stamps()
    return stamps, difference(listing, stamps), True


def _report(
    settings: IngestSettings,
    listing: Listing,
    stamps: Stamps,
    found: Difference,
    draft: Draft,
    change: Change,
    refused: Sequence[Refusal],
    schema: LabelSchema,
) -> IngestReport:
    known = {path for path, stamp in stamps.items() if stamp[2] not in ("gone", PASSED)}
    return IngestReport(
        cohort=settings.into.as_posix(),
        layout=" + ".join(draft.layouts),
        evidence=[*listing.notes, *draft.evidence],
        warnings=[*draft.warnings, *change.warnings],
        refused=list(refused),
        added=len(found.added),
        changed=len(found.changed),
        gone=len(found.gone),
        unchanged=len(listing.files) - len(found.added) - len(found.changed),
        files=len((listing.files.keys() | known) - found.gone),
        dry_run=settings.dry_run,
        **_counts(change.whole, schema),
    )


@contextmanager
def _catalogued(folder: Path) -> Iterator[Catalogue | None]:
    """The catalogue where there is one already."""
    if not is_cohort(folder) or not (folder / DATABASE).is_file():
        yield None
        return
    with Catalogue(folder) as catalogue:
        yield catalogue


def _same_as_before(settings: IngestSettings, catalogue: Catalogue) -> IngestReport | None:
    """The report of the last ingest, if it was of these sources with these wishes."""
    last = catalogue.last_ingest()
    return last[1] if last and last[0] == _comparable(settings) else None


def _comparable(settings: IngestSettings) -> str:
    return settings.model_dump_json(exclude={"dry_run", "name"})


def _unchanged(
    settings: IngestSettings, catalogue: Catalogue, known: IngestReport, listing: Listing, progress: Progress
) -> Cohort:
    progress.say(f"Nothing is new: {counted(len(listing.files), 'file')} as they were.")
    same = {"added": 0, "changed": 0, "gone": 0, "unchanged": len(listing.files), "dry_run": settings.dry_run}
    description = read_description(settings.into)
    if settings.name and settings.name != description.name:
        description.name = settings.name
        if not settings.dry_run:
            write_description(settings.into, description)
    return Cohort(
        folder=settings.into,
        name=description.name,
        schema=description.schema,
        cases=catalogue.cases(),
        report=known.model_copy(update=same),
    )


def _say(draft: Draft, progress: Progress) -> None:
    """What was understood, before anything is written."""
    for sentence in draft.evidence:
        progress.say(sentence)
    for warning in draft.warnings:
        progress.say(f"Note: {warning}")


def _nothing_there(settings: IngestSettings, sighting: Sighting, draft: Draft) -> Unreadable:
    """What to say of a source with neither an image nor a table."""
    reasons = Counter(refusal.reason for refusal in (*sighting.refused, *draft.refused))
    told = listed([reason.rstrip(".") for reason, _ in reasons.most_common(3)]) or "it is empty"
    return Unreadable(
        listed(settings.source),
        why=f"holds no image and no table that can be read ({told})",
        remedy="`isocenter list formats` names what can be",
    )


def _description(settings: IngestSettings, draft: Draft) -> Description:
    if is_cohort(settings.into):
        description = read_description(settings.into)
    else:
        description = Description(name=settings.into.absolute().name)
    if settings.name:
        description.name = settings.name
    description.sources = list(dict.fromkeys([*description.sources, *map(_source_text, settings.source)]))
    description.schema = merged(description.schema, draft.labels)
    return description


def _source_text(source: str) -> str:
    return Path(source).absolute().as_posix() if Path(source).exists() else source


def _counts(cases: Sequence[Case], schema: LabelSchema) -> dict[str, Any]:
    whole = Cohort(folder=Path(), name="", schema=schema, cases=cases)
    return {
        "cases": len(cases),
        "images": sum(len(case.images) for case in cases),
        "patients": len({case.patient for case in cases}),
        "labels": count_labels(cases, schema),
        "splits": whole.splits,
    }


def _unexplained(sighting: Sighting, draft: Draft) -> list[Refusal]:
    """Documents that no layout had a use for: they are named, not passed over."""
    named = draft.explained | {refusal.path for refusal in (*sighting.refused, *draft.refused)}
    held = {path for image in sighting.survey.images for path in image.files}
    held |= {table.path for table in sighting.survey.tables}
    return [
        Refusal(path=path, reason="a document, not an image; no layout asked for it.")
        for path in sighting.survey.documents
        if path not in named and path not in held
    ]


def _refused_before(
    catalogue: Catalogue | None, sighting: Sighting, draft: Draft, refused: Sequence[Refusal]
) -> list[Refusal]:
    """Files refused by an earlier ingest that are still as they were, and that nothing has a use for now."""
    if catalogue is None:
        return []
    looked_at = {refusal.path for refusal in refused} | sighting.added | sighting.changed | sighting.gone
    used = draft.explained | {path for image in sighting.survey.images for path in image.files}
    return [one for one in catalogue.refusals() if one.path not in looked_at and one.path not in used]


def _file_states(
    sighting: Sighting,
    draft: Draft,
    refused: Sequence[Refusal],
    listing: Listing,
    stamps: Stamps,
) -> list[FileState]:
    """Every file whose state is new: fresh ones, tables, and those that are refused now or are no longer."""
    reasons = {refusal.path: refusal.reason for refusal in refused}
    tables = {table.path for table in sighting.survey.tables}
    shifted = {path for path in listing.files if (path in reasons) != (stamps.get(path, (0, 0, ""))[2] == "refused")}
    states = []
    for path in sorted((sighting.added | sighting.changed | tables | shifted) & listing.files.keys()):
        size, mtime = listing.files[path]
        states.append(FileState(path, size, mtime, _state(path, reasons, tables, draft), reasons.get(path)))
    states += [FileState(path, 0, 0, "gone", "no longer there.") for path in sorted(sighting.gone)]
    # Links, locked folders and the like are no files of the listing; they are remembered to be told again.
    passed = {refusal.path: refusal.reason for refusal in listing.refused if refusal.path not in listing.files}
    states += [FileState(path, 0, 0, PASSED, reason) for path, reason in sorted(passed.items())]
    return states


def _state(path: str, reasons: Mapping[str, str], tables: set[str], draft: Draft) -> str:
    if path in tables:
        return "table"
    if path in reasons:
        return "refused"
    return "used" if path in draft.explained else "image"


def _event(settings: IngestSettings, report: IngestReport) -> dict[str, Any]:
    return {
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "person": _person(),
        "command": "ingest",
        "version": version("isocenter") or "",
        "settings": _comparable(settings),
        "report": report.model_dump_json(),
    }


def _person() -> str | None:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return None
