"""Radiotherapy structure sets (RTSTRUCT): outlines drawn on a series, filled on the grid of that series."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from isocenter.core.errors import Unreadable
from isocenter.core.image import Image, ImageFacts, Intensity, Origin
from isocenter.core.words import listed
from isocenter.data.formats._shared import ReadOptions, absolute, check_size, geometry_of, guarded, image_of
from isocenter.data.formats.dicom.contours import Contour, fill
from isocenter.data.formats.dicom.header import open_header
from isocenter.data.formats.dicom.identity import known_of, uids_of

SOP_CLASSES = frozenset(("1.2.840.10008.5.1.4.1.1.481.3",))
"""RT Structure Set Storage."""

_FAR = 1e6
"""Millimetres: no patient reaches a kilometre."""

_CLOSED = frozenset(("CLOSED_PLANAR", "CLOSEDPLANAR_XOR"))


@dataclass(frozen=True, slots=True)
class _Region:
    """One region of interest: its name, the series it was drawn on, and its outlines."""

    name: str
    series: str
    outlines: tuple[Any, ...]

    @property
    def instances(self) -> set[str]:
        return {instance for outline in self.outlines for instance in _images_of(outline)}


def describe_file(path: Path, references: Sequence[ImageFacts]) -> list[ImageFacts]:
    """The masks that a structure set draws on the series among `references`: one per series, a channel per region."""
    with guarded(path):
        dataset = open_header(path).dataset
        regions, notes = _regions(dataset, path)
        drawn: dict[str, tuple[ImageFacts, list[_Region]]] = {}
        missing: dict[str, list[str]] = {}
        for region in regions:
            reference = _reference_of(region, references)
            if reference is None:
                missing.setdefault(region.series, []).append(region.name)
            else:
                drawn.setdefault(reference.key, (reference, []))[1].append(region)
        if not drawn:
            raise _without_reference(path, missing)
        for series, names in missing.items():
            notes.append(f"{listed(names)} left out: series {series}, on which they were drawn, is not here")
        several = len(drawn) > 1
        return [
            _facts(dataset, path, reference, members, notes, part=reference.key if several else "")
            for reference, members in drawn.values()
        ]


def read(facts: ImageFacts, _: ReadOptions) -> Image:
    """The filled outlines: one channel per region, whose value is the region's number."""
    path = Path(facts.files[0])
    with guarded(path):
        dataset = open_header(path).dataset
        geometry = geometry_of(facts)
        series, *instances = facts.refers_to
        steps, rows, columns = (facts.extent(axis) for axis in "ZYX")
        slices = {uid: step for step, uid in enumerate(instances)} if len(instances) == steps else {}
        members = [region for region in _regions(dataset, path)[0] if _belongs(region, series, instances)]
        if len(members) != facts.shape[0]:
            raise Unreadable(f"{path}", why="has changed since it was described", remedy="Ingest the folder again")
        check_size(path, facts.shape, facts.dtype)
        array = np.zeros(facts.shape, dtype=facts.dtype)
        notes: list[str] = []
        for position, region in enumerate(members):
            outlines = tuple(_contours(region, path))
            filled = fill(
                region.name, outlines, geometry=geometry, shape=(steps, rows, columns), slices=slices, path=path
            )
            array[position][filled.mask.reshape(facts.shape[1:])] = position + 1
            notes.extend(filled.notes)
        header = {"references": facts.refers_to}
        origin = Origin(format="dicom", files=facts.files, part=facts.part, uids=uids_of(dataset), header=header)
        return replace(image_of(facts, array, notes=notes), origin=origin)


def _facts(
    dataset: Any, path: Path, reference: ImageFacts, members: list[_Region], notes: list[str], *, part: str
) -> ImageFacts:
    seen = Counter(region.name for region in members)
    names = tuple(
        region.name if seen[region.name] == 1 else f"{region.name} {number}"
        for number, region in enumerate(members, start=1)
    )
    axes = "CZYX" if "Z" in reference.axes else "CYX"
    shape = (len(members), *(reference.extent(axis) for axis in axes[1:]))
    dtype = "uint8" if len(members) < 256 else "uint16"
    check_size(path, shape, dtype)
    return ImageFacts(
        format="dicom",
        files=(absolute(path),),
        part=part,
        axes=axes,
        shape=shape,
        dtype=dtype,
        affine=reference.affine,
        spacing=reference.spacing,
        intensity=str(Intensity.LABEL),
        channels=names,
        modality="RTSTRUCT",
        role="mask",
        group=str(dataset.SOPInstanceUID),
        instances=(str(dataset.SOPInstanceUID),),
        refers_to=(str(reference.series), *reference.instances),
        classes=dict(enumerate(names, start=1)),
        notes=tuple(notes),
        **known_of(dataset),
    )


def _regions(dataset: Any, path: Path) -> tuple[list[_Region], list[str]]:
    """The regions with closed outlines, and what is said of those without."""
    definitions = {int(item.ROINumber): item for item in dataset.get("StructureSetROISequence") or ()}
    by_instance, by_frame = _referenced_series(dataset)
    regions, notes = [], []
    for item in dataset.get("ROIContourSequence") or ():
        number = int(item.ReferencedROINumber)
        definition = definitions.get(number)
        name = str(definition.get("ROIName", "") if definition is not None else "").strip() or f"ROI {number}"
        outlines = tuple(item.get("ContourSequence") or ())
        closed = tuple(one for one in outlines if one.ContourGeometricType in _CLOSED)
        others = Counter(str(one.ContourGeometricType) for one in outlines if one.ContourGeometricType not in _CLOSED)
        if others:
            kinds = listed([f"{count} of type {kind}" for kind, count in sorted(others.items())])
            notes.append(f"contours of `{name}` that enclose nothing were left out: {kinds}")
        if not closed:
            notes.append(f"`{name}` has no closed outline and was left out")
            continue
        instances = {instance for one in closed for instance in _images_of(one)}
        series = {by_instance[instance] for instance in instances if instance in by_instance}
        if not series:
            frame = str(definition.get("ReferencedFrameOfReferenceUID", "")) if definition is not None else ""
            series = by_frame.get(frame) or set(by_instance.values()) or set().union(*by_frame.values())
        if len(series) != 1:
            why = f"does not say on which series `{name}` was drawn ({listed(sorted(series)) or 'none is named'})"
            raise Unreadable(f"{path}", why=why)
        regions.append(_Region(name, series.pop(), closed))
    if not regions:
        raise Unreadable(f"{path}", why="is a structure set that outlines nothing", remedy=" ".join(notes))
    return regions, notes


def _referenced_series(dataset: Any) -> tuple[dict[str, str], dict[str, set[str]]]:
    """Image instance to its series, and frame of reference to the series that were drawn on in it."""
    by_instance: dict[str, str] = {}
    by_frame: dict[str, set[str]] = {}
    for frame in dataset.get("ReferencedFrameOfReferenceSequence") or ():
        known = by_frame.setdefault(str(frame.get("FrameOfReferenceUID", "")), set())
        for study in frame.get("RTReferencedStudySequence") or ():
            for series in study.get("RTReferencedSeriesSequence") or ():
                uid = str(series.SeriesInstanceUID)
                known.add(uid)
                images = series.get("ContourImageSequence") or ()
                by_instance.update((str(image.ReferencedSOPInstanceUID), uid) for image in images)
    return by_instance, by_frame


def _images_of(outline: Any) -> tuple[str, ...]:
    return tuple(str(image.ReferencedSOPInstanceUID) for image in outline.get("ContourImageSequence") or ())


def _reference_of(region: _Region, references: Sequence[ImageFacts]) -> ImageFacts | None:
    """The images that a region was drawn on; of a series in several stacks, the stack that it names."""
    placed = (facts for facts in references if facts.affine is not None and facts.role == "image")
    return next((facts for facts in placed if _belongs(region, str(facts.series), facts.instances)), None)


def _belongs(region: _Region, series: str, instances: Sequence[str]) -> bool:
    named = region.instances
    return region.series == series and (not named or bool(named.intersection(instances)))


def _without_reference(path: Path, missing: dict[str, list[str]]) -> Unreadable:
    return Unreadable(
        f"{path}",
        why=f"outlines {listed([name for names in missing.values() for name in names])} on images that are not here, "
        f"or have no place in the patient: series {listed(sorted(missing))}",
        remedy="Ingest it together with that series",
    )


def _contours(region: _Region, path: Path) -> Iterator[Contour]:
    for outline in region.outlines:
        values = np.array([float(value) for value in outline.get("ContourData") or ()])
        if len(values) % 3 or not (np.abs(values) < _FAR).all():
            raise Unreadable(
                f"{path}", why=f"an outline of `{region.name}` has {len(values)} coordinates, or some that are no place"
            )
        if len(values) >= 9:
            yield Contour(values.reshape(-1, 3), _images_of(outline))
