"""Pascal VOC: one XML of boxes per image in Annotations, splits in ImageSets."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from defusedxml import ElementTree
from defusedxml.common import DefusedXmlException

from isocenter.core.labels import Box, BoxesValue, ClassDefinition, Kind, LabelDefinition
from isocenter.core.words import counted, listed
from isocenter.data.layouts._shared import Draft, Layout, Lookup, Survey, Wishes, case_key, read_lines, stem, too_large
from isocenter.data.naming import SPLIT_NAMES


@dataclass
class _Annotation:
    """What one XML says: corners as written, one tuple per object."""

    path: str
    filename: str
    size: tuple[int, int] | None
    objects: list[tuple[str, float, float, float, float]]
    difficult: int = 0
    unsound: int = 0


@dataclass
class _Told:
    """What is counted along the way, to be told at the end."""

    classes: Counter[str] = field(default_factory=Counter)
    missing: list[str] = field(default_factory=list)
    resized: list[str] = field(default_factory=list)


def _understand(survey: Survey, _wishes: Wishes, draft: Draft) -> None:
    annotations = _annotations(survey, draft)
    if not annotations:
        return
    from_zero = any(min(x, y) == 0 for one in annotations for _, x, y, *_ in one.objects)
    lookup = Lookup(draft.free(survey))
    told = _Told()
    placed: dict[str, str] = {}
    for one in annotations:
        image = lookup.find(one.filename or stem(one.path), one.path) or lookup.find(stem(one.path), one.path)
        if image is None:
            told.missing.append(PurePosixPath(one.path).name)
            continue
        boxes = _boxes(one, from_zero)
        told.classes.update(box.label for box in boxes)
        if one.size is not None and one.size != (image.extent("X"), image.extent("Y")):
            told.resized.append(PurePosixPath(image.files[0]).name)
        key = placed.setdefault(image.key, case_key(survey, image))
        case = draft.cases.get(key) or draft.add(key, {"image": image})
        case.claim("objects", BoxesValue(boxes=tuple(boxes)))
    if not placed:
        draft.warnings.append(f"{counted(len(annotations), 'Pascal VOC annotation')} found, but none of their images.")
        return
    classes = tuple(ClassDefinition(name=name) for name in sorted(told.classes))
    draft.define(LabelDefinition(name="objects", kind=Kind.BOXES, classes=classes))
    draft.understood("voc", *_evidence(annotations, told, len(placed), from_zero))
    draft.warnings.extend(_warnings(annotations, told))
    _splits(survey, draft, {stem(image.files[0]): placed[image.key] for image in survey.images if image.key in placed})


def _evidence(annotations: list[_Annotation], told: _Told, images: int, from_zero: bool) -> list[str]:
    counts = listed([f"{name} ({count:,})" for name, count in told.classes.most_common()])
    said = [
        f"{counted(images, 'image')} with an XML of boxes each (Pascal VOC): {counts}.",
        f"Its boxes count pixels from {0 if from_zero else 1}.",
    ]
    difficult = sum(one.difficult for one in annotations)
    if difficult:
        said.append(f"{counted(difficult, 'object')} marked as difficult {'is' if difficult == 1 else 'are'} kept.")
    return said


def _warnings(annotations: list[_Annotation], told: _Told) -> Iterable[str]:
    unsound = sum(one.unsound for one in annotations)
    if unsound:
        yield f"{counted(unsound, 'box', 'boxes')} without a sound rectangle or name left out."
    if told.missing:
        yield f"{counted(len(told.missing), 'annotation')} without an image here: {listed(told.missing, most=3)}."
    if told.resized:
        yield (
            f"{counted(len(told.resized), 'image')} of another size than the annotation says, so boxes may not fit: "
            f"{listed(told.resized, most=3)}."
        )


def _annotations(survey: Survey, draft: Draft) -> list[_Annotation]:
    """Every XML of the kind; a folder is passed over when its first files are of another kind."""
    by_folder: dict[str, list[str]] = defaultdict(list)
    for path in survey.documents:
        if path.lower().endswith(".xml"):
            by_folder[path.rsplit("/", 1)[0]].append(path)
    found: list[_Annotation] = []
    for paths in by_folder.values():
        strangers = 0
        here: list[_Annotation] = []
        for path in paths:
            one = _read(draft, path, told=bool(here))
            if one is not None:
                here.append(one)
                draft.explained.add(path)
            else:
                strangers += 1
            if strangers >= 3 and not here:
                break
        found.extend(here)
    return found


def _read(draft: Draft, path: str, *, told: bool) -> _Annotation | None:
    """One annotation, or None where the file is none; damaged files are told where others here are sound."""
    if too_large(draft, path):
        return None
    try:
        root = ElementTree.parse(Path(path)).getroot()
    except (OSError, ElementTree.ParseError, DefusedXmlException, ValueError, RecursionError) as error:
        named = PurePosixPath(path).parent.name.lower() == "annotations"
        if told or named:
            draft.refuse(path, f"is not sound XML ({' '.join(str(error).split())[:120]}).")
        return None
    if root is None or root.tag != "annotation" or root.find("filename") is None:
        return None
    found = _Annotation(path, (root.findtext("filename") or "").strip(), _size(root), [])
    for one in root.iter("object"):
        corners = [_number(one, f"bndbox/{edge}") for edge in ("xmin", "ymin", "xmax", "ymax")]
        name = (one.findtext("name") or "").strip()
        left, top, right, bottom = corners
        if not name or left is None or top is None or right is None or bottom is None or right < left or bottom < top:
            found.unsound += 1
            continue
        found.objects.append((name, left, top, right, bottom))
        found.difficult += (one.findtext("difficult") or "0").strip() == "1"
    return found


def _size(root: Any) -> tuple[int, int] | None:
    width, height = _number(root, "size/width"), _number(root, "size/height")
    return (int(width), int(height)) if width and height else None


def _number(element: Any, place: str) -> float | None:
    text = element.findtext(place) or ""
    return float(text) if re.fullmatch(r"\s*-?\d+(\.\d+)?\s*", text) else None


def _boxes(one: _Annotation, from_zero: bool) -> list[Box]:
    """Corners that count from 1 name the first and the last pixel; corners that count from 0 are edges."""
    shift, reach = (0, 0) if from_zero else (1, 1)
    return [
        Box(label=name, x=left - shift, y=top - shift, width=right - left + reach, height=bottom - top + reach)
        for name, left, top, right, bottom in one.objects
    ]


def _splits(survey: Survey, draft: Draft, by_stem: dict[str, str]) -> None:
    """Splits from ImageSets/Main/train.txt, or from class-wise lists such as aeroplane_train.txt."""
    lists = [path for path in survey.documents if re.search(r"/imagesets/.*\.txt$", path.lower())]
    lists += [table.path for table in survey.tables if re.search(r"/imagesets/.*\.txt$", table.path.lower())]
    lists = list(dict.fromkeys(lists))
    draft.explained.update(lists)
    main = [path for path in lists if "/main/" in path.lower()] or lists
    plain = {stem(path).lower(): path for path in main}
    chosen = {split: path for name, path in plain.items() if (split := SPLIT_NAMES.get(name)) is not None}
    if "train" not in chosen and "trainval" in plain and chosen:
        chosen["train"] = plain["trainval"]
    sources: list[tuple[str, str]] = list(chosen.items())
    if not sources:
        named = ((stem(path).lower().rpartition("_")[2], path) for path in main)
        sources = [(SPLIT_NAMES[word], path) for word, path in named if word in SPLIT_NAMES]
    if len({split for split, _ in sources}) < 2:
        return
    counts: Counter[str] = Counter()
    twice = 0
    for split, path in sorted(sources, key=lambda one: one[1]):
        for name in (line.split()[0] for line in read_lines(draft, path)):
            key = by_stem.get(name) or by_stem.get(stem(name))
            if key is None:
                continue
            known = draft.cases[key].split
            twice += known not in (None, split)
            counts[split] += known is None
            draft.cases[key].split = known or split
    order = [name for name in ("train", "val", "test") if counts[name]]
    division = ", ".join(f"{name} {counts[name]:,}" for name in order)
    draft.evidence.append(f"The lists in ImageSets divide them ({division}): kept.")
    if twice:
        draft.warnings.append(f"{counted(twice, 'image')} in more than one list of ImageSets: the first one counts.")


LAYOUT = Layout(rank=10, understand=_understand)
