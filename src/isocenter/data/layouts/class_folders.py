"""A folder per class: `benign`, `malignant`, `normal`; taken only where the names cannot mean anything else."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from isocenter.core.labels import ClassDefinition, ClassValue, Kind, LabelDefinition
from isocenter.core.words import counted, listed
from isocenter.data.columns import whole_number
from isocenter.data.layouts._shared import CaseDraft, Draft, Layout, Survey, Wishes
from isocenter.data.naming import IMAGE_FOLDERS, SEQUENCES, is_mask_folder, skeleton, split_named, tokens

_GENERAL = frozenset(("loose", "masks", "channels", "patient_folders", "splits_folders"))
_MOST_CLASSES = 100
_FEWEST = 2
_FEWEST_OF_NUMBER = 3
"""A folder named by a bare number is taken for a class only if it holds so many images."""

_NUMBERED_CLASS = frozenset(
    ("grade", "class", "cls", "stage", "birads", "rads", "pirads", "level", "kl", "score", "type", "category", "label")
)
_IDENTIFIER = re.compile(r"^(\d+(\.\d+)+|\d{4}[-_.]?\d{2}[-_.]?\d{2}\D*|\d{5,}|[0-9a-f]{12,}|[0-9a-f-]{32,})$", re.I)
_NUMBERED = re.compile(
    r"^(patients?|pat|pt|subjects?|subj|sub|study|studies|series|case|ses|session|visit|scan|mr|ct|im|image|"
    r"exam|p|s|id)[-_ ]?\d+",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class _Level:
    """Folders at one depth below the root: their names with the cases in each."""

    depth: int
    members: dict[str, list[CaseDraft]]

    @property
    def names(self) -> list[str]:
        return sorted(self.members)

    def counted(self) -> str:
        by_size = sorted(self.members.items(), key=lambda item: (-len(item[1]), item[0]))
        return listed([f"{name} ({len(cases):,})" for name, cases in by_size], most=12)


def _understand(survey: Survey, wishes: Wishes, draft: Draft) -> None:
    forced = "folder" in wishes.label or wishes.layout == "class_folders"
    if (wishes.label and not forced) or (set(draft.layouts) - _GENERAL and not forced):
        return
    cases = [case for case in draft.cases.values() if case.images]
    if len(cases) < _FEWEST:
        return
    paths = _telling([_below_source(survey, case, forced) for case in cases])
    if forced:
        level = _last_folders(survey, cases, paths)
        if level.members:
            _take(draft, level, ", as asked")
        return
    if len({len(path) for path in paths}) > 1:
        if max(len(path) for path in paths) > 0:
            draft.evidence.append(
                _refused("the images lie at different depths, some of them in no folder of their own")
            )
        return
    levels = [level for depth in range(len(paths[0])) if len((level := _level(cases, paths, depth)).members) > 1]
    _choose(draft, levels)


def _below_source(survey: Survey, case: CaseDraft, forced: bool) -> tuple[str, ...]:
    """The folders above a case; of several sources given together, the name of each is no class unless asked for."""
    path = case.first.files[0]
    folders = survey.folders(case.first)
    roots = [root for root in survey.sources if path.startswith(f"{root.rstrip('/')}/")]
    if forced or len(survey.sources) < 2 or not roots:
        return folders
    return folders[len([part for part in survey.place(max(roots, key=len)).split("/") if part]) :]


def _choose(draft: Draft, levels: Sequence[_Level]) -> None:
    """Take the one level whose names can only be classes, or say why there is none."""
    reasons = [(level, _why_not(level)) for level in levels]
    fitting = [level for level, reason in reasons if reason is None]
    if len(fitting) > 1:
        names = " and of ".join(listed(level.names, most=4) for level in fitting)
        draft.evidence.append(_refused(f"there are folders of {names}, and either could be the classes"))
        return
    if not fitting:
        for level, reason in reasons[:1]:
            draft.evidence.append(_refused(f"{reason} ({listed(level.names, most=4)})"))
        return
    others = [level for level in levels if level is not fitting[0]]
    unclear = [level for level in others if not _names_patients(level)]
    if unclear:
        names = " and ".join(listed(level.names, most=4) for level in (fitting[0], unclear[0]))
        draft.evidence.append(_refused(f"the folders differ at more than one depth ({names})"))
        return
    _take(draft, fitting[0], "")
    _take_patients(draft, others)


def _refused(reason: str) -> str:
    return f"The folders' names are not taken as classes: {reason}. `--label folder` takes them."


def _telling(places: Sequence[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """The folders above each case, without those that name a split or say only that there are images.

    A name such as `all` says so only beside its like: beside `hem` it is a class, acute lymphoblastic leukaemia.
    """
    beside: dict[tuple[str, ...], set[str]] = defaultdict(set)
    for place in set(places):
        for depth, folder in enumerate(place):
            beside[place[:depth]].add(folder)
    bare = {place for place, names in beside.items() if all(_says_nothing(name) for name in names)}
    return [
        tuple(
            one
            for depth, one in enumerate(place)
            if split_named(one) is None and not (_says_nothing(one) and place[:depth] in bare)
        )
        for place in places
    ]


def _says_nothing(folder: str) -> bool:
    return folder.lower() in IMAGE_FOLDERS or split_named(folder) is not None


def _level(cases: Sequence[CaseDraft], paths: Sequence[tuple[str, ...]], depth: int) -> _Level:
    """Cases by the folder's name; spellings that differ in case alone are one folder."""
    spelled: dict[str, str] = {}
    members: dict[str, list[CaseDraft]] = defaultdict(list)
    for case, path in zip(cases, paths, strict=True):
        members[spelled.setdefault(path[depth].lower(), path[depth])].append(case)
    return _Level(depth, dict(members))


def _last_folders(survey: Survey, cases: Sequence[CaseDraft], paths: Sequence[tuple[str, ...]]) -> _Level:
    """The nearest telling folder of every case; cases without one are left out."""
    telling = ((case, path or survey.folders(case.first)) for case, path in zip(cases, paths, strict=True))
    named = [(case, path) for case, path in telling if path]
    depths = {len(path) for _, path in named}
    if len(depths) == 1:
        levels = [
            _level([case for case, _ in named], [path for _, path in named], depth) for depth in range(max(depths))
        ]
        classes = [level for level in levels if len(level.members) > 1 and _why_not(level) is None]
        if classes:
            return classes[-1]
    return _level([case for case, _ in named], [path[-1:] for _, path in named], 0)


def _why_not(level: _Level) -> str | None:
    """Why the folders of a level are no classes; None where they are."""
    rules = (
        _name_masks_or_sequences,
        _look_like_identifiers,
        _differ_in_number,
        _one_patient_each,
        _too_small,
        _other_formats,
        _one_holds_all,
    )
    return next((reason for rule in rules if (reason := rule(level)) is not None), None)


def _name_masks_or_sequences(level: _Level) -> str | None:
    masks = [name for name in level.names if is_mask_folder(name) and not _is_class(name)]
    if masks and len(masks) < len(level.names):
        return "some are named for masks"
    if sum(name.lower() in SEQUENCES for name in level.names) * 2 >= len(level.names):
        return "they are named for the sequences of an examination"
    return None


def _look_like_identifiers(level: _Level) -> str | None:
    odd = [name for name in level.names if _IDENTIFIER.match(name) or (_NUMBERED.match(name) and not _is_class(name))]
    if len(odd) * 2 >= len(level.names):
        return "they look like patients, series, dates or other identifiers"
    if len(level.names) > _MOST_CLASSES:
        return f"{len(level.names):,} folders are too many for classes"
    return None


def _differ_in_number(level: _Level) -> str | None:
    skeletons = Counter(skeleton(name) for name in level.names)
    common, count = skeletons.most_common(1)[0]
    if "#" not in common or count * 2 < len(level.names):
        return None
    sizes = [len(cases) for cases in level.members.values()]
    if all(_is_class(name) for name in level.names) or (level.names == ["0", "1"] and min(sizes) >= 5):
        return None
    return None if _are_numbered_classes(level) else "they differ only in a number"


def _are_numbered_classes(level: _Level) -> bool:
    """Plain numbers without gaps and with images each, or the same numbers in every official split."""
    cases = [case for members in level.members.values() for case in members]
    if any(whole_number(name) is None or name != str(int(name)) for name in level.names):
        return False
    if any(case.patient or case.first.series or case.group or "Z" in case.first.axes for case in cases):
        return False
    numbers = sorted(int(name) for name in level.names)
    splits = {frozenset(case.split for case in members) for members in level.members.values()}
    divided = next(iter(splits)) if len(splits) == 1 else frozenset()
    if len(divided) > 1 and None not in divided:
        return numbers[0] >= 0
    enough = min(len(members) for members in level.members.values()) >= _FEWEST_OF_NUMBER
    return enough and numbers[0] in (0, 1) and numbers == list(range(numbers[0], numbers[0] + len(numbers)))


def _is_class(name: str) -> bool:
    return any(word in _NUMBERED_CLASS for word in tokens(name))


def _one_patient_each(level: _Level) -> str | None:
    """A folder per patient or per series is no class, whatever it is called."""
    for what, of in (("patient", _patient_of), ("series", _series_of)):
        inside = [{of(case) for case in cases} for cases in level.members.values()]
        single = all(len(one) == 1 and None not in one for one in inside)
        if single and len({next(iter(one)) for one in inside}) == len(inside):
            return f"each holds one {what}"
    return None


def _patient_of(case: CaseDraft) -> str | None:
    return case.patient


def _series_of(case: CaseDraft) -> str | None:
    return case.first.series


def _too_small(level: _Level) -> str | None:
    small = sum(len(cases) < _FEWEST for cases in level.members.values())
    return "most hold a single case" if small * 2 >= len(level.members) else None


def _other_formats(level: _Level) -> str | None:
    """Folders that share no format or modality hold different kinds of data, not classes of one."""
    for what, of in (("file format", _format_of), ("modality", _modality_of)):
        inside = [{of(case) for case in cases} for cases in level.members.values()]
        everything = set().union(*inside)
        if len(everything) > 1 and sum(len(one) for one in inside) == len(everything):
            return f"each has a {what} of its own, so a model would learn the {what}"
    return None


def _one_holds_all(level: _Level) -> str | None:
    """A folder such as `all` with the very files of several others is no class beside them."""
    files = {name: {case.first.files[0].rsplit("/", 1)[-1] for case in cases} for name, cases in level.members.items()}
    for name in (name for name in files if _says_nothing(name) and len(files) > 2):
        others = Counter(file for other in files if other != name for file in files[other])
        if others.keys() == files[name] and others.total() == len(files[name]):
            return f"{name} holds files of the same names as all others together"
    return None


def _format_of(case: CaseDraft) -> str:
    return case.first.format


def _modality_of(case: CaseDraft) -> str | None:
    return case.first.modality


def _names_patients(level: _Level) -> bool:
    return _look_like_identifiers(level) is not None or _differ_in_number(level) is not None


def _take(draft: Draft, level: _Level, how: str) -> None:
    for name, cases in level.members.items():
        for case in cases:
            case.claim("class", ClassValue(value=name))
    classes = tuple(ClassDefinition(name=name, value=whole_number(name)) for name in level.names)
    draft.define(LabelDefinition(name="class", kind=Kind.CLASS, classes=classes))
    total = sum(len(cases) for cases in level.members.values())
    draft.understood(
        "class_folders",
        f"{counted(total, 'image')} lie in the folders {level.counted()}: taken as the label `class`{how}.",
    )
    if not how and all(whole_number(name) is not None for name in level.names):
        draft.evidence.append(
            "The names of these folders are bare numbers: if they number patients or series and no classes, ingest "
            "again with `--label none`."
        )
    _warn_of_endings(draft, level)


def _warn_of_endings(draft: Draft, level: _Level) -> None:
    endings = {name: _endings(cases) for name, cases in level.members.items()}
    everything = set().union(*endings.values())
    if len(everything) > 1 and sum(len(one) for one in endings.values()) == len(everything):
        kinds = listed([f"{name} {'/'.join(sorted(one))}" for name, one in sorted(endings.items())])
        draft.warnings.append(f"Each class has a file type of its own ({kinds}): a model may learn that instead.")


def _endings(cases: Iterable[CaseDraft]) -> set[str]:
    return {
        case.first.files[0][len(case.first.files[0].rpartition("/")[0]) :].lower().rpartition(".")[2] for case in cases
    }


def _take_patients(draft: Draft, levels: Sequence[_Level]) -> None:
    """Folders above or below the classes that look like patients keep their images together."""
    for level in levels[:1]:
        if not any(case.patient for cases in level.members.values() for case in cases):
            for name, cases in level.members.items():
                for case in cases:
                    case.patient = name
            draft.evidence.append(
                f"{len(level.members):,} other folders ({listed(level.names, most=3)}) look like patients and are "
                "taken as such, so that the images of one stay together."
            )


LAYOUT = Layout(rank=70, understand=_understand)
