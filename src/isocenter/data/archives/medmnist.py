"""MedMNIST: eighteen public collections of small medical images, downloaded by name."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from isocenter.core.errors import UsageError
from isocenter.core.registry import unknown
from isocenter.core.words import listed
from isocenter.data.archives._shared import Archive, Errand, Fetched
from isocenter.data.download import download
from isocenter.storage.atomic import write_text

PREFIX = "medmnist:"
SMALLEST = 28
"""The edge in pixels of the original collection; its files carry no number in their name."""


class MedMnistSet(BaseModel):
    """One data set of the collection.

    Attributes:
        title: what is on the images.
        label: the name of the question that its labels answer.
        task: in the collection's own words: binary-class, multi-class, multi-label or ordinal-regression.
        channels: 1 for grey, 3 for colour.
        samples: images in train, val and test.
        licence: under which the images may be used.
        classes: class names in the order of their numbers.
        md5: checksum by edge in pixels.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    title: str
    label: str
    task: str
    channels: int
    samples: tuple[int, int, int]
    licence: str
    classes: tuple[str, ...]
    md5: Mapping[int, str]


class Collection(BaseModel):
    """The whole collection: where it lies, whom to cite, and its sets."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    address: str
    source: str
    citation: str
    sets: Mapping[str, MedMnistSet]


@cache
def collection() -> Collection:
    """The facts, from the table beside this file."""
    text = files("isocenter.data.archives").joinpath("medmnist.toml").read_text(encoding="utf-8")
    return Collection.model_validate(tomllib.loads(text))


def _chosen(source: str) -> tuple[str, int]:
    """Name and edge in pixels from `medmnist:NAME` or `medmnist:NAME@64`."""
    name, _, edge = source[len(PREFIX) :].strip().lower().partition("@")
    known = collection().sets
    if name not in known:
        raise unknown("MedMNIST set", name, known)
    sizes = sorted(known[name].md5)
    if edge and edge not in map(str, sizes):
        choices = listed([f"{PREFIX}{name}@{size}" for size in sizes])
        raise UsageError(
            f"{name} must have a size of {listed([str(size) for size in sizes])}, got {edge}. Ask for {choices}"
        )
    return name, int(edge or SMALLEST)


def _fetch(errand: Errand) -> Fetched:
    """The set's file and, beside it, what its numbers mean."""
    name, edge = _chosen(errand.source)
    whole = collection()
    chosen = whole.sets[name]
    stem = name if edge == SMALLEST else f"{name}_{edge}"
    folder = errand.into.absolute() / stem
    address = f"{errand.mirror.rstrip('/')}/{stem}.npz" if errand.mirror else f"{whole.address}/{stem}.npz?download=1"
    download(address, folder / f"{stem}.npz", md5=chosen.md5[edge], progress=errand.progress)
    meaning = {
        "name": stem,
        "title": chosen.title,
        "label": chosen.label,
        "task": chosen.task,
        "classes": {str(number): name for number, name in enumerate(chosen.classes)},
        "licence": chosen.licence,
        "source": whole.source,
        "citation": whole.citation,
    }
    _write_once(folder / f"{stem}.json", json.dumps(meaning, indent=1) + "\n")
    notes = (f"{stem}: {chosen.title}; licence {chosen.licence}; cite {whole.citation}.",)
    return Fetched(root=folder, copied=True, notes=notes)


def _write_once(path: Path, text: str) -> None:
    """Leave a file that says the same alone: a second ingest would take it for a change."""
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        write_text(path, text)


ARCHIVE = Archive(
    title="MedMNIST collection",
    accepts=lambda source: source.lower().startswith(PREFIX),
    fetch=_fetch,
    prefix=PREFIX,
    rank=10,
)
