"""What a collection of images is like, as numbers: sizes, spacings, devices, labels, readers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, Field

from isocenter.core.case import Case
from isocenter.core.cohort import Cohort, Refusal, count_labels
from isocenter.core.image import ImageFacts
from isocenter.data.formats._shared import Described
from isocenter.data.layouts._shared import extent_words

MOST_ITEMS = 200
"""How many images are listed one by one; all are counted."""


class Item(BaseModel):
    """One image."""

    name: str
    format: str
    axes: str
    shape: list[int]
    spacing: list[float] | None
    intensity: str
    modality: str | None
    patient: str | None
    description: str | None
    role: str
    notes: list[str]


class Summary(BaseModel):
    """What was found, as numbers."""

    version: int = 1
    kind: Literal["cohort", "folder", "image"]
    name: str
    cases: int
    patients: int
    images: int
    labels: dict[str, dict[str, int]] = {}
    readers: dict[str, int] = {}
    splits: dict[str, int] = {}
    sizes: dict[str, int] = {}
    spacings: dict[str, int] = {}
    modalities: dict[str, int] = {}
    devices: dict[str, int] = {}
    formats: dict[str, int] = {}
    extents: dict[str, list[float]] = Field(default={}, exclude=True)
    """Columns (x), rows (y) and slices (z) of each image, for histograms."""
    steps: dict[str, list[float]] = Field(default={}, exclude=True)
    """Millimetres between columns, rows and slices of each image that says."""
    items: list[Item] = []
    notes: list[str] = []
    refused: list[Refusal] = []
    files: list[str] = []
    """Pages and pictures that were drawn."""


def of_cohort(cohort: Cohort, cases: Sequence[Case], *, notes: Sequence[str], refused: Sequence[Refusal]) -> Summary:
    """The numbers of a cohort whose cases were loaded."""
    return Summary(
        kind="cohort",
        name=cohort.name,
        cases=len(cases),
        patients=len({case.patient for case in cases}),
        labels=dict(count_labels(cases, cohort.schema)),
        readers=_counted(label.reader for case in cases for label in case.labels),
        splits=cohort.splits,
        notes=list(notes),
        refused=list(refused),
        **_measured([image for case in cases for image in case.images.values()]),
    )


def of_files(place: Path, found: Described, *, notes: Sequence[str] = ()) -> Summary:
    """The numbers of a file or a folder."""
    return Summary(
        kind="image" if place.is_file() else "folder",
        name=place.absolute().name,
        cases=len(found.images),
        patients=len({image.patient for image in found.images if image.patient}),
        notes=list(notes),
        refused=list(found.refused),
        **_measured(found.images),
    )


def image_name(image: ImageFacts) -> str:
    """What people call an image: its description, or its file's name."""
    name = image.description if image.group and image.description else Path(image.files[0]).name
    return f"{name} {image.part}" if image.part else name


def _measured(images: Sequence[ImageFacts]) -> dict[str, Any]:
    """What the headers say of the images, counted."""
    return {
        "images": len(images),
        "sizes": _counted(extent_words(image) for image in images),
        "spacings": _counted(_spacing_words(image) for image in images),
        "extents": {axis.lower(): [float(one.extent(axis)) for one in images if axis in one.axes] for axis in "XYZ"},
        "steps": _steps(images),
        "modalities": _counted(image.modality or "not said" for image in images),
        "devices": _counted(image.device or "not said" for image in images),
        "formats": _counted(image.format for image in images),
        "items": [_item(image) for image in images[:MOST_ITEMS]],
    }


def _steps(images: Sequence[ImageFacts]) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {"x": [], "y": [], "z": []}
    for image in images:
        if image.spacing is not None:
            found["x"].append(image.spacing[0])
            found["y"].append(image.spacing[1])
            if "Z" in image.axes:
                found["z"].append(image.spacing[2])
    return found


def _counted(values: Iterable[str]) -> dict[str, int]:
    return dict(Counter(values).most_common())


def _spacing_words(image: ImageFacts) -> str:
    if image.spacing is None:
        return "unknown"
    shown = image.spacing if "Z" in image.axes else image.spacing[:2]
    return " x ".join(f"{step:.3g}" for step in shown) + " mm"


def _item(image: ImageFacts) -> Item:
    return Item(
        name=image_name(image),
        format=image.format,
        axes=image.axes,
        shape=list(image.shape),
        spacing=None if image.spacing is None else list(image.spacing),
        intensity=image.intensity,
        modality=image.modality,
        patient=image.patient,
        description=image.description,
        role=image.role,
        notes=list(image.notes),
    )
