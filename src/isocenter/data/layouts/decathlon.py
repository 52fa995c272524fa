"""Medical Segmentation Decathlon and nnU-Net: a dataset.json beside imagesTr and labelsTr."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from typing import Any

from isocenter.core.errors import OpenQuestion
from isocenter.core.image import ImageFacts, Intensity
from isocenter.core.labels import ClassDefinition, Kind, LabelDefinition, MaskValue
from isocenter.core.words import counted, listed
from isocenter.data.columns import whole_number
from isocenter.data.layouts._shared import (
    Draft,
    Layout,
    Survey,
    Wishes,
    case_key,
    extent_words,
    read_json,
    same_plane,
    stem,
)

_PARTS = {"imagestr": "train", "imagests": "test", "imagesva": "val", "imagesval": "val"}
_CHANNEL = re.compile(r"_(\d{4})$")


@dataclass
class _Folder:
    """The images and masks of one data set, by part (train, val, test) and stem."""

    document: str
    content: Mapping[str, Any]
    images: dict[str, list[ImageFacts]] = field(default_factory=dict)
    masks: dict[str, dict[str, ImageFacts]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return PurePosixPath(self.document).parent.name

    @property
    def channels(self) -> list[str]:
        named = self.content.get("channel_names", self.content.get("modality", {}))
        if isinstance(named, Mapping):
            named = [named[key] for key in sorted(named, key=lambda key: (len(str(key)), str(key)))]
        return _told_apart([str(one) for one in named]) if isinstance(named, list) else []


def _told_apart(names: list[str]) -> list[str]:
    """Names that several channels share (`noNorm`, twice) with the channel's number."""
    shared = [f"{name} {number}" if names.count(name) > 1 else name for number, name in enumerate(names)]
    if len(set(shared)) == len(shared):
        return shared
    return [f"{name} {number}" for number, name in enumerate(names)]


def _understand(survey: Survey, _wishes: Wishes, draft: Draft) -> None:
    found = [_gather(survey, path, content) for path, content in _documents(survey, draft)]
    found = [one for one in found if one.images]
    if len(found) > 1:
        question = OpenQuestion(
            f"{survey.root} holds {len(found)} data sets of the Decathlon or nnU-Net kind ({listed(_names(found))})",
            why="each has labels of its own, so they cannot be one cohort",
            remedy=f"Ingest one of them, such as {PurePosixPath(found[0].document).parent}",
        )
        draft.questions.append(question)
        return
    for one in found:
        draft.explained.add(one.document)
        _take(survey, draft, one)


def _documents(survey: Survey, draft: Draft) -> list[tuple[str, Mapping[str, Any]]]:
    read = [(path, read_json(draft, path)) for path in survey.document("dataset.json")]
    known = ("training", "channel_names", "modality", "file_ending", "numTraining")
    return [
        (path, content)
        for path, content in read
        if isinstance(content, Mapping)
        and isinstance(content.get("labels"), Mapping)
        and any(key in content for key in known)
    ]


def _names(found: list[_Folder]) -> list[str]:
    return [one.name for one in found]


def _gather(survey: Survey, document: str, content: Mapping[str, Any]) -> _Folder:
    found = _Folder(document, content)
    home = document.rsplit("/", 1)[0] + "/"
    for image in survey.images:
        if not image.files[0].startswith(home):
            continue
        part = image.files[0][len(home) :].split("/")[0].lower()
        if part in _PARTS:
            found.images.setdefault(_PARTS[part], []).append(image)
        elif part.replace("labels", "images") in _PARTS:
            masks = found.masks.setdefault(_PARTS[part.replace("labels", "images")], {})
            masks[stem(image.files[0])] = image
    return found


def _take(survey: Survey, draft: Draft, found: _Folder) -> None:
    mapping, direction, overlaps = _mapping(found.content["labels"])
    if overlaps:
        draft.warnings.append(
            f"dataset.json defines regions that overlap ({listed(overlaps)}): each pixel value is kept under the "
            "smallest region that holds it."
        )
    _define(draft, mapping)
    joined = _suffixed(found)
    divided = any(found.masks.get(part) for part in ("test", "val"))
    count = labelled = 0
    for part, images in found.images.items():
        images = [_with_channels(image, found.channels) for image in images]
        masks = found.masks.get(part, {})
        for name, channels in _cases(images, joined, found.channels).items():
            case = draft.add(_key(survey, channels, name), channels)
            case.split = part if divided and (part == "train" or masks) else None
            count += 1
            labelled += _attach(draft, case.key, masks.pop(name, None), mapping)
        for mask in masks.values():
            draft.refuse(mask.files[0], "a mask whose image is not here.")
            draft.taken.add(mask.key)
    draft.understood("decathlon", *_evidence(found, mapping, direction, joined, (count, labelled)))
    _check_announced(draft, found)


def _with_channels(image: ImageFacts, names: list[str]) -> ImageFacts:
    """An image whose fourth axis is the channels that dataset.json names, which its header can only call time."""
    if len(names) < 2 or image.axes != "CTZYX" or image.shape[:2] != (1, len(names)):
        return image
    return replace(
        image,
        axes="CZYX",
        shape=image.shape[1:],
        channels=tuple(names),
        times=None,
        intensity=Intensity.NAMED,
    )


def _evidence(
    found: _Folder, mapping: Mapping[int, str], direction: str, joined: bool, counts: tuple[int, int]
) -> list[str]:
    classes = listed([f"{value} {name}" for value, name in sorted(mapping.items())], most=20)
    said = [
        f"dataset.json of {found.content.get('name') or found.name}: the layout of the Decathlon and nnU-Net; "
        f"{counted(counts[0], 'case')}, {counts[1]:,} with a mask.",
        f"Its labels are written as {direction}: pixel values 0 background, {classes}.",
    ]
    if joined:
        said.append(f"File names end in the channel's number: {listed(found.channels) or 'unnamed channels'}.")
    elif len(found.channels) > 1:
        said.append(f"dataset.json names {len(found.channels)} channels in one file: {listed(found.channels)}.")
    return said


def _mapping(labels: Mapping[str, Any]) -> tuple[dict[int, str], str, list[str]]:
    """Pixel value to name without background, how the document wrote it, and the regions that overlap."""
    numbers_first = all(whole_number(str(key)) is not None for key in labels)
    if numbers_first:
        pairs = {int(key): str(name) for key, name in labels.items()}
        return {value: name for value, name in pairs.items() if value != 0}, "number to name", []
    regions = {name: value for name, value in labels.items() if isinstance(value, list) and len(value) > 1}
    mapping: dict[int, str] = {}
    # The largest region first, so that a smaller one within it has the last word.
    for name, value in sorted(labels.items(), key=lambda item: -len(item[1]) if isinstance(item[1], list) else -1):
        for one in value if isinstance(value, list) else [value]:
            if (whole_number(str(one)) or 0) > 0:
                mapping[int(one)] = str(name)
    return mapping, "name to number", list(regions)


def _define(draft: Draft, mapping: Mapping[int, str]) -> None:
    classes = tuple(ClassDefinition(name=name, value=value) for value, name in sorted(mapping.items()))
    draft.define(LabelDefinition(name="mask", kind=Kind.MASK, classes=classes))


def _suffixed(found: _Folder) -> bool:
    """Whether the four digits that end the images' names number channels: the masks' names lack them."""
    names = [stem(image.files[0]) for images in found.images.values() for image in images]
    if not all(_CHANNEL.search(name) for name in names):
        return False
    masks = {name for part in found.masks.values() for name in part}
    if masks:
        return not any(name in masks for name in names)
    return all(int(name[-4:]) < max(len(found.channels), 1) for name in names)


def _cases(images: list[ImageFacts], joined: bool, channels: list[str]) -> dict[str, dict[str, ImageFacts]]:
    cases: dict[str, dict[str, ImageFacts]] = {}
    for image in sorted(images, key=lambda image: image.files[0]):
        name = stem(image.files[0])
        number = int(name[-4:]) if joined else 0
        channel = channels[number] if number < len(channels) and (joined or len(channels) == 1) else "image"
        if joined and channel == "image":
            channel = f"channel{number}"
        cases.setdefault(name[:-5] if joined else name, {})[channel] = image
    return cases


def _key(survey: Survey, channels: dict[str, ImageFacts], name: str) -> str:
    key = case_key(survey, next(iter(channels.values())))
    return key.rsplit("/", 1)[0] + f"/{name}" if "/" in key and len(channels) > 1 else key


def _attach(draft: Draft, key: str, mask: ImageFacts | None, mapping: Mapping[int, str]) -> bool:
    if mask is None:
        return False
    draft.taken.add(mask.key)
    image = draft.cases[key].first
    if not same_plane(image, mask):
        draft.refuse(mask.files[0], f"the mask is {extent_words(mask)}, its image {extent_words(image)}.")
        return False
    value = MaskValue(format=mask.format, files=mask.files, part=mask.part, mapping=dict(mapping))
    draft.cases[key].claim("mask", value)
    return True


def _check_announced(draft: Draft, found: _Folder) -> None:
    announced = found.content.get("numTraining")
    there = len(_cases(found.images.get("train", []), _suffixed(found), found.channels))
    if isinstance(announced, int) and announced != there:
        draft.warnings.append(f"dataset.json announces {announced:,} training cases, {there:,} are here.")
    entries = found.content.get("training")
    listed_names = {stem(_entry(one)) for one in entries} - {""} if isinstance(entries, list) else set()
    here = {stem(image.files[0]) for image in found.images.get("train", [])}
    here |= {_CHANNEL.sub("", name) for name in here}
    missing = sorted(listed_names - here)
    if missing:
        draft.warnings.append(
            f"{counted(len(missing), 'image')} listed in dataset.json {'is' if len(missing) == 1 else 'are'} not here: "
            f"{listed(missing, most=3)}."
        )


def _entry(one: Any) -> str:
    named = one.get("image", "") if isinstance(one, Mapping) else one
    return named if isinstance(named, str) else ""


LAYOUT = Layout(rank=10, understand=_understand)
