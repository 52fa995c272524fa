"""What a plan must know of a cohort: its label, its cases by split, and what their images are like.

Most of it stands in the catalogue. Pixels are decoded of some training cases alone; of the test split nothing is taken
but the number of its cases.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from itertools import chain, zip_longest
from math import prod
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from isocenter.core.case import Case
from isocenter.core.cohort import Cohort
from isocenter.core.errors import OpenQuestion, Unreadable, UsageError
from isocenter.core.fingerprint import ChannelFacts, Fingerprint, Spread
from isocenter.core.image import Image, ImageFacts, Intensity
from isocenter.core.labels import ClassesValue, ClassValue, Kind, LabelDefinition, NumberValue, Value
from isocenter.core.machine import machine
from isocenter.core.progress import Progress, Silent, tracked
from isocenter.core.registry import unknown
from isocenter.core.words import counted, listed
from isocenter.data.catalogue.pixels import Pixels
from isocenter.data.naming import tokens
from isocenter.pathway.prepare._shared import background, finite, sample

LEARNED = (Kind.CLASS, Kind.CLASSES, Kind.NUMBER)
"""The forms of label of which there is one answer for a whole case."""

MOST_SAMPLED, FEWEST_SAMPLED = 256, 24
MOST_VOXELS = 2 * 10**9
"""Training cases that are decoded: fewer where they are large, so that a plan is made in minutes at most."""

VALUES_OF_EACH = 4096
"""Pixels of each decoded channel that go into the percentiles: every case counts alike, whatever its size."""

COLOURED = 0.01
"""Share of the range of values by which the colours of a pixel must differ, on average, for an image in colour."""

FEWEST_COLOURED = 0.05
"""Share of the images that must be in colour for the cohort to be."""

Common = TypeVar("Common")

_DESIGNING = ("train", "val")
_COLOURS = ("red", "green", "blue")
_PICTURE = ("picture",)
_SIDES = frozenset(
    (
        *("left", "right", "leftward", "rightward", "sinister", "sinistra", "dexter", "dextra"),
        *("situs", "dextrocardia", "levocardia", "dextroscoliosis", "levoscoliosis"),
        *("lul", "lll", "rul", "rml", "rll"),  # lobes of the lungs
        *("lcc", "rcc", "lmlo", "rmlo"),  # views of a mammography
    )
)
_SHORT_SIDES = ({"l", "r"}, {"lt", "rt"}, {"os", "od"})
"""Short words for both sides mean sides only where both are there."""


@dataclass(slots=True)
class _Sorted:
    """Labelled and usable cases by split, and how many of the others there are."""

    usable: dict[str, list[Case]] = field(default_factory=lambda: defaultdict(list))
    unlabelled: int = 0
    unusable: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """One channel as a model sees it: which channel of which image of a case."""

    name: str
    image: str
    place: int


@dataclass(slots=True)
class _Seen:
    """Values of one part over the decoded cases."""

    values: list[NDArray[np.float32]] = field(default_factory=list)
    shown: list[float] = field(default_factory=list)
    colourful: list[bool] = field(default_factory=list)


def fingerprint(cohort: Cohort, *, label: str | None = None, progress: Progress | None = None) -> Fingerprint:
    """The training and validation cases of a cohort in figures.

    Args:
        cohort: any cohort.
        label: what is to be learned; the only label that holds classes or numbers, where it is not given.
        progress: told of each case that is decoded.
    """
    cases = list(cohort.cases)
    asked = _question(cohort, cases, label)
    found = _sorted(cases, asked)
    training, designing = found.usable["train"], [case for split in _DESIGNING for case in found.usable[split]]
    if not training:
        raise _nothing_to_learn_from(cohort, asked, found)
    images = [image for case in designing for image in case.images.values()]
    dimensions = _dimensions(designing)
    spacings = [image.spacing for image in images if image.spacing is not None]
    answers = [case.label(asked.name) for case in training]
    classes = _classes(asked, answers)
    counts = Counter(name for answer in answers for name in _named(answer))
    return Fingerprint(
        label=asked.name,
        kind=str(asked.kind),
        classes=classes,
        counts={name: counts[name] for name in classes},
        cases={split: len(held) for split, held in found.usable.items() if held},
        patients={split: len({case.patient for case in held}) for split, held in found.usable.items() if held},
        unlabelled=found.unlabelled,
        unusable=dict(found.unusable.most_common()),
        dimensions=dimensions,
        sizes={axis: _spread(image.extent(axis.upper()) for image in images) for axis in "xyz"[:dimensions]},
        spacing={axis: _spread(one[place] for one in spacings) for place, axis in enumerate("xyz"[:dimensions])}
        if spacings
        else {},
        spacing_known=len(spacings) / len(images),
        channels=_channels(cohort, asked, training, progress or Silent()),
        modalities=tuple(sorted({image.modality for image in images if image.modality})),
        sided=_is_sided((asked.name, *classes)),
        numbers=_spread(one.value for one in answers if isinstance(one, NumberValue))
        if asked.kind == Kind.NUMBER
        else None,
        machine=machine(),
    )


def _question(cohort: Cohort, cases: Sequence[Case], wanted: str | None) -> LabelDefinition:
    """The label to learn: the one that is asked for, or the only one that can be learned."""
    if wanted is not None and wanted not in cohort.schema:
        raise unknown("label", wanted, cohort.schema.names)
    given = {label.name for case in cases for label in case.labels}
    known = [one for one in cohort.schema.labels if one.name in (given if wanted is None else {wanted})]
    fitting = [one for one in known if one.kind in LEARNED]
    if not fitting:
        held = listed([f"{one.name} ({one.kind})" for one in known])
        raise UsageError(
            f"{wanted or cohort.name} holds nothing that this task can learn",
            why=f"it needs classes or a number for each case, and there is {held or 'no label at all'}",
            remedy="Ingest the folder again with a table of classes or numbers beside the images, named with `--table`",
        )
    if len(fitting) > 1:
        raise OpenQuestion(
            f"{counted(len(fitting), 'label')} of {cohort.name} could be learned",
            why=listed([f"{one.name} ({one.kind})" for one in fitting]),
            remedy=f"Say which with {' or '.join(f'`--label {one.name}`' for one in fitting)}",
        )
    return fitting[0]


def _sorted(cases: Sequence[Case], asked: LabelDefinition) -> _Sorted:
    """Cases that can be used by split; the rules follow what most of the training and validation cases are like."""
    found = _Sorted()
    labelled: list[Case] = []
    for case in cases:
        answer = case.label(asked.name)
        if answer is None:
            found.unlabelled += 1
        elif not isinstance(answer, ClassValue | ClassesValue | NumberValue):
            found.unusable["the reader could not tell"] += 1
        else:
            labelled.append(case)
    able: list[Case] = []
    for case in labelled:
        problem = _problem(case)
        if problem:
            found.unusable[problem] += 1
        else:
            able.append(case)
    ruling = [case for case in able if case.split in _DESIGNING]
    dimensions, kinds = _dimensions(ruling), _kinds(ruling)
    for case in able:
        oddity = _oddity(case, dimensions, kinds)
        if oddity:
            found.unusable[oddity] += 1
        else:
            found.usable[case.split or "none"].append(case)
    order = {split: place for place, split in enumerate(("train", "val", "test"))}
    found.usable = defaultdict(list, sorted(found.usable.items(), key=lambda item: order.get(item[0], len(order))))
    return found


def _problem(case: Case) -> str:
    """Why a case cannot be used, as far as its headers tell; empty where it can."""
    if not case.images:
        return "it has no image"
    if any("T" in image.axes for image in case.images.values()):
        return "it has several frames or moments"
    return next((image.problem for image in case.images.values() if image.problem), "")


def _oddity(case: Case, dimensions: int, kinds: Mapping[str, tuple[str, ...]]) -> str:
    """How a case differs from most; empty where it does not."""
    for name, image in case.images.items():
        if _dimension(image) != dimensions:
            return "it is a single image among volumes" if dimensions == 3 else "it is a volume among single images"
        if name in kinds and _kind(image) != kinds[name]:
            return f"its channels are {listed(image.channels)}, unlike those of most cases"
    return ""


def _nothing_to_learn_from(cohort: Cohort, asked: LabelDefinition, found: _Sorted) -> UsageError:
    reasons = [f"{count} x {reason}" for reason, count in found.unusable.most_common(3)]
    reasons += [f"{len(held)} in the split `{split}`" for split, held in found.usable.items() if held]
    reasons += [f"{found.unlabelled} without the label"] if found.unlabelled else []
    return UsageError(
        f"{cohort.name} has no training case with the label `{asked.name}` that can be used",
        why=", ".join(reasons) or "it has no case",
        remedy="Ingest more labelled images; `isocenter show` tells what is there",
    )


def _dimension(image: ImageFacts) -> int:
    return 3 if "Z" in image.axes else 2


def _dimensions(cases: Sequence[Case]) -> int:
    """2 or 3, whichever most cases have."""
    found = Counter(_dimension(case.first) for case in cases)
    return 3 if found[3] > found[2] else 2


def _kind(image: ImageFacts) -> tuple[str, ...]:
    """What must be alike for images to be of one kind: the names of the channels, save that a picture is a picture.

    Grey and coloured pictures, with or without transparency, are brought to one form by the preparation.
    """
    grey = tuple(one for one in image.channels if one != "alpha")
    return _PICTURE if len(grey) == 1 or image.intensity == Intensity.RGB else image.channels


def _kinds(cases: Sequence[Case]) -> dict[str, tuple[str, ...]]:
    """The usual kind of image by its name in the case."""
    found: dict[str, list[tuple[str, ...]]] = defaultdict(list)
    for case in cases:
        for name, image in case.images.items():
            found[name].append(_kind(image))
    return {name: _most(kinds, default=_PICTURE) for name, kinds in found.items()}


def _most(values: Sequence[Common], *, default: Common) -> Common:
    return Counter(values).most_common(1)[0][0] if values else default


def _spread(values: Iterable[float]) -> Spread:
    low, middle, high = np.percentile(list(values), (0, 50, 100))
    return Spread(low=float(low), middle=float(middle), high=float(high))


def _named(answer: Value | None) -> tuple[str, ...]:
    """The classes that an answer names."""
    if isinstance(answer, ClassValue):
        return (answer.value,)
    return answer.values if isinstance(answer, ClassesValue) else ()


def _classes(asked: LabelDefinition, answers: Iterable[Value | None]) -> tuple[str, ...]:
    """The classes in the order of the schema; those that training cases name beyond it follow."""
    known = [one.name for one in asked.classes]
    return (*known, *sorted({name for answer in answers for name in _named(answer)} - set(known)))


def _is_sided(names: Iterable[str]) -> bool:
    """Whether some name means one side of the body."""
    names = list(names)
    words = {word for name in names for word in tokens(name)}
    chinese = any(sign in name for name in names for sign in "左右")
    return chinese or not _SIDES.isdisjoint(words) or any(pair <= words for pair in _SHORT_SIDES)


def _channels(
    cohort: Cohort, asked: LabelDefinition, training: Sequence[Case], progress: Progress
) -> tuple[ChannelFacts, ...]:
    """Every channel that some training case has, with what its values are like in the decoded ones."""
    by_name: dict[str, list[ImageFacts]] = defaultdict(list)
    for case in training:
        for name, image in case.images.items():
            by_name[name].append(image)
    parts = [part for name, images in by_name.items() for part in _parts(name, images, alone=len(by_name) == 1)]
    seen = _looked_at(cohort, _sampled(training, asked), parts, progress)
    return tuple(_described(part, by_name[part.image], seen[part]) for part in parts)


def _parts(name: str, images: Sequence[ImageFacts], *, alone: bool) -> list[_Part]:
    """The channels behind one name of a case, called as the preparation calls them."""
    if any(image.intensity == Intensity.RGB for image in images):
        inner: tuple[str, ...] = _COLOURS
    else:
        inner = max((image.channels for image in images), key=len)
    if len(inner) == 1:
        return [_Part(name=inner[0] if alone else name, image=name, place=0)]
    return [_Part(name=one if alone else f"{name}.{one}", image=name, place=place) for place, one in enumerate(inner)]


def _sampled(training: Sequence[Case], asked: LabelDefinition) -> list[Case]:
    """Training cases to look at, drawn evenly from all answers and from as many patients as possible."""
    voxels = np.median([sum(prod(image.shape) for image in case.images.values()) for case in training])
    most = int(np.clip(MOST_VOXELS / voxels, FEWEST_SAMPLED, MOST_SAMPLED))
    strata: dict[Hashable, list[Case]] = defaultdict(list)
    answer = _stratum(training, asked)
    for place in np.random.default_rng(0).permutation(len(training)):
        strata[answer(training[place])].append(training[place])
    for held in strata.values():
        seen: Counter[str] = Counter()
        turns = []
        for case in held:
            turns.append(seen[case.patient])
            seen[case.patient] += 1
        held[:] = [held[place] for place in np.argsort(turns, kind="stable")]
    in_turn = chain.from_iterable(zip_longest(*(strata[one] for one in sorted(strata, key=str))))
    chosen = [case for case in in_turn if case is not None][:most]
    return sorted(chosen, key=lambda case: case.key)  # as they lie in the files


def _stratum(training: Sequence[Case], asked: LabelDefinition) -> Callable[[Case], Hashable]:
    """What a case answers; numbers by the tenth in which they lie."""
    if asked.kind != Kind.NUMBER:
        return lambda case: _named(case.label(asked.name))
    numbers = {case.key: one.value for case in training if isinstance(one := case.label(asked.name), NumberValue)}
    edges = np.percentile(list(numbers.values()), range(10, 100, 10))
    return lambda case: int(np.searchsorted(edges, numbers[case.key]))


def _looked_at(cohort: Cohort, cases: Sequence[Case], parts: Sequence[_Part], progress: Progress) -> dict[_Part, _Seen]:
    """The values of each part over some cases; those that cannot be read are told when the arrays are made."""
    seen = {part: _Seen() for part in parts}
    trouble: Unreadable | None = None
    with closing(Pixels(cohort)) as pixels:
        for case in tracked(cases, progress, "Looking at training cases", len(cases)):
            for name, facts in case.images.items():
                try:
                    image = pixels.image(facts, keep=False)
                except Unreadable as error:
                    trouble = error
                    continue
                _look(image, [(part, seen[part]) for part in parts if part.image == name])
    if trouble is not None and not any(one.values for one in seen.values()):
        raise trouble
    return seen


def _look(image: Image, parts: Sequence[tuple[_Part, _Seen]]) -> None:
    array = finite(image.array)
    coloured = image.intensity == Intensity.RGB
    colourful = coloured and _is_colourful(array[:3])
    for part, seen in parts:
        place = part.place if coloured or part.name.rpartition(".")[2] not in _COLOURS else 0
        if place < len(array):
            _take(array[place], seen)
            seen.colourful.append(colourful)


def _take(channel: NDArray[Any], seen: _Seen) -> None:
    values = sample(channel, VALUES_OF_EACH)
    if not values.size:
        return
    seen.values.append(values)
    ground = background(channel)
    seen.shown.append(1.0 if ground is None else float(np.mean((values < ground[0]) | (values > ground[1]))))


def _is_colourful(colours: NDArray[Any]) -> bool:
    """Whether the colours of a picture differ by more than a grey one stored as JPEG shows, and more than in a mark."""
    red, green, blue = (sample(one) for one in colours)
    highest, lowest = np.maximum(np.maximum(red, green), blue), np.minimum(np.minimum(red, green), blue)
    span = float(highest.max() - lowest.min())
    return span > 0 and float((highest - lowest).mean()) > COLOURED * span


def _described(part: _Part, images: Sequence[ImageFacts], seen: _Seen) -> ChannelFacts:
    values = np.concatenate(seen.values) if seen.values else np.array([0.0, 1.0], np.float32)
    low, middle, high = (float(one) for one in np.percentile(values, (0.5, 50, 99.5)))
    coloured = bool(seen.colourful) and float(np.mean(seen.colourful)) >= FEWEST_COLOURED
    return ChannelFacts(
        name=part.name,
        intensity=_most([str(image.intensity) for image in images], default="raw"),
        dtypes=tuple(sorted({image.dtype for image in images})),
        present=len(images),
        colours=3 if coloured else 1,
        values=(low, middle, high, float(np.mean(seen.shown)) if seen.shown else 1.0),
        mean=float(values.mean(dtype=np.float64)),
        deviation=float(values.std(dtype=np.float64)),
    )
