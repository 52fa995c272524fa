"""What every layout sees and says: the survey of a source, the user's wishes, and the draft that all fill in."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import count, takewhile
from pathlib import Path, PurePosixPath
from typing import Any

from isocenter.core.case import Covariate
from isocenter.core.cohort import Refusal
from isocenter.core.errors import OpenQuestion
from isocenter.core.image import ImageFacts
from isocenter.core.labels import LabelDefinition, Value
from isocenter.core.settings import Settings
from isocenter.core.words import sized
from isocenter.data.columns import Wished
from isocenter.data.formats._shared import Table

MOST_BYTES = 200 * 1000**2
"""A document of more bytes is not read: annotations are far smaller."""

NOT_COLUMNS = frozenset(("folder", "none"))
"""Answers to what the label is that name no column."""


class Wishes(Settings):
    """What the user may say of a folder where its files alone leave a doubt."""

    layout: str | None = None
    """Read the folder in this way instead of recognising it; `isocenter list layouts` names them."""
    table: Path | None = None
    """The table to take labels from, where there are several."""
    key: str | None = None
    """Column that names the images."""
    label: tuple[str, ...] = ()
    """Column(s) that are the label, or `folder` for the folder's name; `none` to take no label."""
    patient: str | None = None
    """Column that names the patient."""
    split: str | None = None
    """Column that holds train, val or test."""
    group: str | None = None
    """Column whose equal values must stay in one split (near-duplicates, specimens)."""
    date: str | None = None
    """Column that holds the date of the visit."""
    covariate: tuple[str, ...] = ()
    """Column(s) to keep beside the image; all other columns are kept too unless this is given."""
    channels: tuple[str, ...] = ()
    """Series to join as channels of one case, as NAME=PATTERN of the series description, or `none`."""


def wished_columns(wishes: Wishes) -> Wished:
    """The columns that the user named."""
    return Wished(
        label=tuple(name for name in wishes.label if name not in NOT_COLUMNS),
        patient=wishes.patient,
        split=wishes.split,
        group=wishes.group,
        date=wishes.date,
    )


def tables_named(tables: Iterable[Table], wanted: Path | None) -> list[Table]:
    """The tables that the user means: by path as seen from the current directory, else by the end of their path."""
    if wanted is None:
        return list(tables)
    found, place = list(tables), wanted.resolve()
    exact = [table for table in found if Path(table.path).resolve() == place]
    tail = f"/{wanted.as_posix().lstrip('/')}"
    return exact or [table for table in found if table.path.endswith(tail)]


@dataclass(frozen=True, kw_only=True)
class Survey:
    """Everything that was found in a source, before anyone says what it means.

    Attributes:
        root: the folder; every path below is absolute, in POSIX form.
        images: what the headers say of every image, masks included.
        tables: CSV and Excel tables, read whole as text.
        documents: JSON, XML, YAML and text files that a layout may want to read.
        sources: the folders that were given, where there are several: their names are places, not classes.
    """

    root: str
    images: tuple[ImageFacts, ...]
    tables: tuple[Table, ...] = ()
    documents: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()

    def place(self, path: str) -> str:
        """A path as seen from the root, as text: for walks over very many images."""
        return path.removeprefix(self.root).lstrip("/")

    def folders(self, image: ImageFacts) -> tuple[str, ...]:
        """The folders below the root in which an image lies, outermost first."""
        return tuple(self.place(image.files[0]).split("/")[:-1])

    def document(self, name: str) -> list[str]:
        """Documents of that file name, the nearest to the root first."""
        found = [path for path in self.documents if PurePosixPath(path).name.lower() == name.lower()]
        return sorted(found, key=lambda path: (len(PurePosixPath(path).parts), path))


@dataclass(frozen=True, slots=True)
class Claim:
    """What one reader says of one case."""

    name: str
    value: Value
    reader: str = "reference"


@dataclass(slots=True)
class CaseDraft:
    """A case in the making."""

    key: str
    images: dict[str, ImageFacts] = field(default_factory=dict)
    patient: str | None = None
    visit: str | None = None
    date: str | None = None
    claims: list[Claim] = field(default_factory=list)
    split: str | None = None
    group: str | None = None
    covariates: dict[str, Covariate] = field(default_factory=dict)
    twice: set[str] = field(default_factory=set)
    """Labels of which one reader said two things, so that the second counts as another reader."""

    def claim(self, name: str, value: Value, reader: str = "reference") -> None:
        """Say something of the case; the same said twice counts once, another thing as said by a further reader."""
        readers = {claim.reader: claim.value for claim in self.claims if claim.name == name}
        if reader in readers:
            if value in readers.values():
                return
            self.twice.add(name)
            reader = next(free for number in count(2) if (free := f"reader {number}") not in readers)
        self.claims.append(Claim(name, value, reader))

    def said(self, name: str, reader: str = "reference") -> Value | None:
        """What a reader has said of the case already."""
        return next((one.value for one in self.claims if (one.name, one.reader) == (name, reader)), None)

    @property
    def first(self) -> ImageFacts:
        """The image of the first channel."""
        return next(iter(self.images.values()))


@dataclass
class Draft:
    """What the layouts have understood so far, with their evidence."""

    cases: dict[str, CaseDraft] = field(default_factory=dict)
    labels: dict[str, LabelDefinition] = field(default_factory=dict)
    layouts: list[str] = field(default_factory=list)
    evidence: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    refused: list[Refusal] = field(default_factory=list)
    questions: list[OpenQuestion] = field(default_factory=list)
    taken: set[str] = field(default_factory=set)
    """Keys of images that a layout has given a meaning: in a case, or as somebody's mask."""
    explained: set[str] = field(default_factory=set)
    """Paths of files that are not images of cases and whose use is known: tables, annotations, side-cars."""

    def understood(self, layout: str, *evidence: str) -> None:
        """A layout recognised itself, and by what."""
        if layout not in self.layouts:
            self.layouts.append(layout)
        self.evidence.extend(evidence)

    def add(self, key: str, images: dict[str, ImageFacts]) -> CaseDraft:
        """A new case; its images are no longer free for other layouts."""
        key = self._unused(key)
        case = CaseDraft(key, dict(images))
        case.patient = next((image.patient for image in images.values() if image.patient), None)
        case.visit = next((image.study for image in images.values() if image.study), None)
        case.date = next((image.date for image in images.values() if image.date), None)
        self.cases[key] = case
        self.taken.update(image.key for image in images.values())
        return case

    def _unused(self, key: str) -> str:
        number, unused = 1, key
        while unused in self.cases:
            number += 1
            unused = f"{key} ({number})"
        return unused

    def refuse(self, path: str, reason: str) -> None:
        """Write down that a file was not taken, and why."""
        self.refused.append(Refusal(path=path, reason=reason))

    def free(self, survey: Survey) -> list[ImageFacts]:
        """Images that no layout has given a meaning yet."""
        return [image for image in survey.images if image.key not in self.taken]

    def define(self, label: LabelDefinition) -> None:
        """Add a label to the schema, or more classes to one that is there."""
        known = self.labels.get(label.name)
        if known is not None and known.kind == label.kind:
            extra = tuple(one for one in label.classes if one.name not in {old.name for old in known.classes})
            label = known.model_copy(update={"classes": known.classes + extra})
        self.labels[label.name] = label


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """One way in which people arrange images and labels.

    Layouts are asked in the order of `rank`; each looks at the survey and adds what it understands to the draft. One
    that does not recognise itself leaves the draft alone.

        10  structures with a marker file: they make their cases and labels themselves
        30  masks beside images: they take the masks away
        50  whatever is left becomes a case each; series of one patient may become channels of one case
        60  folders named train, val, test
        70  folders named for classes
        80  tables whose rows name the cases
        90  a table without images

    Attributes:
        rank: when to be asked.
        understand: look, and add to the draft.
    """

    rank: int
    understand: Callable[[Survey, Wishes, Draft], None]


def read_json(draft: Draft, path: str) -> Any:
    """The content of a JSON file; one that is damaged is refused by name and gives None."""
    if too_large(draft, path):
        return None
    try:
        return json.loads(Path(path).read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError, MemoryError) as error:
        draft.refuse(path, f"is not sound JSON ({' '.join(str(error).split())[:120] or type(error).__name__}).")
        return None


def too_large(draft: Draft, path: str, most: int | None = None) -> bool:
    """Whether a document has more bytes than are read; it is then refused by name."""
    most = most or MOST_BYTES
    size = Path(path).stat().st_size if Path(path).is_file() else 0
    if size > most:
        draft.refuse(path, f"has {sized(size)}; documents of at most {sized(most)} are read.")
    return size > most


def read_lines(draft: Draft, path: str) -> list[str]:
    """The lines of a text file, without blanks at their ends; none where it is too large."""
    if too_large(draft, path):
        return []
    text = Path(path).read_text(encoding="utf-8", errors="replace")
    return [line.strip() for line in text.splitlines() if line.strip()]


class Lookup:
    """Finds the image that an annotation names: the longest fitting tail of the path, then the nearest."""

    def __init__(self, images: Iterable[ImageFacts]) -> None:
        self._by_name: dict[str, list[ImageFacts]] = {}
        self._by_stem: dict[str, list[ImageFacts]] = {}
        for image in images:
            for path in image.files[:1]:
                self._by_name.setdefault(path.rsplit("/", 1)[-1].lower(), []).append(image)
                self._by_stem.setdefault(stem(path).lower(), []).append(image)

    def find(self, named: str, near: str) -> ImageFacts | None:
        """The image that `named` means when read in the file `near`; None where none fits, or several fit alike.

        Args:
            named: a file name or path as an annotation writes it, with or without its ending.
            near: the path of the annotation; among equals the image with the most folders in common is meant.
        """
        named = named.replace("\\", "/").lower().strip()
        name = named.rsplit("/", 1)[-1]
        found = self._by_name.get(name) or self._by_stem.get(stem(name)) or self._by_stem.get(name) or []
        if len(found) < 2:
            return found[0] if found else None
        wanted, place = named.split("/")[::-1], near.lower().split("/")
        ranked = sorted(((_fit(image, wanted, place), image.key, image) for image in found), key=lambda one: one[:2])
        return ranked[-1][2] if ranked[-1][0] > ranked[-2][0] else None


def _fit(image: ImageFacts, wanted: Sequence[str], place: Sequence[str]) -> tuple[int, int]:
    parts = image.files[0].lower().split("/")
    return _shared_lead(parts[-2::-1], wanted[1:]), _shared_lead(parts, place)


def _shared_lead(one: Sequence[str], other: Sequence[str]) -> int:
    shared = takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False))
    return sum(1 for _ in shared)


def same_plane(one: ImageFacts, other: ImageFacts) -> bool:
    """Whether two images have as many columns, rows and slices."""
    return all(one.extent(axis) == other.extent(axis) for axis in "XYZ")


def same_grid(one: ImageFacts, other: ImageFacts) -> bool:
    """Whether two images have as many voxels at the same place in the patient, as far as their headers say."""
    if not same_plane(one, other):
        return False
    if one.affine is None or other.affine is None:
        return one.affine is other.affine
    return all(abs(a - b) <= 1e-2 for a, b in zip(one.affine, other.affine, strict=True))


def extent_words(image: ImageFacts) -> str:
    """The size of an image as people write it: `512 x 512` or `512 x 512 x 30`."""
    sizes = [image.extent(axis) for axis in ("XYZ" if "Z" in image.axes else "XY")]
    return " x ".join(str(size) for size in sizes)


def case_key(survey: Survey, image: ImageFacts) -> str:
    """A readable, stable name for a case of one image: its place below the root."""
    if image.group and image.series:
        return image.key
    place = survey.place(image.files[0])
    return f"{place}#{image.part}" if image.part else place


def stem(path: str) -> str:
    """A file's name without its ending, also for double endings such as `.nii.gz`."""
    name = path.rsplit("/", 1)[-1]
    for ending in (".nii.gz", ".tar.gz", ".seg.nrrd"):
        if name.lower().endswith(ending):
            return name[: -len(ending)]
    lead, _, ending = name.rpartition(".")
    return lead if lead and ending else name


def in_natural_order(names: Iterable[str]) -> list[str]:
    """Sorted so that 2 comes before 10."""
    return sorted(names, key=_natural)


def _natural(name: str) -> list[int | str]:
    # Texts and numbers take turns, so that like is compared with like.
    parts = re.split(r"([0-9]{1,18})", name)
    return [part if place % 2 == 0 else int(part) for place, part in enumerate(parts)]
