"""What the headers of many DICOM files say: which images they make, without decoding a pixel."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePath
from sys import intern
from typing import Any

import numpy as np

from isocenter.core.errors import IsocenterError
from isocenter.core.image import ImageFacts, default_channels
from isocenter.data.formats._shared import Collected, Described, absolute, guarded
from isocenter.data.formats.dicom import slides
from isocenter.data.formats.dicom.header import Headers, open_header, quiet
from isocenter.data.formats.dicom.identity import iso_date
from isocenter.data.formats.dicom.images import (
    SEGMENTATIONS,
    STRUCTURES,
    axes_of,
    channels_of,
    dtype_name,
    expanded,
    is_plain,
    meaning,
    refuse_without_pixels,
)
from isocenter.data.formats.dicom.records import Common, Slice
from isocenter.data.formats.dicom.series import Stack, stacks_of
from isocenter.data.formats.dicom.syntaxes import refuse_undecodable
from isocenter.data.formats.dicom.tags import seconds_of_date
from isocenter.data.formats.dicom.values import stored_dtype

Names = tuple[str, ...]

_YEARS = {"D": 365.25, "W": 52.1775, "M": 12.0, "Y": 1.0}


class _Survey:
    """Files being looked through: slices by series, and the masks to be asked last."""

    def __init__(self) -> None:
        self.headers = Headers()
        self.collected = Collected()
        self.series: dict[str, list[Slice]] = defaultdict(list)
        self.slides: dict[str, list[tuple[ImageFacts, Names]]] = defaultdict(list)
        self.masks: list[tuple[str, bool]] = []

    def look(self, path: Path) -> None:
        """Take one file in, or write down why not."""
        try:
            with guarded(path):
                self._take(self.headers.read(absolute(path)))
        except IsocenterError as error:
            self.collected.refuse(path, error)

    def _take(self, record: Slice) -> None:
        common = record.common
        if common.sop_class in SEGMENTATIONS or common.sop_class == STRUCTURES:
            self.masks.append((record.path, common.sop_class == STRUCTURES))
            return
        refuse_without_pixels(record)
        refuse_undecodable(common.syntax, record.path)
        key = common.series or record.path
        if slides.is_slide(common):
            with quiet():
                plan = slides.plan_of(open_header(record.path).dataset, record)
            self.series[key].extend(())
            facts = facts_of_slide(record, plan)
            flavour = (common.image_type or ("", "", ""))[2:3]
            traits = {"type": flavour[0].lower() if flavour else "slide"}
            self.slides[key].append((facts, names_of(facts, None, traits)))
        elif is_plain(common):
            self.series[key].append(record)
        else:
            with quiet():
                self.series[key].extend(expanded(open_header(record.path).dataset, record))


def describe(paths: Sequence[Path]) -> Described:
    """The images of some DICOM files: series are put together, masks come last for they refer to the others."""
    survey = _Survey()
    for path in paths:
        survey.look(path)
    # What headers remember of one another is not needed any more, and may be much.
    survey.headers = Headers()
    for key in list(survey.series):
        slices = survey.series.pop(key)
        try:
            with guarded(slices[0].path if slices else key):
                survey.collected.images.extend(_series(slices, survey.slides.pop(key, []), survey.collected))
        except IsocenterError as error:
            for lost in dict.fromkeys(one.path for one in slices):
                survey.collected.refuse(lost, error)
    _masks(survey)
    return survey.collected.done()


def _masks(survey: _Survey) -> None:
    references = tuple(survey.collected.images)
    for path, structures in survey.masks:
        try:
            with guarded(Path(path)), quiet():
                if structures:
                    from isocenter.data.formats.dicom import rtstruct

                    survey.collected.images.extend(rtstruct.describe_file(Path(path), references))
                else:
                    from isocenter.data.formats.dicom import seg

                    survey.collected.images.extend(seg.describe_file(Path(path)))
        except IsocenterError as error:
            survey.collected.refuse(path, error)


def _series(slices: list[Slice], found: list[tuple[ImageFacts, Names]], collected: Collected) -> list[ImageFacts]:
    """The images of one series; those of its slides were found already."""
    kept, dropped = without_copies(slices) if len(slices) > 1 else (slices, [])
    for path, of in dropped:
        collected.refuse(path, f"is a copy of {Path(of).name}: both carry the same SOP instance UID.")
    note = _copies_note(dropped)
    stacks = stacks_of(kept)
    if len(stacks) == 1 and not found:
        return [facts_of(stacks[0], note)]
    for stack in stacks:
        facts = facts_of(stack, note)
        found.append((facts, names_of(facts, stack.first, stack.traits)))
    return _with_parts(found)


def _copies_note(dropped: Sequence[tuple[str, str]]) -> tuple[str, ...]:
    if not dropped:
        return ()
    names = Path(dropped[0][0]).name + (f" and {len(dropped) - 1} more" if len(dropped) > 1 else "")
    return (f"left out as copies of other files (same SOP instance UID): {names}",)


def without_copies(slices: Sequence[Slice]) -> tuple[list[Slice], list[tuple[str, str]]]:
    """Slices without those files whose instance another file holds already; the copies, each with that file."""
    owners: dict[tuple[object, ...], str] = {}
    kept, dropped = [], {}
    for one in slices:
        owner = owners.setdefault(_identity(one), one.path)
        if owner == one.path:
            kept.append(one)
        else:
            dropped[one.path] = owner
    return kept, list(dropped.items())


def _identity(one: Slice) -> tuple[object, ...]:
    if not one.uid:
        return (one.path, one.frame)
    return (one.uid, one.frame, one.common.rows, one.common.columns, one.common.bits_allocated, one.position)


def facts_of(stack: Stack, notes: Sequence[str] = ()) -> ImageFacts:
    """The facts of one image."""
    common = stack.first.common
    axes, shape = axes_of(stack)
    use = meaning(stack)
    uids = {one.path: one.uid for one in stack.all_slices + stack.extras}
    said = [*notes, *stack.notes, use.note, _problem_note(stack), _brightness_note(common)]
    return ImageFacts(
        format="dicom",
        files=tuple(uids),
        axes=axes,
        shape=shape,
        dtype=dtype_name(stack, use.factor),
        affine=tuple(_SHARED.get(value, value) for value in stack.affine) if stack.placed else None,
        spacing=stack.spacing,
        intensity=str(use.intensity),
        channels=default_channels(use.intensity, channels_of(stack)),
        times=stack.times,
        instances=tuple(uids.values()),
        problem=stack.problem or "",
        notes=tuple(dict.fromkeys(note for note in said if note)),
        **_known(common),
    )


_SHARED = {0.0: 0.0, 1.0: 1.0}
"""One object for the numbers that most affines are made of: facts are kept by the hundred thousand."""


def _problem_note(stack: Stack) -> str:
    if not stack.problem:
        return ""
    return f"{stack.problem} ({'resampled on request' if stack.curable else 'refused when read'})"


def _brightness_note(common: Common) -> str:
    inverted = common.photometric == "MONOCHROME1"
    return "inverted on reading (MONOCHROME1), so that larger is brighter" if inverted else ""


def facts_of_slide(record: Slice, plan: slides.Plan) -> ImageFacts:
    """The facts of one slide."""
    common = record.common
    intensity = "rgb" if plan.samples == 3 else "named" if len(plan.paths) > 1 else "raw"
    return ImageFacts(
        format="dicom",
        files=(record.path,),
        axes=plan.axes,
        shape=plan.shape,
        dtype=str(stored_dtype(common)),
        spacing=plan.geometry.spacing if plan.geometry.spacing_known else None,
        intensity=intensity,
        channels=plan.paths if intensity == "named" else default_channels(intensity, plan.shape[0]),
        instances=(record.uid,),
        **_known(common),
    )


def _known(common: Common) -> dict[str, Any]:
    """What the header says of patient, study and device."""
    makers = [word for word in (common.manufacturer, common.model) if word]
    return {
        "modality": common.modality,
        "group": common.series or "",
        "patient": common.patient,
        "study": common.study,
        "series": common.series,
        "date": iso_date(common.study_date or common.series_date),
        "description": common.description,
        "device": intern(" ".join(makers)) or None,
        "body_part": common.body_part,
        "laterality": common.image_laterality or common.laterality,
        "sex": common.sex,
        "age": _age(common),
    }


def _age(common: Common) -> float | None:
    """Years, from the age or from the dates of birth and study."""
    text = common.age or ""
    if len(text) >= 2 and text[:-1].isdigit() and text[-1].upper() in _YEARS:
        return round(int(text[:-1]) / _YEARS[text[-1].upper()], 2)
    born, seen = seconds_of_date(common.birth_date), seconds_of_date(common.study_date)
    if born is None or seen is None or seen < born:
        return None
    return float(int((seen - born) / 86400 / 365.25))


def names_of(facts: ImageFacts, first: Slice | None, traits: Mapping[str, str]) -> Names:
    """Short names of one image among others of its series, each more telling than the one before.

    They rest on the image alone, so that it is found again when it is read without its neighbours.
    """
    words = [_plane(facts), *(_worded(name, value) for name, value in traits.items() if value)]
    size = f"{facts.shape[-1]}x{facts.shape[-2]}"
    short = "-".join(word for word in words if word) or size
    lead = f"{short}-{size}"
    # Files edited by hand share their instance number, and copies of slides even their UID: the last names tell them.
    named = (f"{lead}-{facts.instances[0]}",) if facts.instances else ()
    numbered = () if first is None else (f"{lead}-{first.instance or 0}.{first.frame + 1}",)
    return short, lead, *numbered, *named, f"{lead}-{PurePath(facts.files[0]).name}"


def _worded(name: str, value: str) -> str:
    return value if name == "type" else f"{name}{value}"


def _with_parts(found: list[tuple[ImageFacts, Names]]) -> list[ImageFacts]:
    """Each image of a series with a short name of its own; none where it is the only one."""
    if len(found) == 1:
        return [found[0][0]]
    counts = Counter(name for _, names in found for name in set(names))
    named = []
    for facts, names in found:
        part = next((name for name in names if counts[name] == 1), names[-1])
        named.append(replace(facts, part=part))
    return named


def _plane(facts: ImageFacts) -> str:
    if facts.affine is None:
        return ""
    normal = np.asarray(facts.affine).reshape(4, 4)[:3, 2]
    return ("sagittal", "coronal", "axial")[int(np.argmax(np.abs(normal)))]


__all__ = ["describe", "facts_of", "names_of", "without_copies"]
