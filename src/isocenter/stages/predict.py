"""Read new cases with a model: findings, probabilities, and what a person should know of each."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from io import StringIO
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Literal

import numpy as np
from pydantic import Field

from isocenter.core.errors import IsocenterError, StorageProblem, UsageError
from isocenter.core.image import Image, ImageFacts
from isocenter.core.progress import Progress, tracked
from isocenter.core.reading import (
    READINGS_FILE,
    READINGS_TABLE,
    ClassFinding,
    Finding,
    Reading,
    ReadingRefusal,
    Readings,
)
from isocenter.core.run import find_model
from isocenter.core.settings import Argument, Settings, Subject, verb
from isocenter.core.words import listed
from isocenter.data.catalogue.folder import is_cohort
from isocenter.data.new_cases import find_cases, read_case
from isocenter.delivery.modelfile.read import read_model
from isocenter.delivery.reader import Reader
from isocenter.pathway.preparation import Prepared
from isocenter.storage.atomic import make_folder, write_text

if TYPE_CHECKING:
    from isocenter.data.catalogue.pixels import Pixels

TEST = "test"


class PredictSettings(Settings):
    """What to read, and with which model."""

    model: Subject[Path]
    """A model file (.isomodel), or the run that made it."""
    sources: Argument[tuple[Path, ...]] = Field(min_length=1)
    """Images, folders of images, folders of DICOM slices, or cohorts."""
    into: Path | None = None
    """A folder for readings.json and readings.csv."""
    split: Literal["train", "val", "test"] | None = None
    """Of a cohort, the one split to read; all of it unless given. Reading labelled test cases counts as a look at them.
    """
    runtime: str | None = None
    """The program that computes; the fastest that was checked and is installed unless given."""
    precision: Literal["fp32", "bf16", "int8"] | None = None
    """Its arithmetic; that of the runtime that is chosen unless given."""
    threads: int = Field(default=0, ge=0)
    """Processor cores; 0 for all."""


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A case that can be read; `load` brings its pixels."""

    key: str
    source: str
    load: Callable[[], Mapping[str, Image]]


@dataclass(frozen=True, slots=True)
class _Ready:
    """A case that is prepared and waits for its batch."""

    key: str
    source: str
    prepared: Prepared
    seconds: float


@verb(PredictSettings)
def predict(settings: PredictSettings, progress: Progress) -> Readings:
    """Read new cases with a model; what it was not made for is refused with the reason, and the rest goes on."""
    begun = perf_counter()
    reader = Reader(
        read_model(find_model(settings.model)),
        runtime=settings.runtime,
        precision=settings.precision,
        threads=settings.threads,
    )
    refused: list[ReadingRefusal] = []
    with ExitStack() as stack:
        waiting = _waiting(settings, reader, refused, stack, progress)
        if settings.into is not None:
            make_folder(settings.into)
        readings = _read(waiting, reader, refused, progress)
    _count_looks(settings, reader, progress)
    result = Readings(
        model=reader.package.digest,
        runtime=f"{reader.runtime} {reader.precision}",
        readings=tuple(readings),
        refused=tuple(refused),
        seconds=round(perf_counter() - begun, 3),
    )
    if settings.into is not None:
        write_text(settings.into / READINGS_FILE, result.model_dump_json(indent=2) + "\n")
        write_text(settings.into / READINGS_TABLE, _table(result))
    return result


def _waiting(
    settings: PredictSettings, reader: Reader, refused: list[ReadingRefusal], stack: ExitStack, progress: Progress
) -> list[_Waiting]:
    """Every case of the sources; files that are none are refused."""
    wanted = reader.package.recipe.input.channels
    cohorts = [place for place in settings.sources if is_cohort(place)]
    if settings.split and not cohorts:
        raise UsageError("`split` is for cohorts", why="no source is one", remedy="Leave `--split` out")
    waiting = [one for place in cohorts for one in _of_cohort(place, settings.split, refused, stack)]
    found = find_cases([place for place in settings.sources if place not in cohorts], wanted, progress)
    refused += [ReadingRefusal(source=one.path, reason=one.reason) for one in found.refused]
    waiting += [_Waiting(case.key, case.source, partial(read_case, case, wanted)) for case in found.cases]
    if not waiting and not refused:
        raise UsageError(
            f"{listed([str(place) for place in settings.sources])} holds nothing to read", remedy="Give images"
        )
    return waiting


def _count_looks(settings: PredictSettings, reader: Reader, progress: Progress) -> None:
    """Write down, before anyone is shown a reading, that labelled test cases were read: a test wears out by looking."""
    if settings.split not in (None, TEST):
        return
    for place in (place for place in settings.sources if is_cohort(place)):
        # As below: nothing of a catalogue is loaded to read one picture.
        from isocenter.data.catalogue.store import open_cohort
        from isocenter.data.looks import count_look

        package, cohort = reader.package, open_cohort(place)
        labelled = sum(case.label(package.recipe.label) is not None for case in cohort.split(TEST))
        if labelled:
            look = count_look(
                place,
                split=TEST,
                model_digest=package.digest,
                model_name=package.manifest.name,
                cases=labelled,
                progress=progress,
            )
            progress.say(f"Among the cases of {cohort.name} are {labelled} labelled test cases: look {look} at them.")


def _of_cohort(folder: Path, split: str | None, refused: list[ReadingRefusal], stack: ExitStack) -> Iterator[_Waiting]:
    """The cases of a cohort, or of one of its splits."""
    # A database is not opened, nor its packages loaded, to read one picture.
    from isocenter.data.catalogue.pixels import Pixels
    from isocenter.data.catalogue.store import open_cohort

    cohort = open_cohort(folder)
    pixels = Pixels(cohort)
    stack.callback(pixels.close)
    for case in cohort.cases:
        if split not in (None, case.split):
            continue
        if case.images:
            yield _Waiting(case.key, case.first.files[0], partial(_decoded, pixels, case.images))
        else:
            refused.append(ReadingRefusal(source=case.key, reason="a case without an image."))


def _decoded(pixels: Pixels, images: Mapping[str, ImageFacts]) -> dict[str, Image]:
    return {name: pixels.image(facts, keep=False) for name, facts in images.items()}


def _read(
    waiting: Sequence[_Waiting], reader: Reader, refused: list[ReadingRefusal], progress: Progress
) -> list[Reading]:
    """A batch of prepared cases at a time, so that memory stays bounded."""
    readings: list[Reading] = []
    batch: list[_Ready] = []
    for one in tracked(waiting, progress, "Reading", len(waiting)):
        begun = perf_counter()
        try:
            prepared = reader.prepare(one.load())
        except StorageProblem:
            raise  # it would meet every other case too
        except IsocenterError as error:
            refused.append(ReadingRefusal(source=one.source, reason=str(error)))
            continue
        batch.append(_Ready(one.key, one.source, prepared, perf_counter() - begun))
        if len(batch) == reader.batch:
            readings += _answered(batch, reader)
            batch = []
    return readings + _answered(batch, reader)


def _answered(batch: Sequence[_Ready], reader: Reader) -> list[Reading]:
    if not batch:
        return []
    begun = perf_counter()
    logits = reader.logits(np.stack([one.prepared.array for one in batch]))
    readings = reader.readings(logits, [(one.key, one.source) for one in batch])
    share = (perf_counter() - begun) / len(batch)
    return [
        reading.model_copy(update={"warnings": reader.warnings(one.prepared), "seconds": round(one.seconds + share, 4)})
        for one, reading in zip(batch, readings, strict=True)
    ]


def _table(result: Readings) -> str:
    """A row for each finding, each case without one, and each refusal."""
    stream = StringIO()
    names = ["case", "source", "state", "label", "probability", "called", "value", "unit", "reason", "warnings"]
    writer = csv.DictWriter(stream, names, lineterminator="\n")
    writer.writeheader()
    for reading in result.readings:
        state = "abstained" if reading.abstained else "read"
        lead = {"case": reading.case, "source": reading.source, "state": state, "reason": reading.reason}
        lead["warnings"] = " ".join(reading.warnings)
        writer.writerows([{**lead, **_cells(finding)} for finding in reading.findings] or [lead])
    for one in result.refused:
        writer.writerow({"source": one.source, "state": "refused", "reason": one.reason})
    return stream.getvalue()


def _cells(finding: Finding) -> dict[str, object]:
    if isinstance(finding, ClassFinding):
        called = "yes" if finding.called else "no"
        return {"label": finding.label, "probability": f"{finding.probability:.6f}", "called": called}
    return {"label": finding.label, "value": f"{finding.value:.6g}", "unit": finding.unit}
