"""BIDS, the Brain Imaging Data Structure: folders sub-XX and ses-YY, names that say what each image is."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from isocenter.core.image import ImageFacts
from isocenter.core.labels import ClassDefinition, Kind, LabelDefinition, MaskValue
from isocenter.core.words import counted, listed
from isocenter.data.layouts._shared import (
    CaseDraft,
    Draft,
    Layout,
    Survey,
    Wishes,
    extent_words,
    read_json,
    same_grid,
    same_plane,
    stem,
)
from isocenter.data.mask_values import learn

_MASKS = frozenset(("mask", "dseg", "roi", "seg", "label"))
_ENTITY = re.compile(r"^([a-zA-Z]+)-([a-zA-Z0-9+]+)$")
_CHANNEL_FOLDERS = frozenset(("anat", "perf", "pet"))


@dataclass(frozen=True)
class _Named:
    """An image with what its name says."""

    image: ImageFacts
    entities: dict[str, str]
    suffix: str
    folder: str
    derived: str

    @property
    def subject(self) -> str:
        return f"sub-{self.entities['sub']}"

    @property
    def session(self) -> str | None:
        return f"ses-{self.entities['ses']}" if "ses" in self.entities else None

    @property
    def place(self) -> tuple[str, str | None]:
        return self.subject, self.session

    @property
    def series(self) -> tuple[str, str | None, str, tuple[tuple[str, str], ...]]:
        """What the channels of one case have in common: all but the suffix."""
        rest = tuple((key, value) for key, value in self.entities.items() if key not in ("sub", "ses"))
        return self.subject, self.session, self.folder, rest

    @property
    def is_mask(self) -> bool:
        return self.suffix in _MASKS


def _understand(survey: Survey, _wishes: Wishes, draft: Draft) -> None:
    named = [one for image in draft.free(survey) if (one := _parse(survey, image)) is not None]
    marked = _is_marked(survey, draft)
    if not named or (not marked and len(named) < len(survey.images)):
        return
    raw = [one for one in named if not one.derived and not one.is_mask]
    if not raw:
        return
    joined = _join(raw)
    cases: dict[tuple[str, str | None], list[CaseDraft]] = defaultdict(list)
    for members in joined:
        case = draft.add(_key(members), {one.suffix: one.image for one in members})
        case.patient, case.visit = members[0].subject, members[0].session
        cases[members[0].place].append(case)
    draft.understood("bids", *_evidence(raw, joined, marked))
    _take_masks(draft, [one for one in named if one.is_mask], cases)
    for one in named:
        if one.derived and not one.is_mask:
            draft.refuse(one.image.files[0], "computed from another image of this data set (derivatives).")
            draft.taken.add(one.image.key)
    _explain(survey, draft)


def _parse(survey: Survey, image: ImageFacts) -> _Named | None:
    folders = survey.folders(image)
    parts = stem(image.files[0]).split("_")
    entities = {found[1]: found[2] for part in parts[:-1] if (found := _ENTITY.match(part))}
    if len(entities) != len(parts) - 1 or "sub" not in entities or f"sub-{entities['sub']}" not in folders:
        return None
    derived = folders[folders.index("derivatives") + 1] if "derivatives" in folders[:-1] else ""
    folder = folders[-1] if not _ENTITY.match(folders[-1]) else ""
    return _Named(image, entities, parts[-1], folder, derived)


def _is_marked(survey: Survey, draft: Draft) -> bool:
    for path in survey.document("dataset_description.json"):
        content = read_json(draft, path)
        if isinstance(content, dict) and "BIDSVersion" in content:
            return True
    return False


def _join(raw: Sequence[_Named]) -> list[list[_Named]]:
    """Images of one visit that differ in their suffix alone are channels of one case, if all such lie on one grid."""
    series: dict[object, list[_Named]] = defaultdict(list)
    for one in raw:
        key: object = one.series if one.folder in _CHANNEL_FOLDERS else one.image.key
        series[key].append(one)
    several = [members for members in series.values() if len(members) > 1]
    if all(_registered(members) for members in several):
        return [sorted(members, key=lambda one: one.suffix) for members in series.values()]
    return [[one] for one in raw]


def _registered(members: Sequence[_Named]) -> bool:
    distinct = len({one.suffix for one in members}) == len(members)
    return distinct and all(same_grid(members[0].image, one.image) for one in members[1:])


def _key(members: Sequence[_Named]) -> str:
    one = members[0]
    name = "_".join(f"{key}-{value}" for key, value in one.entities.items())
    return f"{name}_{one.suffix}" if len(members) == 1 else name


def _evidence(raw: Sequence[_Named], joined: Sequence[Sequence[_Named]], marked: bool) -> Iterable[str]:
    suffixes = Counter(one.suffix for one in raw)
    kinds = listed([f"{name} ({count:,})" for name, count in suffixes.most_common()])
    people = counted(len({one.subject for one in raw}), "subject")
    source = "dataset_description.json and names" if marked else "Names"
    yield f"{source} such as {PurePosixPath(raw[0].image.files[0]).name}: BIDS; {people}, {kinds}."
    several = Counter(" + ".join(one.suffix for one in members) for members in joined if len(members) > 1)
    if several:
        yield f"Images of one visit on one grid are channels of one case: {listed(list(several))}."
    elif len(joined) == len(raw) and len(suffixes) > 1:
        yield "Images of one visit lie on different grids or have different purposes: each is a case of its own."


def _take_masks(draft: Draft, masks: Sequence[_Named], cases: dict[tuple[str, str | None], list[CaseDraft]]) -> None:
    by_label: dict[str, list[_Named]] = defaultdict(list)
    for one in masks:
        by_label[one.entities.get("label") or one.entities.get("desc") or "mask"].append(one)
    for label, members in by_label.items():
        values = learn([one.image for one in members])
        mapping = values.mapping(label if label != "mask" else "foreground")
        placed = 0
        for one in members:
            draft.taken.add(one.image.key)
            fitting = _cases_of(one, cases)
            if not fitting:
                draft.refuse(one.image.files[0], _why_not(one, cases))
                continue
            value = MaskValue(
                format=one.image.format,
                files=one.image.files,
                part=one.image.part,
                mapping=mapping,
                noisy=values.loose,
            )
            for case in fitting:
                said = [claim for claim in case.claims if claim.name == label]
                reader = _reader(one, len(said))
                case.claim(label, value, reader)
            placed += 1
        if placed:
            classes = tuple(ClassDefinition(name=name, value=number) for number, name in mapping.items())
            draft.define(LabelDefinition(name=label, kind=Kind.MASK, classes=classes))
            draft.evidence.append(f"{counted(placed, 'mask')} `{label}`: {values.sentence(mapping)}.")


def _cases_of(mask: _Named, cases: dict[tuple[str, str | None], list[CaseDraft]]) -> list[CaseDraft]:
    """The cases of the same visit on the mask's grid; those whose names agree best."""
    fitting = [case for case in cases.get(mask.place, []) if same_plane(case.first, mask.image)]
    exact = [case for case in fitting if same_grid(case.first, mask.image)] or fitting
    named = [case for case in exact if any(channel in stem(mask.image.files[0]) for channel in case.images)]
    return named or exact


def _why_not(mask: _Named, cases: dict[tuple[str, str | None], list[CaseDraft]]) -> str:
    there = cases.get(mask.place, [])
    if not there:
        return "a mask whose image is not here."
    sizes = listed(sorted({extent_words(case.first) for case in there}))
    return f"the mask is {extent_words(mask.image)}, the images of this visit {sizes}."


def _reader(mask: _Named, said: int) -> str:
    if not said:
        return "reference"
    return mask.entities.get("desc") or mask.derived or f"reader {said + 1}"


def _explain(survey: Survey, draft: Draft) -> None:
    """Side-cars, events and descriptions are known; participants.tsv is left for the tables."""
    draft.explained.update(path for path in survey.documents if path.lower().endswith(".json"))
    for table in survey.tables:
        place = PurePosixPath(survey.place(table.path))
        if place.name.lower() != "participants.tsv" and "phenotype" not in place.parts:
            draft.explained.add(table.path)


LAYOUT = Layout(rank=10, understand=_understand)
