"""COCO: boxes, outlines and keypoints of many images in one JSON, also with one JSON per split folder."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from isocenter.core.image import ImageFacts
from isocenter.core.labels import Box, BoxesValue, ClassDefinition, Kind, LabelDefinition, Point, PointsValue
from isocenter.core.words import counted, listed
from isocenter.data.layouts._shared import CaseDraft, Draft, Layout, Lookup, Survey, Wishes, case_key, read_json
from isocenter.data.naming import split_named, tokens

_NAMED = {"coco", "instances", "annotation", "annotations", "keypoints", "bbox", "boxes", "detection"}
_MOST_UNNAMED = 20


@dataclass
class _Told:
    """What is counted along the way, to be told at the end."""

    boxes: Counter[str] = field(default_factory=Counter)
    points: Counter[str] = field(default_factory=Counter)
    values: dict[str, int] = field(default_factory=dict)
    splits: Counter[str] = field(default_factory=Counter)
    missing: list[str] = field(default_factory=list)
    resized: list[str] = field(default_factory=list)
    outlines: int = 0
    crowds: int = 0
    unsound: int = 0
    images: set[str] = field(default_factory=set)


def _understand(survey: Survey, _wishes: Wishes, draft: Draft) -> None:
    documents = dict(_documents(survey, draft))
    if not documents:
        return
    images = draft.free(survey)
    told = _Told()
    splits = {path: _split(survey, path) for path in documents}
    divided = len({split for split in splits.values() if split}) > 1
    everywhere = Lookup(images)
    by_split = {split: _within(survey, images, split) for split in set(splits.values())} if divided else {}
    for path, content in documents.items():
        split = splits[path] if divided else None
        _take(survey, draft, [by_split.get(split, everywhere), everywhere], told, path, content, split)
    draft.explained.update(documents)
    if not told.images:
        draft.warnings.append(f"COCO annotations found ({_names(documents)}), but none of their images.")
        return
    for name, kind, counts in (("objects", Kind.BOXES, told.boxes), ("points", Kind.POINTS, told.points)):
        if counts or (kind is Kind.BOXES and not told.points):
            order = sorted(told.values, key=lambda one: told.values[one])
            classes = tuple(ClassDefinition(name=one, value=told.values[one]) for one in order if one in counts)
            draft.define(LabelDefinition(name=name, kind=kind, classes=classes))
    draft.understood("coco", *_evidence(documents, told))
    draft.warnings.extend(_warnings(told))


def _within(survey: Survey, images: Sequence[ImageFacts], split: str | None) -> Lookup:
    """The images in folders named for a split: file names may begin anew in each."""
    return Lookup(image for image in images if split in {split_named(part) for part in survey.folders(image)})


def _documents(survey: Survey, draft: Draft) -> Iterable[tuple[str, Mapping[str, Any]]]:
    """JSON files that list images, annotations and categories; only likely names are opened where there are many."""
    paths = [path for path in survey.documents if path.lower().endswith(".json") and path not in draft.explained]
    named = [path for path in paths if _NAMED & {*tokens(PurePosixPath(path).stem), PurePosixPath(path).parent.name}]
    for path in paths if len(paths) <= _MOST_UNNAMED else named:
        content = read_json(draft, path)
        if isinstance(content, Mapping) and all(
            isinstance(content.get(key), list) for key in ("images", "annotations")
        ):
            yield path, content


def _names(documents: Iterable[str]) -> str:
    return listed([PurePosixPath(path).name for path in documents], most=4)


def _split(survey: Survey, path: str) -> str | None:
    place = PurePosixPath(survey.place(path))
    words = [word for word in tokens(place.stem) if split_named(word)]
    if words:
        return split_named(words[-1])
    return next((split for part in reversed(place.parts[:-1]) if (split := split_named(part))), None)


def _take(
    survey: Survey,
    draft: Draft,
    lookups: Sequence[Lookup],
    told: _Told,
    path: str,
    content: Mapping[str, Any],
    split: str | None,
) -> None:
    names = _categories(content.get("categories"))
    told.values.update({name: number for number, name in names.items()})
    drawn: dict[Any, list[Mapping[str, Any]]] = defaultdict(list)
    for one in content["annotations"]:
        if isinstance(one, Mapping):
            drawn[one.get("image_id")].append(one)
    for entry in content["images"]:
        if not isinstance(entry, Mapping) or not isinstance(entry.get("file_name"), str):
            told.unsound += 1
            continue
        places = (lookup.find(entry["file_name"], path) for lookup in lookups)
        image = next((place for place in places if place is not None), None)
        if image is None:
            told.missing.append(entry["file_name"])
            continue
        case = _case(survey, draft, told, image)
        if split and case.split is None:
            case.split = split
            told.splits[split] += 1
        if (entry.get("width"), entry.get("height")) not in ((None, None), (image.extent("X"), image.extent("Y"))):
            told.resized.append(entry["file_name"])
        _claim(case, drawn.get(entry.get("id"), []), names, told)


def _case(survey: Survey, draft: Draft, told: _Told, image: ImageFacts) -> CaseDraft:
    key = case_key(survey, image)
    told.images.add(key)
    return draft.cases.get(key) or draft.add(key, {"image": image})


def _categories(categories: Any) -> dict[int, str]:
    entries = categories if isinstance(categories, list) else []
    return {
        one["id"]: str(one["name"])
        for one in entries
        if isinstance(one, Mapping) and isinstance(one.get("id"), int) and "name" in one
    }


def _claim(case: CaseDraft, drawn: list[Mapping[str, Any]], names: Mapping[int, str], told: _Told) -> None:
    """Say what was drawn on a case; nothing drawn is a negative. A second file adds to what the first said."""
    boxes: list[Box] = []
    points: list[Point] = []
    for one in drawn:
        name = names.get(one.get("category_id", -1))
        box = _box(one, name) if name is not None else None
        marks = _points(one, name) if name is not None else []
        if box is None and not marks:
            told.unsound += 1
            continue
        if box is not None:
            boxes.append(box)
            told.outlines += bool(one.get("segmentation"))
            told.crowds += one.get("iscrowd") == 1
        points.extend(marks)
    known = {claim.name: claim.value for claim in case.claims}
    before = known.get("objects")
    old = before.boxes if isinstance(before, BoxesValue) else ()
    fresh = tuple(box for box in dict.fromkeys(boxes) if box not in old)
    told.boxes.update(box.label for box in fresh)
    told.points.update(point.label for point in points)
    marked = known.get("points")
    marks_before = marked.points if isinstance(marked, PointsValue) else ()
    case.claims = [claim for claim in case.claims if claim.name not in ("objects", "points")]
    if boxes or old or not (points or marks_before):
        case.claim("objects", BoxesValue(boxes=(*old, *fresh)))
    if points or marks_before:
        case.claim("points", PointsValue(points=tuple(dict.fromkeys((*marks_before, *points)))))


def _box(one: Mapping[str, Any], name: str) -> Box | None:
    numbers = _numbers(one.get("bbox"))
    if len(numbers) != 4:
        numbers = _bounds(one.get("segmentation"))
    if len(numbers) != 4 or numbers[2] <= 0 or numbers[3] <= 0:
        return None
    return Box(label=name, x=numbers[0], y=numbers[1], width=numbers[2], height=numbers[3])


def _bounds(outline: Any) -> list[float]:
    """The rectangle around polygons."""
    rings = [_numbers(ring) for ring in outline] if isinstance(outline, list) else []
    across = [value for ring in rings for value in ring[0::2]]
    down = [value for ring in rings for value in ring[1::2]]
    if not across or not down:
        return []
    return [min(across), min(down), max(across) - min(across), max(down) - min(down)]


def _points(one: Mapping[str, Any], name: str) -> list[Point]:
    """Keypoints that were seen, and a box without extent, which is how tools write a mark."""
    numbers = _numbers(one.get("keypoints"))
    marks = [numbers[place : place + 3] for place in range(0, len(numbers) - 2, 3)]
    found = [Point(label=name, x=x, y=y) for x, y, seen in marks if seen > 0]
    box = _numbers(one.get("bbox"))
    if not found and len(box) == 4 and box[2] == 0 and box[3] == 0:
        found.append(Point(label=name, x=box[0], y=box[1]))
    return found


def _numbers(values: Any) -> list[float]:
    if not isinstance(values, list) or not all(isinstance(one, int | float) and math.isfinite(one) for one in values):
        return []
    return [float(one) for one in values]


def _evidence(documents: Mapping[str, Any], told: _Told) -> Iterable[str]:
    counts = [f"{name} ({count:,})" for name, count in (told.boxes or told.points).most_common()]
    yield f"{_names(documents)}: COCO annotations of {counted(len(told.images), 'image')}; {listed(counts)}."
    if told.outlines:
        yield f"{counted(told.outlines, 'object')} with an outline: the boxes around them are kept."
    if told.crowds:
        yield f"{counted(told.crowds, 'box', 'boxes')} around crowds kept like any other."
    if told.splits:
        yield f"The files divide them ({', '.join(f'{name} {count:,}' for name, count in told.splits.items())}): kept."


def _warnings(told: _Told) -> Iterable[str]:
    if told.missing:
        yield f"{counted(len(told.missing), 'annotated image')} not here: {listed(told.missing, most=3)}."
    if told.resized:
        yield (
            f"{counted(len(told.resized), 'image')} of another size than the annotation says, so boxes may not fit: "
            f"{listed(told.resized, most=3)}."
        )
    if told.unsound:
        yield f"{counted(told.unsound, 'annotation')} without a sound box, point or category left out."


LAYOUT = Layout(rank=10, understand=_understand)
