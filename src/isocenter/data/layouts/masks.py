"""Masks of images: in a folder beside them, by the ending of their names, or by reference (DICOM SEG, RTSTRUCT)."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Sequence, Set
from dataclasses import dataclass, field

from isocenter.core.image import ImageFacts
from isocenter.core.labels import ClassDefinition, Kind, LabelDefinition, MaskValue
from isocenter.core.words import counted, listed
from isocenter.data.layouts._shared import (
    CaseDraft,
    Draft,
    Layout,
    Survey,
    Wishes,
    case_key,
    extent_words,
    same_plane,
    stem,
)
from isocenter.data.mask_pairs import Item, Source, by_ending, by_folder
from isocenter.data.mask_values import Values, is_background, learn, look_like_masks
from isocenter.data.naming import IMAGE_FOLDERS, MASK_WORDS, names_person, reader_in, splits_in, tokens


@dataclass
class _Set:
    """The masks of one label by one reader from one source."""

    label: str
    reader: str
    source: Source
    masks: dict[str, list[Item]] = field(default_factory=dict)
    """Masks by the key of their image: several are regions of one."""
    images: dict[str, Item] = field(default_factory=dict)


def _understand(survey: Survey, _wishes: Wishes, draft: Draft) -> None:
    cases = {image.key: case for case in draft.cases.values() for image in case.images.values()}
    _take_references(survey, draft, cases)
    free = [_item(survey, image) for image in draft.free(survey) if not image.part]
    taken = [_item(survey, case.first) for case in draft.cases.values() if case.images and not case.first.part]
    sets = _sets(_accepted(by_folder([*free, *taken], free)))
    used = {mask.key for one in sets for masks in one.masks.values() for mask in masks}
    strays = {item.key: item for one in sets for item in one.source.strays if item.key not in used}
    left = [item for item in free if item.key not in used and item.key not in strays]
    endings = _accepted(by_ending([*left, *taken], left))
    sets += _sets(endings)
    strays |= {item.key: item for source in endings for item in source.strays}
    _name_apart(sets)
    for one in sorted(sets, key=lambda one: (one.label, one.reader != "reference", one.reader)):
        _claim(survey, draft, cases, one)
    for item in strays.values():
        draft.refuse(item.image.files[0], "a mask whose image is not here.")
        draft.taken.add(item.key)


def _item(survey: Survey, image: ImageFacts) -> Item:
    return Item(image, survey.folders(image), stem(image.files[0]))


def _accepted(sources: Sequence[Source]) -> list[Source]:
    """Sources whose pixels look like masks; a mask is nobody's image, and a file is a mask of one source."""
    accepted: list[Source] = []
    masks: set[str] = set()
    images: set[str] = set()
    for source in sources:
        source.pairs = [
            (image, mask, apart)
            for image, mask, apart in source.pairs
            if mask.key not in masks and image.key not in masks and mask.key not in images
        ]
        if not source.pairs or not _looks_right(source):
            continue
        masks.update(mask.key for _, mask, _ in source.pairs)
        images.update(image.key for image, _, _ in source.pairs)
        accepted.append(source)
    return accepted


def _looks_right(source: Source) -> bool:
    if all(mask.role == "mask" for mask in source.masks):
        return True
    if not look_like_masks(source.masks):
        return False
    return source.named or not look_like_masks(source.images)


def _sets(sources: Sequence[Source]) -> list[_Set]:
    """One set per label and reader; folders above the masks may name either."""
    found: dict[tuple[str, str, str], _Set] = {}
    for source in sources:
        people = {part for _, _, apart in source.pairs for part in apart[:1]}
        drawn_by = people if len(people) > 1 and all(names_person(part) for part in people) else set()
        for image, mask, apart in source.pairs:
            label, reader = _label_and_reader(source, apart, drawn_by)
            one = found.setdefault((source.kind + source.name, label, reader), _Set(label, reader, source))
            one.masks.setdefault(image.key, []).append(mask)
            one.images[image.key] = image
    return list(found.values())


def _label_and_reader(source: Source, apart: tuple[str, ...], people: Set[str]) -> tuple[str, str]:
    """What the folders above masks say; those in `people` are named for the readers alone."""
    readers: list[str] = []
    names: list[str] = []
    for part in (source.name, *apart):
        rest, reader = ("", part) if part in people else reader_in(part)
        readers += [reader] if reader else []
        words = tokens(rest)
        said = [word for word in words if word not in MASK_WORDS and not splits_in(word) and word not in IMAGE_FOLDERS]
        if said:
            names.append(rest if len(said) == len(words) else "_".join(said))
    return "_".join(names) or "mask", "_".join(readers) or "reference"


def _name_apart(sets: Sequence[_Set]) -> None:
    """Two folders that say no more than `mask` of the same images keep their own names."""
    plain: dict[tuple[str, str], list[_Set]] = defaultdict(list)
    for one in sets:
        plain[one.label, one.reader].append(one)
    for alike in plain.values():
        counts = Counter(key for one in alike for key in one.masks)
        if any(number > 1 for number in counts.values()):
            for one in alike[1:]:
                one.label = one.source.name if one.source.name.lower() != one.label.lower() else f"{one.label}_2"


def _claim(survey: Survey, draft: Draft, cases: dict[str, CaseDraft], one: _Set) -> None:
    """Read what the values are, and say of each image where its mask is."""
    facts = [mask.image for masks in one.masks.values() for mask in masks]
    values = learn(facts)
    known = {value: name for mask in reversed(facts) for value, name in mask.classes.items()}
    mapping = values.mapping(one.label if one.label != "mask" else "foreground", known)
    placed = 0
    for key, masks in one.masks.items():
        fitting = [mask for mask in masks if _fits(draft, one.images[key], mask)]
        draft.taken.update(mask.key for mask in masks)
        if not fitting:
            continue
        case = cases.get(key) or draft.add(case_key(survey, one.images[key].image), {"image": one.images[key].image})
        cases[key] = case
        for part in _by_file_kind(fitting):
            case.claim(one.label, _value(part, mapping, values), one.reader)
        placed += 1
    if placed:
        _define(draft, one.label, mapping)
        draft.understood("masks", _sentence(one, placed, values, mapping))


def _fits(draft: Draft, image: Item, mask: Item) -> bool:
    if same_plane(image.image, mask.image):
        return True
    sizes = f"the mask is {extent_words(mask.image)}, its image {extent_words(image.image)}"
    draft.refuse(mask.image.files[0], f"{sizes}: it cannot lie on it.")
    return False


def _by_file_kind(masks: Sequence[Item]) -> list[list[Item]]:
    kinds: dict[str, list[Item]] = defaultdict(list)
    for mask in sorted(masks, key=lambda item: item.image.files[0]):
        kinds[mask.image.format].append(mask)
    return list(kinds.values())


def _value(masks: Sequence[Item], mapping: dict[int, str], values: Values) -> MaskValue:
    files = tuple(path for mask in masks for path in mask.image.files)
    noisy = values.loose or any(path.lower().endswith((".jpg", ".jpeg")) for path in files)
    return MaskValue(format=masks[0].image.format, files=files, mapping=mapping, noisy=noisy)


def _define(draft: Draft, label: str, mapping: dict[int, str]) -> None:
    classes = tuple(ClassDefinition(name=name, value=value) for value, name in mapping.items())
    draft.define(LabelDefinition(name=label, kind=Kind.MASK, classes=classes))


def _sentence(one: _Set, placed: int, values: Values, mapping: dict[int, str]) -> str:
    where = f"in folder {one.source.name}" if one.source.kind == "folder" else f"by the ending {one.source.name}"
    reader = "" if one.reader == "reference" else f", reader {one.reader}"
    several = " (several of one image are its regions)" if any(len(masks) > 1 for masks in one.masks.values()) else ""
    have = "has a mask" if placed == 1 else "have a mask"
    return (
        f"{counted(placed, 'image')} {have} {where}{several}: the label `{one.label}`{reader}; "
        f"{values.sentence(mapping)}."
    )


def _take_references(survey: Survey, draft: Draft, cases: dict[str, CaseDraft]) -> None:
    """DICOM segmentations and structure sets name the series or slices that they were drawn on."""
    masks = [image for image in draft.free(survey) if image.role == "mask" and image.refers_to]
    if not masks:
        return
    index = _by_identifier(survey)
    labels = _reference_labels(masks)
    counts: Counter[str] = Counter()
    for mask in masks:
        image = next((index[uid] for uid in mask.refers_to if uid in index), None)
        if image is None:
            continue
        case = cases.get(image.key) or draft.add(case_key(survey, image), {"image": image})
        cases[image.key] = case
        label, mapping = labels[_shown(mask)], _mapping(mask)
        said = sum(claim.name == label for claim in case.claims)
        value = MaskValue(format=mask.format, files=mask.files, part=mask.part, mapping=mapping)
        case.claim(label, value, "reference" if not said else f"reader {said + 1}")
        draft.taken.add(mask.key)
        _define(draft, label, mapping)
        counts[label] += 1
    for label, count in counts.items():
        classes = listed([one.name for one in draft.labels[label].classes])
        draft.understood(
            "masks",
            f"{counted(count, 'DICOM segmentation')} refer{'s' if count == 1 else ''} to the images here: the label "
            f"`{label}` ({classes or 'no named segments'}).",
        )


def _by_identifier(survey: Survey) -> dict[str, ImageFacts]:
    """Images by their series and by each of their slices."""
    index: dict[str, ImageFacts] = {}
    for image in survey.images:
        if image.role != "mask":
            for uid in filter(None, (image.series, *image.instances)):
                index.setdefault(uid, image)
    return index


def _mapping(mask: ImageFacts) -> dict[int, str]:
    return {value: name for value, name in sorted(mask.classes.items()) if not is_background(value, name)}


def _shown(mask: ImageFacts) -> tuple[str, ...]:
    return tuple(_mapping(mask).values())


def _reference_labels(masks: Sequence[ImageFacts]) -> dict[tuple[str, ...], str]:
    """A label for each set of segments: `mask` for the commonest, the segments' names for others if they are few."""
    labels: dict[tuple[str, ...], str] = {}
    for number, (shown, _) in enumerate(Counter(_shown(mask) for mask in masks).most_common(), 1):
        name = "_".join(re.findall(r"\w+", "_".join(shown))).lower() if 0 < len(shown) <= 3 else ""
        name = name if 0 < len(name) <= 40 and name not in labels.values() else f"mask_{number}"
        labels[shown] = "mask" if number == 1 else name
    return labels


LAYOUT = Layout(rank=30, understand=_understand)
