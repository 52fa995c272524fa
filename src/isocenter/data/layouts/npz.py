"""Archives of arrays as MedMNIST keeps them: train_images, train_labels and so on, with their official splits."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isocenter.core.errors import OpenQuestion, Unreadable
from isocenter.core.image import ImageFacts
from isocenter.core.labels import (
    ClassDefinition,
    ClassesValue,
    ClassValue,
    Kind,
    LabelDefinition,
    MaskValue,
    NumberValue,
    Value,
)
from isocenter.core.words import counted, listed
from isocenter.data.formats.array import arrays, load
from isocenter.data.layouts._shared import Draft, Layout, Survey, Wishes, case_key, read_json
from isocenter.data.naming import split_named

_PART = re.compile(r"^(?:(?P<split>\w+?)_)?(?P<kind>images|imgs|x|masks|segs)/(?P<number>\d+)$", re.IGNORECASE)
_SWAPPED = re.compile(r"^(x)_(train|val|valid|test)/(\d+)$", re.IGNORECASE)
"""The same as Keras and scikit-learn spell it: `x_train`, `y_train`."""

_LABELS = ("labels", "label", "targets", "target", "y")
_MOST_GRADES = 1000


@dataclass
class _Archive:
    """The images of one file by split, then by place."""

    path: str
    images: dict[str, dict[int, ImageFacts]] = field(default_factory=lambda: defaultdict(dict))
    masks: dict[str, dict[int, ImageFacts]] = field(default_factory=lambda: defaultdict(dict))
    labels: dict[str, NDArray[Any]] = field(default_factory=dict)
    problem: str = ""


def _understand(survey: Survey, _wishes: Wishes, draft: Draft) -> None:
    found = _archives(survey)
    if len(found) > 1:
        names = [survey.place(one.path) for one in found]
        question = OpenQuestion(
            f"There are {len(found)} data sets in {survey.root}: {listed(names)}",
            why="each has labels of its own, so they cannot be one cohort",
            remedy=f"Ingest one of them, such as {found[0].path}",
        )
        draft.questions.append(question)
    elif found:
        _take(survey, draft, found[0])


def _archives(survey: Survey) -> list[_Archive]:
    """Files whose arrays are lists of images with splits or with labels beside them."""
    found: dict[str, _Archive] = {}
    for image in survey.images:
        named = _PART.match(_SWAPPED.sub(r"\2_\1/\3", image.part)) if image.files[0].lower().endswith(".npz") else None
        split = (named["split"] or "") if named else ""
        if named is None or (split and split_named(split) is None):
            continue
        archive = found.setdefault(image.files[0], _Archive(image.files[0]))
        places = archive.masks if named["kind"].lower() in ("masks", "segs") else archive.images
        places[split][int(named["number"])] = image
    return [one for one in found.values() if one.images and _read_labels(one)]


def _read_labels(archive: _Archive) -> bool:
    """Load the labels; whether the file is a data set at all: it has labels, masks, or more splits than one."""
    path = Path(archive.path)
    try:
        there = arrays(path)
        for split in archive.images:
            wanted = [f"{split}_{word}" if split else word for word in _LABELS] + [f"y_{split}"]
            name = next((name for word in wanted for name in there if name.lower() == word.lower()), None)
            if name is not None:
                archive.labels[split] = load(path, name)
    except Unreadable as error:
        archive.problem = f"Its labels cannot be read: {error.why}. "
        return True
    return bool(archive.labels or archive.masks) or len(archive.images) > 1


def _take(survey: Survey, draft: Draft, archive: _Archive) -> None:
    for split, images in archive.images.items():
        labels = archive.labels.get(split)
        if labels is not None and len(labels) != len(images):
            draft.warnings.append(
                f"{survey.place(archive.path)} has {len(images):,} {split} images and {len(labels):,} labels: these "
                "labels are not used."
            )
            archive.labels.pop(split)
        for _, image in sorted(images.items()):
            case = draft.add(case_key(survey, image), {"image": image})
            case.split = split_named(split) if len(archive.images) > 1 else None
    draft.understood("npz", *_evidence(survey, archive))
    if archive.labels:
        _label(draft, survey, archive)
    else:
        draft.warnings.append(f"{archive.problem}{survey.place(archive.path)} is taken without labels.")
    _mask(survey, draft, archive)


def _evidence(survey: Survey, archive: _Archive) -> list[str]:
    sizes = {split_named(split) or "no split": len(images) for split, images in archive.images.items()}
    division = ", ".join(f"{name} {size:,}" for name, size in sizes.items())
    kept = ": its own division is kept" if len(sizes) > 1 else ""
    return [f"{PurePosixPath(survey.place(archive.path)).name} holds lists of images ({division}){kept}."]


def _label(draft: Draft, survey: Survey, archive: _Archive) -> None:
    kind, names = _kind(list(archive.labels.values()))
    if kind is None:
        draft.warnings.append(
            f"{survey.place(archive.path)} has labels of a kind that is not understood ({listed(names)}): not used."
        )
        return
    meaning = _meaning(survey, draft, archive)
    for split, labels in archive.labels.items():
        for number, image in archive.images[split].items():
            value = _value(kind, labels[number], meaning.classes)
            draft.cases[case_key(survey, image)].claim(meaning.label, value)
    classes = tuple(ClassDefinition(name=meaning.classes.get(name, name), value=int(name)) for name in names)
    draft.define(LabelDefinition(name=meaning.label, kind=kind, classes=classes))
    if kind is Kind.NUMBER:
        draft.evidence.append(f"Its labels are measured numbers: taken as the label `{meaning.label}`.")
        return
    several = "any number of" if kind is Kind.CLASSES else "one of"
    named = f"{meaning.source} names them." if meaning.source else "The file does not name them."
    shown = f"{counted(len(names), 'class', 'classes')} ({listed([one.name for one in classes])})"
    draft.evidence.append(f"Each image has {several} {shown}: the label `{meaning.label}`. {named}")


@dataclass
class _Meaning:
    """What the numbers stand for, as a JSON file of the same name beside the archive says."""

    label: str = "class"
    classes: dict[str, str] = field(default_factory=dict)
    source: str = ""


def _meaning(survey: Survey, draft: Draft, archive: _Archive) -> _Meaning:
    path = str(PurePosixPath(archive.path).with_suffix(".json"))
    stored = read_json(draft, path) if path in survey.documents else None
    if not isinstance(stored, dict) or not isinstance(stored.get("classes"), dict):
        return _Meaning()
    draft.explained.add(path)
    label = str(stored.get("label") or "class")
    return _Meaning(
        label, {str(number): str(name) for number, name in stored["classes"].items()}, PurePosixPath(path).name
    )


def _kind(labels: list[NDArray[Any]]) -> tuple[Kind | None, list[str]]:
    """What form the labels take, and the classes by number."""
    flat = [one.reshape(len(one), -1) for one in labels]
    width = flat[0].shape[1]
    if any(one.dtype.kind not in "biuf" or one.shape[1] != width for one in flat):
        return None, sorted({f"{one.dtype} {one.shape}" for one in flat})
    values = np.unique(np.concatenate([one.astype(float).ravel() for one in flat]))
    if width > 1:
        whole = bool(np.isin(values, (0, 1)).all())
        return (Kind.CLASSES, [str(place) for place in range(width)]) if whole else (None, [f"{width} columns"])
    if len(values) > _MOST_GRADES or not np.array_equal(values, np.round(values)):
        return Kind.NUMBER, []
    return Kind.CLASS, [str(int(value)) for value in values]


def _value(kind: Kind, label: Any, names: Mapping[str, str]) -> Value:
    row = np.atleast_1d(label).ravel()
    if kind is Kind.CLASSES:
        return ClassesValue(values=tuple(names.get(str(place), str(place)) for place in np.flatnonzero(row)))
    if kind is Kind.NUMBER:
        return NumberValue(value=float(row[0]))
    number = str(int(row[0]))
    return ClassValue(value=names.get(number, number))


def _mask(survey: Survey, draft: Draft, archive: _Archive) -> None:
    count = 0
    for split, masks in archive.masks.items():
        for number, mask in masks.items():
            image = archive.images.get(split, {}).get(number)
            if image is not None:
                value = MaskValue(format=mask.format, files=mask.files, part=mask.part)
                draft.cases[case_key(survey, image)].claim("mask", value)
                draft.taken.add(mask.key)
                count += 1
    if count:
        draft.define(LabelDefinition(name="mask", kind=Kind.MASK))
        draft.evidence.append(f"{count:,} of the images have a mask in the same file: the label `mask`.")


LAYOUT = Layout(rank=10, understand=_understand)
