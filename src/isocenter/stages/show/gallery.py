"""A cohort, a folder of images or one image, as counts, charts and a contact sheet."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from isocenter.core.case import Case
from isocenter.core.cohort import Cohort, IngestReport, Refusal
from isocenter.core.errors import Unreadable, UsageError
from isocenter.core.image import Image, ImageFacts
from isocenter.core.labels import ClassesValue, ClassValue, Kind, MaskValue
from isocenter.core.optional import version
from isocenter.core.progress import Progress, tracked
from isocenter.core.reading import READINGS_FILE
from isocenter.core.words import language, listed
from isocenter.data.catalogue.drafts import ALONE
from isocenter.data.catalogue.folder import is_cohort
from isocenter.data.catalogue.pixels import Pixels
from isocenter.data.catalogue.store import Catalogue, open_cohort
from isocenter.data.files import describe_place, read_facts
from isocenter.data.formats._shared import Described, ReadOptions
from isocenter.data.mask_reading import laid_on, read_mask_value
from isocenter.data.summary import Summary, image_name, of_cohort, of_files
from isocenter.drawing.montage import Tile, contact_sheet, png, tile
from isocenter.drawing.page import CohortView, DeviceView, LabelView, RefusedView, SplitView, TileView, cohort_page
from isocenter.storage.atomic import atomic_write, write_text

SPLIT_ORDER = ("train", "val", "test")


def shown(
    place: Path, *, into: Path | None, lang: str | None, tiles: int, resample: bool, progress: Progress
) -> Summary:
    """Count what a cohort, a folder or a file holds, and draw it where a picture is wanted.

    Args:
        place: what to show.
        into: the page (.html) or the contact sheet (.png) to draw; None for neither.
        lang: of the page.
        tiles: how many images the contact sheet shows at most.
        resample: whether uneven, tilted or gappy slices are laid onto a regular grid.
        progress: told of each image that is drawn.
    """
    if into is not None and into.suffix.lower() not in {".html", ".png"}:
        why = "its ending is neither that of a page nor that of a picture"
        raise UsageError(f"{into} cannot be drawn", why=why, remedy="End it in .html or .png")
    with _gallery(place) as gallery:
        if into is not None:
            _draw(gallery, into, place, lang, tiles=tiles, resample=resample, progress=progress)
            gallery.summary.files.append(into.as_posix())
    return gallery.summary


def _draw(
    gallery: _Gallery, into: Path, place: Path, lang: str | None, *, tiles: int, resample: bool, progress: Progress
) -> None:
    sheet_only = into.suffix.lower() == ".png"
    if sheet_only and not gallery.entries:
        why, remedy = "it holds no images", "Draw a page: end `--into` in .html"
        raise UsageError(f"{place} cannot be drawn", why=why, remedy=remedy)
    known = len(gallery.summary.refused)
    drawn = _tiles(gallery, tiles, ReadOptions(resample=resample), progress)
    if sheet_only and not drawn:
        reasons = listed(sorted({one.reason for one in gallery.summary.refused[known:]}), most=3)
        why, remedy = f"none of its images can be. {reasons}", "Draw a page: end `--into` in .html"
        raise Unreadable(f"{place} cannot be drawn", why=why, remedy=remedy)
    if sheet_only:
        with atomic_write(into) as temporary:
            temporary.write_bytes(png(contact_sheet(drawn)))
    else:
        write_text(into, cohort_page(_view(gallery, drawn), language(lang)))


@dataclass
class _Entry:
    """An image with what stands below it on a contact sheet."""

    facts: ImageFacts
    caption: str
    tag: str = ""
    mask: MaskValue | None = None


@dataclass
class _Gallery:
    """What is to be shown, and how its pixels are had."""

    summary: Summary
    images: Sequence[ImageFacts]
    entries: list[_Entry]
    load: Callable[[ImageFacts, ReadOptions], Image]
    source: str
    outline: Callable[[MaskValue], Image] = read_mask_value
    cohort: Cohort | None = None
    cases: list[Case] = field(default_factory=list)
    report: IngestReport | None = None
    made: str = ""


@contextmanager
def _gallery(place: Path) -> Iterator[_Gallery]:
    if not is_cohort(place):
        yield _folder(place)
        return
    cohort = open_cohort(place)
    with Catalogue(place) as catalogue:
        report, events, refused = catalogue.last_report(), catalogue.events(), catalogue.refusals()
    pixels = Pixels(cohort)
    cases = list(cohort.cases)
    try:
        yield _Gallery(
            summary=of_cohort(cohort, cases, notes=report.warnings if report else (), refused=refused),
            images=[image for case in cases for image in case.images.values()],
            entries=[_case_entry(case) for case in cases if case.images],
            load=lambda facts, options: pixels.image(facts, options=options, keep=False),
            outline=lambda value: pixels.mask(value, keep=False),
            source=place.as_posix(),
            cohort=cohort,
            cases=cases,
            report=report,
            made=str(events[-1]["time"])[:10] if events else "",
        )
    finally:
        pixels.close()


def _folder(place: Path) -> _Gallery:
    found = describe_place(place)
    if not found.images:
        raise _no_image(place, found)
    # Readings that lie beside images are shown when they are named; the folder stays what it was before.
    beside = place / READINGS_FILE
    notes = [f"Readings lie here too: `isocenter show {beside}`."] if beside.is_file() else []
    entries = [_Entry(image, image_name(image), image.modality or "") for image in found.images]
    return _Gallery(
        summary=of_files(place, found, notes=notes),
        images=found.images,
        entries=entries,
        load=read_facts,
        source=place.as_posix(),
    )


def _no_image(place: Path, found: Described) -> Unreadable:
    """Say why there is nothing to show, and what else the place may be."""
    tables = listed([Path(table.path).name for table in found.tables], most=4)
    reasons = listed(sorted({one.reason for one in found.refused}), most=3)
    why = f"holds no image but a table ({tables})" if tables else f"holds no image that can be read: {reasons}"
    remedy = f"A table is a cohort too: `isocenter ingest {place} --into COHORT`" if tables else ""
    readings = (place if place.is_dir() else place.parent) / READINGS_FILE
    if readings.is_file():
        remedy = f"Show the readings with `isocenter show {readings}`"
    return Unreadable(f"{place}", why=why, remedy=remedy)


def _case_entry(case: Case) -> _Entry:
    tag, mask = "", None
    for label in case.labels:
        match label.value:
            case ClassValue(value=name) if not tag:
                tag = name
            case ClassesValue(values=names) if not tag:
                tag = ", ".join(names)
            case MaskValue() if mask is None:
                mask = label.value
    facts = case.first
    named = case.patient if facts.patient == case.patient else Path(case.key).name
    return _Entry(facts, named, tag, mask)


def _tiles(gallery: _Gallery, most: int, options: ReadOptions, progress: Progress) -> list[Tile]:
    """The images of the contact sheet; one that cannot be read is named among the refused."""
    chosen = _spread(gallery.entries, most)
    drawn = []
    for entry in tracked(chosen, progress, "Drawing", len(chosen)):
        try:
            image = gallery.load(entry.facts, options)
            mask = laid_on(gallery.outline(entry.mask), image) if entry.mask else None
        except Unreadable as error:
            gallery.summary.refused.append(Refusal(path=entry.facts.files[0], reason=error.reason))
            continue
        drawn.append(tile(image, caption=entry.caption, tag=entry.tag, mask=mask))
    return drawn


def _spread(entries: Sequence[_Entry], most: int) -> list[_Entry]:
    """At most so many, the same number of each tag where there are as many, so that a rare class is seen too."""
    by_tag: dict[str, list[_Entry]] = defaultdict(list)
    for entry in entries:
        by_tag[entry.tag].append(entry)
    room, chosen = most, []
    for left, group in zip(range(len(by_tag), 0, -1), sorted(by_tag.values(), key=len), strict=True):
        taken = _evenly(group, room // left)
        room -= len(taken)
        chosen += taken
    return sorted(chosen, key=lambda entry: (entry.tag, entry.caption))


def _evenly(group: Sequence[_Entry], most: int) -> list[_Entry]:
    if len(group) <= most:
        return list(group)
    return [group[step * len(group) // most] for step in range(most)]


def _view(gallery: _Gallery, tiles: Sequence[Tile]) -> CohortView:
    """Everything that the page shows."""
    summary, images, report = gallery.summary, gallery.images, gallery.report
    return CohortView(
        name=summary.name,
        cases=summary.cases,
        patients=summary.patients,
        images=summary.images,
        labels=[_label_view(name, gallery) for name in summary.labels],
        splits=_split_views(gallery.cases),
        parted=_parted(gallery.cases),
        patients_known=any(not case.patient.startswith(ALONE) for case in gallery.cases),
        devices=_device_views(images),
        sizes=summary.extents,
        spacings=summary.steps,
        spacing_unknown=sum(image.spacing is None for image in images),
        sexes=Counter(_by_patient(images, "sex").values()),
        ages=list(_by_patient(images, "age").values()),
        layout=report.layout if report else "",
        evidence=report.evidence if report else (),
        warnings=summary.notes,
        refused=[RefusedView(path=one.path, reason=one.reason) for one in summary.refused],
        tiles=[TileView.of(one) for one in tiles],
        source=gallery.source,
        made=gallery.made,
        version=version("isocenter") or "",
    )


def _label_view(name: str, gallery: _Gallery) -> LabelView:
    counts = gallery.summary.labels[name]
    assert gallery.cohort is not None
    by_split: dict[str, Counter[str]] = defaultdict(Counter)
    if name in gallery.cohort.schema and gallery.cohort.schema[name].kind == Kind.CLASS:
        for case in gallery.cases:
            value = case.label(name)
            if case.split and isinstance(value, ClassValue):
                by_split[case.split][value.value] += 1
    answered = sum(any(label.name == name for label in case.labels) for case in gallery.cases)
    splits = {split: by_split[split] for split in SPLIT_ORDER if split in by_split}
    return LabelView(name=name, counts=counts, splits=splits, unlabelled=len(gallery.cases) - answered)


def _split_views(cases: Sequence[Case]) -> list[SplitView]:
    patients: dict[str, set[str]] = defaultdict(set)
    for case in cases:
        if case.split:
            patients[case.split].add(case.patient)
    counts = Counter(case.split for case in cases)
    return [
        SplitView(name=name, cases=counts[name], patients=len(patients[name])) for name in SPLIT_ORDER if patients[name]
    ]


def _parted(cases: Sequence[Case]) -> int:
    """How many patients have cases in more than one split."""
    splits: dict[str, set[str]] = defaultdict(set)
    for case in cases:
        if case.split:
            splits[case.patient].add(case.split)
    return sum(len(names) > 1 for names in splits.values())


def _device_views(images: Sequence[ImageFacts]) -> list[DeviceView]:
    counts = Counter((image.modality or "", image.device or "") for image in images)
    return [DeviceView(modality=kind, device=device, images=count) for (kind, device), count in counts.items()]


def _by_patient(images: Sequence[ImageFacts], what: str) -> dict[str, Any]:
    """One value for each patient whose images say."""
    return {image.patient or image.key: getattr(image, what) for image in images if getattr(image, what) is not None}
