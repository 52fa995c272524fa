"""A folder to fill with small images, masks and documents, and to have understood."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from PIL import Image as Pillow

from isocenter.core.image import ImageFacts
from isocenter.core.labels import MaskValue
from isocenter.data.files import describe
from isocenter.data.layouts._shared import Draft, Survey, Wishes
from isocenter.data.understand import understand

DOCUMENTS = {".json", ".xml", ".yaml", ".yml", ".txt"}


def survey_of(root: Path) -> Survey:
    """Everything in a folder, as an ingest would look at it."""
    files = sorted(path for path in root.rglob("*") if path.is_file())
    found = describe(files)
    documents = tuple(path.as_posix() for path in files if path.suffix.lower() in DOCUMENTS)
    images = tuple(sorted(found.images, key=lambda image: (image.files[0], image.part)))
    return Survey(root=root.as_posix(), images=images, tables=found.tables, documents=documents)


def assert_nothing_skipped(survey: Survey, draft: Draft) -> None:
    """Every image is in one case, the mask of a case, or refused: exactly one of them."""
    in_case: set[str] = set()
    masks: set[tuple[str, str]] = set()
    for case in draft.cases.values():
        for image in case.images.values():
            assert image.key not in in_case, image.key
            in_case.add(image.key)
        for claim in case.claims:
            if isinstance(claim.value, MaskValue):
                masks.update((path, claim.value.part) for path in claim.value.files)
    refused = {one.path for one in draft.refused}
    for image in survey.images:
        places = [image.key in in_case, (image.files[0], image.part) in masks, image.files[0] in refused]
        assert sum(places) == 1, (image.key, places)


class Folder:
    """A folder in the making."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.rng = np.random.default_rng(7)

    def path(self, name: str) -> Path:
        place = self.root / name
        place.parent.mkdir(parents=True, exist_ok=True)
        return place

    def picture(self, *names: str, size: tuple[int, int] = (32, 24), colour: bool = False) -> None:
        """Pictures of noise."""
        for name in names:
            shape = (size[1], size[0], 3) if colour else (size[1], size[0])
            Pillow.fromarray(self.rng.integers(0, 256, shape, dtype=np.uint8)).save(self.path(name))

    def mask(self, *names: str, values: Sequence[int] = (0, 255), size: tuple[int, int] = (32, 24)) -> None:
        """Masks of stripes, one per value."""
        for name in names:
            stripes = np.repeat(np.array(values, np.uint8), -(-size[0] // len(values)))[: size[0]]
            picture = Pillow.fromarray(np.tile(stripes, (size[1], 1)))
            picture.save(self.path(name), **({"quality": 80} if name.endswith(".jpg") else {}))

    def volume(self, *names: str, shape: tuple[int, ...] = (6, 5, 4), mask: bool = False, shift: float = 0.0) -> None:
        """NIfTI volumes of noise, or of labels 0, 1, 2."""
        for name in names:
            array = self.rng.integers(0, 3 if mask else 4000, shape, dtype=np.int16)
            affine = np.diag([1.0, 1.0, 2.0, 1.0])
            affine[:3, 3] = shift
            nibabel.save(nibabel.Nifti1Image(array, affine), self.path(name))

    def text(self, name: str, content: str) -> None:
        self.path(name).write_text(content, encoding="utf-8")

    def json(self, name: str, content: Any) -> None:
        self.text(name, json.dumps(content))

    def table(self, name: str, header: str, *rows: str) -> None:
        self.text(name, "\n".join((header, *rows)) + "\n")

    def survey(self) -> Survey:
        return survey_of(self.root)

    def understand(self, **wishes: Any) -> Draft:
        survey = self.survey()
        draft = understand(survey, Wishes(**wishes))
        if not draft.questions:
            assert_nothing_skipped(survey, draft)
        return draft


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    root = tmp_path / "source"
    root.mkdir()
    return Folder(root)


@pytest.fixture
def understood() -> Callable[[Path], Draft]:
    """Understand a folder that is there already."""

    def look(root: Path, **wishes: Any) -> Draft:
        survey = survey_of(root)
        draft = understand(survey, Wishes(**wishes))
        if not draft.questions:
            assert_nothing_skipped(survey, draft)
        return draft

    return look


@pytest.fixture
def facts() -> Callable[..., ImageFacts]:
    """Facts of an image that is on no disk."""

    def make(path: str, **known: Any) -> ImageFacts:
        return ImageFacts(**{"format": "dicom", "files": (path,), "axes": "CYX", "shape": (1, 8, 8), **known})

    return make
