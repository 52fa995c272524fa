"""YOLO: a text file of boxes beside each image, and a data.yaml that names the classes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from isocenter.core.image import ImageFacts
from isocenter.core.labels import Box, BoxesValue, ClassDefinition, Kind, LabelDefinition
from isocenter.core.words import counted, listed
from isocenter.data.columns import number
from isocenter.data.layouts._shared import Draft, Layout, Survey, Wishes, case_key, read_lines, stem, too_large
from isocenter.data.naming import SPLIT_NAMES, split_named

_CLASS_LISTS = ("classes.txt", "obj.names", "labels.txt")


_MOST_YAML = 1_000_000
"""A document that names classes is small, and YAML is slow to read."""


class _PlainLoader(yaml.SafeLoader):
    """Reads plain values alone: an alias repeats what stands elsewhere, and a few lines of them fill any memory."""

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """The next value, unless it is an alias."""
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("holds an alias (`*name`), which is not followed")
        return super().compose_node(parent, index)


@dataclass
class _Source:
    """A document that names the classes, and where it says that the images of each split are."""

    path: str
    names: dict[int, str]
    places: dict[str, list[str]] = field(default_factory=dict)
    keypoints: bool = False
    named: bool = True
    """Whether a document names the classes; else they are known by their numbers."""


@dataclass
class _Told:
    """What is counted along the way, to be told at the end."""

    classes: Counter[str] = field(default_factory=Counter)
    splits: Counter[str] = field(default_factory=Counter)
    images: int = 0
    unlabelled: int = 0
    outlines: int = 0
    unsound: int = 0


def _understand(survey: Survey, _wishes: Wishes, draft: Draft) -> None:
    labels = _label_files(survey, draft)
    if not labels:
        return
    for source in _sources(survey, draft) or _nameless(survey, draft, labels):
        _take(survey, draft, source, labels)


def _label_files(survey: Survey, draft: Draft) -> dict[str, str]:
    """Every text file by its path without ending, in lower case; tables of numbers are text files too."""
    paths = [*survey.documents, *(table.path for table in survey.tables)]
    return {path[:-4].lower(): path for path in paths if path.lower().endswith(".txt") and path not in draft.explained}


def _sources(survey: Survey, draft: Draft) -> list[_Source]:
    found = []
    for path in survey.documents:
        if path.lower().endswith((".yaml", ".yml")):
            source = _read_yaml(path, draft)
            if source is not None:
                found.append(source)
    if not found:
        for path in (one for name in _CLASS_LISTS for one in survey.document(name)):
            names = read_lines(draft, path)
            if names and not any(number(name.split()[0]) is not None for name in names):
                return [_Source(path, dict(enumerate(names)))]
    return found


def _nameless(survey: Survey, draft: Draft, labels: Mapping[str, str]) -> list[_Source]:
    """Boxes in a folder `labels` beside `images` without a document that names the classes: their numbers do."""
    places = (_label_places(image.files[0])[0] for image in draft.free(survey) if "/images/" in image.files[0].lower())
    found = list(dict.fromkeys(labels[place] for place in places if place in labels))
    numbers: set[int] = set()
    for path in found:
        for line in read_lines(draft, path):
            cells = [number(cell) for cell in line.split()]
            shares = [cell for cell in cells if cell is not None and -0.5 <= cell <= 1.5]
            first = cells[0]
            if first is None or first < 0 or not first.is_integer():
                return []
            if len(cells) < 5 or len(shares) < len(cells) - (first > 1.5):
                return []
            numbers.add(int(first))
    if not numbers:
        return []
    return [_Source(f"{survey.root.rstrip('/')}/labels", {one: str(one) for one in sorted(numbers)}, named=False)]


def _read_yaml(path: str, draft: Draft) -> _Source | None:
    if too_large(draft, path, _MOST_YAML):
        return None
    try:
        loader = _PlainLoader(Path(path).read_text(encoding="utf-8-sig"))
        content = loader.get_single_data()
        names = _names(content)
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        draft.refuse(path, f"is not sound YAML ({' '.join(str(error).split())[:120]}).")
        return None
    if names is None:
        return None
    source = _Source(path, names, keypoints="kpt_shape" in content)
    base = str(content.get("path") or "")
    for key, split in SPLIT_NAMES.items():
        given = content.get(key)
        places = given if isinstance(given, list) else [given]
        for place in places:
            if isinstance(place, str) and place:
                source.places.setdefault(split, []).extend(_spelled(base, place))
    return source


def _names(content: Any) -> dict[int, str] | None:
    """Class number to name; None where the document names no classes."""
    names = content.get("names") if isinstance(content, Mapping) else None
    if isinstance(names, list):
        names = dict(enumerate(names))
    if not isinstance(names, Mapping) or not all(isinstance(key, int) for key in names):
        return None
    plain = all(isinstance(name, str | int | float) for name in names.values())
    return {key: str(name) for key, name in names.items()} if plain else None


def _spelled(base: str, place: str) -> list[str]:
    """A place as written and, since `..` and the base are often wrong, its tail; in lower case."""
    tail = [part for part in PurePosixPath(place.replace("\\", "/")).parts if part not in ("..", ".", "/")]
    lead = [part for part in PurePosixPath(base.replace("\\", "/")).parts if part not in ("..", ".", "/")]
    return list(dict.fromkeys(("/".join([*lead, *tail]).lower(), "/".join(tail).lower())))


def _take(survey: Survey, draft: Draft, source: _Source, labels: Mapping[str, str]) -> None:
    home = source.path.rsplit("/", 1)[0] + "/"
    told = _Told()
    lists = _image_lists(draft, source, labels)
    pairs = []
    for image in draft.free(survey):
        path = image.files[0]
        split = _split(path[len(home) :].lower(), source, lists) if path.startswith(home) else None
        label = next((labels[place] for place in _label_places(path) if place in labels), None)
        if path.startswith(home) and (label is not None or split is not None):
            pairs.append((image, split, label))
    if not any(label for _, _, label in pairs):
        return
    divided = len({split for _, split, _ in pairs if split}) > 1
    for image, split, label in pairs:
        case = draft.add(case_key(survey, image), {"image": image})
        case.split = split if divided else None
        told.images += 1
        told.splits[split or "none"] += 1
        if label is None:
            told.unlabelled += 1
            continue
        draft.explained.add(label)
        boxes = _read_boxes(draft, image, label, source, told)
        if boxes is not None:
            case.claim("objects", BoxesValue(boxes=tuple(boxes)))
            told.classes.update(box.label for box in boxes)
    draft.explained.add(source.path)
    draft.explained.update(path for path in labels.values() if PurePosixPath(path).name.lower() in _CLASS_LISTS)
    classes = tuple(ClassDefinition(name=name, value=key) for key, name in sorted(source.names.items()))
    draft.define(LabelDefinition(name="objects", kind=Kind.BOXES, classes=classes))
    draft.understood("yolo", *_evidence(source, told, divided))
    draft.warnings.extend(_warnings(told))


def _image_lists(draft: Draft, source: _Source, labels: Mapping[str, str]) -> dict[str, str]:
    """Image name to split, where data.yaml points to text files that list images."""
    found: dict[str, str] = {}
    home = source.path.rsplit("/", 1)[0]
    for split, places in source.places.items():
        for place in places:
            path = labels.get(f"{home}/{place}"[:-4].lower()) if place.endswith(".txt") else None
            if path is not None:
                found.update({PurePosixPath(line).name.lower(): split for line in read_lines(draft, path)})
    return found


def _split(place: str, source: _Source, lists: Mapping[str, str]) -> str | None:
    listed_in = lists.get(PurePosixPath(place).name)
    if listed_in is not None:
        return listed_in
    for split, folders in source.places.items():
        if any(place.startswith(f"{folder.rstrip('/')}/") for folder in folders):
            return split
    named = (split_named(part) for part in PurePosixPath(place).parts[:-1])
    return next((split for split in named if split), None)


def _label_places(path: str) -> list[str]:
    """Where the boxes of an image are: in the parallel folder `labels`, or beside it; without ending."""
    whole = f"{path.rsplit('/', 1)[0]}/{stem(path)}".lower()
    head, found, tail = whole.rpartition("/images/")
    return [f"{head}/labels/{tail}", whole] if found else [whole]


def _read_boxes(draft: Draft, image: ImageFacts, path: str, source: _Source, told: _Told) -> list[Box] | None:
    if too_large(draft, path):
        return None
    boxes = []
    unsound = 0
    for line in read_lines(draft, path):
        cells = [number(cell) for cell in line.split()]
        values = [cell for cell in cells if cell is not None]
        name = source.names.get(int(values[0])) if values else None
        edges = _edges(values[1:], source, told)
        if len(values) < len(cells) or name is None or edges is None:
            unsound += 1
            continue
        boxes.append(_box(name, edges, image))
    if unsound and not boxes:
        draft.refuse(path, "holds no line of the form: class number, centre x, centre y, width, height.")
        return None
    told.unsound += unsound
    return boxes


def _box(name: str, edges: tuple[float, float, float, float], image: ImageFacts) -> Box:
    left, top, right, bottom = edges
    width, height = image.extent("X"), image.extent("Y")
    return Box(label=name, x=left * width, y=top * height, width=(right - left) * width, height=(bottom - top) * height)


def _edges(values: Sequence[float], source: _Source, told: _Told) -> tuple[float, float, float, float] | None:
    """Left, top, right and bottom as shares of the image; five numbers are a box with its confidence."""
    if len(values) < 4 or any(not -0.5 <= value <= 1.5 for value in values[:4]):
        return None
    if len(values) in (4, 5) or source.keypoints:
        across, down, width, height = values[:4]
        if width <= 0 or height <= 0:
            return None
        return across - width / 2, down - height / 2, across + width / 2, down + height / 2
    told.outlines += 1
    return min(values[0::2]), min(values[1::2]), max(values[0::2]), max(values[1::2])


def _evidence(source: _Source, told: _Told, divided: bool) -> Iterable[str]:
    counts = [f"{name} ({count:,})" for name, count in told.classes.most_common()]
    name = PurePosixPath(source.path).name
    if source.named:
        yield f"{name} and a text file of boxes per image (YOLO): {counted(told.images, 'image')}; {listed(counts)}."
    else:
        yield (
            f"A text file of boxes per image in the folder `labels` (YOLO): {counted(told.images, 'image')}; no "
            f"data.yaml names the classes, so they are called by their numbers: {listed(counts)}."
        )
    if told.outlines:
        yield f"{counted(told.outlines, 'outline')} kept as boxes."
    if divided:
        known = {split: told.splits[split] for split in ("train", "val", "test") if told.splits[split]}
        who = f"{name} divides" if source.named else "Folders divide"
        yield f"{who} them ({', '.join(f'{split} {count:,}' for split, count in known.items())}): kept."


def _warnings(told: _Told) -> Iterable[str]:
    if told.unlabelled:
        yield f"{counted(told.unlabelled, 'image')} without a text file: unlabelled, since nobody may have looked."
    if told.unsound:
        yield f"{counted(told.unsound, 'line')} that are no box of a known class left out."


LAYOUT = Layout(rank=10, understand=_understand)
