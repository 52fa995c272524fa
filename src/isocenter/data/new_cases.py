"""New cases for a model that is at work: files and folders as they come, without a catalogue and without labels."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from isocenter.core.cohort import Refusal
from isocenter.core.errors import UsageError
from isocenter.core.image import Image, ImageFacts, default_channels
from isocenter.core.progress import Progress, Silent
from isocenter.core.words import listed
from isocenter.data.files import describe, read_facts
from isocenter.data.formats._shared import ReadOptions

_COLOURS = {"red", "green", "blue"}
_ENDINGS = (".nii.gz", ".seg.nrrd")
_BETWEEN = "_-. "


@dataclass(frozen=True, slots=True, kw_only=True)
class NewCase:
    """One case that nobody has catalogued.

    Attributes:
        key: a readable name: its place below the folder that was given, or its file's name.
        source: the path of its first file.
        images: channel name to what is known of the image.
    """

    key: str
    source: str
    images: Mapping[str, ImageFacts]


@dataclass(slots=True)
class NewCases:
    """What was found, and what was not taken and why."""

    cases: list[NewCase] = field(default_factory=list)
    refused: list[Refusal] = field(default_factory=list)


def find_cases(sources: Iterable[Path], wanted: Sequence[str], progress: Progress | None = None) -> NewCases:
    """The cases in files and folders.

    An image is a case. Where a model wants several channels and an image has one, images of one examination or folder
    whose name or description ends in a channel's name (`p7_T1.nii.gz`, `p7_FLAIR.nii.gz`) make a case together.

    Args:
        sources: image files, folders of them, folders of DICOM slices.
        wanted: the channels of the model.
        progress: is told of every file whose header was read.
    """
    places = list(dict.fromkeys(source.absolute() for source in sources))
    for place in places:
        if not place.exists():
            raise UsageError(f"{place} does not exist", remedy="Check the spelling of the path")
    found = NewCases()
    files = {file: place for place in places for file in _below(place)}
    told = progress or Silent()
    told.start("Reading headers", len(files))
    described = describe(files, told)
    found.refused += described.refused
    found.refused += [Refusal(path=table.path, reason="a table, not an image.") for table in described.tables]
    images = []
    for facts in described.images:
        if facts.role == "mask":
            found.refused.append(Refusal(path=facts.files[0], reason="a mask, not an image."))
        else:
            images.append(facts)
    folders = {file.as_posix(): place for file, place in files.items()}
    apart = [facts for facts in images if _stands_alone(facts, wanted)]
    _take(found, [(_name(facts, folders), {"image": facts}) for facts in apart])
    _take(found, _joined([facts for facts in images if not _stands_alone(facts, wanted)], wanted, folders, found))
    found.cases.sort(key=lambda case: case.key)
    return found


def read_case(case: NewCase, wanted: Sequence[str]) -> dict[str, Image]:
    """The pixels of a case; channels that the file does not name are those of the model, in their order."""
    images = {name: read_facts(facts, ReadOptions()) for name, facts in case.images.items()}
    for name, image in images.items():
        count = len(image.channels)
        if count == len(wanted) > 1 and image.channels == default_channels("raw", count):
            images[name] = replace(image, channels=tuple(wanted))
    return images


def _below(place: Path) -> list[Path]:
    return sorted(file for file in place.rglob("*") if file.is_file()) if place.is_dir() else [place]


def _stands_alone(facts: ImageFacts, wanted: Sequence[str]) -> bool:
    return len(wanted) == 1 or len(facts.channels) > 1 or set(wanted) <= _COLOURS


def _name(facts: ImageFacts, folders: Mapping[str, Path]) -> str:
    """Where an image lies below the folder that was given; the folder of its slices where it has several."""
    first = Path(facts.files[0])
    given = folders.get(first.as_posix(), first)
    place = first.parent if len(facts.files) > 1 else first
    base = given if given.is_dir() else given.parent
    name = place.relative_to(base).as_posix() if place.is_relative_to(base) else place.name
    name = base.name if name == "." else name
    return f"{name}#{facts.part}" if facts.part else name


def _take(found: NewCases, named: Iterable[tuple[str, Mapping[str, ImageFacts]]]) -> None:
    """Write cases down, each under a name of its own."""
    used = {case.key for case in found.cases}
    for name, images in named:
        key, number = name, 2
        while key in used:
            key, number = f"{name} ({number})", number + 1
        used.add(key)
        source = next(iter(images.values())).files[0]
        found.cases.append(NewCase(key=key, source=source, images=images))


def _joined(
    images: Iterable[ImageFacts], wanted: Sequence[str], folders: Mapping[str, Path], found: NewCases
) -> list[tuple[str, dict[str, ImageFacts]]]:
    """Images laid together by examination or folder; what is no channel, or one twice, is refused."""
    groups: dict[tuple[str, str], dict[str, ImageFacts]] = {}
    names: dict[tuple[str, str], str] = {}
    for facts in images:
        channel, base = _channel(facts, wanted)
        if channel is None:
            reason = f"its name ends in none of the channels {listed(list(wanted))}."
            found.refused.append(Refusal(path=facts.files[0], reason=reason))
            continue
        folder = Path(facts.files[0]).parent.as_posix()
        group = (facts.patient or "", facts.study) if facts.study else (folder, base)
        if channel in groups.setdefault(group, {}):
            reason = f"another image is the channel {channel} of this case already."
            found.refused.append(Refusal(path=facts.files[0], reason=reason))
            continue
        groups[group][channel] = facts
        lead = _name(facts, folders).rpartition("/")[0]
        names.setdefault(group, "/".join(part for part in (lead, base) if part) or Path(folder).name)
    return [(names[group], channels) for group, channels in groups.items()]


def _channel(facts: ImageFacts, wanted: Sequence[str]) -> tuple[str | None, str]:
    """Which channel an image is, by its description or the end of its name, and what its name begins with."""
    lower = {name.lower(): name for name in wanted}
    if facts.description and facts.description.strip().lower() in lower:
        return lower[facts.description.strip().lower()], ""
    name = _stem(Path(facts.files[0]).name)
    for ending in sorted(lower, key=len, reverse=True):
        lead = name[: len(name) - len(ending)]
        if name.lower().endswith(ending) and (not lead or lead[-1] in _BETWEEN):
            return lower[ending], lead.rstrip(_BETWEEN)
    return None, name


def _stem(name: str) -> str:
    for ending in _ENDINGS:
        if name.lower().endswith(ending):
            return name[: -len(ending)]
    return name.rpartition(".")[0] or name
