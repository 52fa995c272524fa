"""The pixels of an image whose headers are known, in their place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isocenter.core.errors import GeometryRefused, Unreadable
from isocenter.core.image import Image, ImageFacts, Intensity, Origin, default_channels
from isocenter.data.formats._shared import ReadOptions, check_size, guarded, refuse_constant
from isocenter.data.formats.dicom import mosaic, slides
from isocenter.data.formats.dicom.describe import facts_of, names_of
from isocenter.data.formats.dicom.header import Headers, open_header, open_whole, quiet
from isocenter.data.formats.dicom.images import (
    SEGMENTATIONS,
    STRUCTURES,
    axes_of,
    channels_of,
    dtype_name,
    expanded,
    is_plain,
    meaning,
)
from isocenter.data.formats.dicom.pixels import frames
from isocenter.data.formats.dicom.records import Slice
from isocenter.data.formats.dicom.regular import onto_grid
from isocenter.data.formats.dicom.series import Stack, stacks_of
from isocenter.data.formats.dicom.subset import header_subset
from isocenter.data.formats.dicom.values import Table, Window, inverted, measured, table_of, window_of

Array = NDArray[Any]


def read(facts: ImageFacts, options: ReadOptions) -> Image:
    """The pixels of an image, or why they cannot be had."""
    first = Path(facts.files[0])
    with guarded(first), quiet():
        record = Headers().read(facts.files[0])
        if record.common.sop_class in SEGMENTATIONS:
            from isocenter.data.formats.dicom import seg

            return seg.read(facts, options)
        if record.common.sop_class == STRUCTURES:
            from isocenter.data.formats.dicom import rtstruct

            return rtstruct.read(facts, options)
        if slides.is_slide(record.common):
            return _slide(facts, record)
        return _stack(facts, _found_again(facts, indices=options.indices), options)


def _found_again(facts: ImageFacts, *, indices: bool) -> Stack:
    """The image that the facts are of, made from its files as when it was described."""
    headers = Headers()
    slices: list[Slice] = []
    for path in facts.files:
        record = headers.read(path)
        plain = is_plain(record.common)
        if indices and record.common.photometric == "PALETTE COLOR":
            # Without its palette the picture is grey: its numbers are what counts.
            record = replace(record, common=replace(record.common, photometric="MONOCHROME2"))
        slices.extend([record] if plain else expanded(open_header(path).dataset, record))
    stacks = stacks_of(slices)
    if len(stacks) == 1:
        return stacks[0]
    for stack in stacks:
        if facts.part in names_of(facts_of(stack), stack.first, stack.traits):
            return stack
    raise Unreadable(facts.files[0], why="has changed since it was described", remedy="Ingest the folder again")


def _stack(facts: ImageFacts, stack: Stack, options: ReadOptions) -> Image:
    notes = [*facts.notes, *stack.notes]
    problem = stack.problem
    if stack.twins:
        notes.append(_same_pixels(stack))
        problem = stack.lay.problem if stack.lay is not None else ""
    if problem and not options.resample:
        raise GeometryRefused(
            stack.first.path, why=problem, remedy="Read it with `--resample` to lay its slices onto a regular grid"
        )
    use = meaning(stack)
    gathered = _Gathered(stack, options)
    array = gathered.array
    if use.factor != 1.0:
        array = (array * np.float64(use.factor)).astype(np.float32)
    if stack.lay is not None and stack.lay.problem and options.resample:
        array = _resampled(array, stack)
        notes.append(f"resampled onto a regular grid: {stack.lay.problem}")
    axes, shape = axes_of(stack)
    intensity = Intensity.RAW if gathered.windowed and use.intensity != Intensity.RGB else use.intensity
    return Image(
        array=array.reshape(shape),
        axes=axes,
        geometry=stack.geometry,
        intensity=intensity,
        channels=default_channels(intensity, shape[0]),
        modality=stack.first.common.modality,
        times=stack.times,
        origin=_origin(facts, stack.all_slices, gathered.header),
        notes=tuple(dict.fromkeys(note for note in [*notes, *gathered.notes] if note)),
    )


def _same_pixels(stack: Stack) -> str:
    """Slices that claim one place may be the same picture twice; if they are not, nobody can say which is meant."""
    for one, other in stack.twins:
        pictures = [next(_frames_of(slice_, open_whole(slice_.path), [slice_])) for slice_ in (one, other)]
        if not np.array_equal(*pictures):
            raise GeometryRefused(
                one.path,
                why=stack.problem,
                remedy="Remove the file that is not meant, or put the two acquisitions into series of their own",
            )
    return f"left out {len(stack.twins)} slice(s) that repeat another's position and pixels"


class _Gathered:
    """The frames of an image, read file by file into one array (channel, time, slice, row, column)."""

    def __init__(self, stack: Stack, options: ReadOptions) -> None:
        self.notes: list[str] = []
        self.windowed = False
        self.header: dict[str, Any] = {}
        self.array: Array = np.zeros(0)
        self._wants_window = options.window and channels_of(stack) == 1
        self._window: Window | Table | None = None
        self._first: Array | None = None
        self._varies = False
        self._dtype = np.dtype(dtype_name(stack, 1.0))
        common = stack.first.common
        count = len(stack.slices), len(stack.slices[0])
        self._shape = (channels_of(stack), *count, common.rows or 0, common.columns or 0)
        check_size(Path(stack.first.path), self._shape, self._dtype)
        self._read(stack)

    def _read(self, stack: Stack) -> None:
        places = [(one, time, depth) for time, volume in enumerate(stack.slices) for depth, one in enumerate(volume)]
        # The first slice comes first, for its header and its window speak for all.
        order = {path: number for number, path in enumerate(dict.fromkeys(one.path for one, _, _ in places))}
        places.sort(key=lambda place: (order[place[0].path], place[0].frame))
        for path, group in groupby(places, key=lambda place: place[0].path):
            with guarded(Path(path)):
                self._read_file(list(group))
        if not self._varies and self._first is not None:
            refuse_constant(stack.first.path, self._first)

    def _read_file(self, members: Sequence[tuple[Slice, int, int]]) -> None:
        first = members[0][0]
        dataset = open_whole(first.path)
        pictures = _frames_of(first, dataset, [place[0] for place in members])
        for (one, time, depth), picture in zip(members, pictures, strict=True):
            if self._first is None:
                self._begin(picture, one, dataset)
            self._watch(picture)
            values = self._values(picture, one, dataset)
            self.array[:, time, depth] = np.moveaxis(values, -1, 0) if values.ndim == 3 else values

    def _begin(self, picture: Array, one: Slice, dataset: Any) -> None:
        """Reserve the array: only now that a frame is decoded is the size more than a damaged header's word."""
        self._first = picture
        self.header = header_subset(dataset)
        if self._wants_window:
            # The window of the first slice serves all, so that the slices of a volume stay comparable.
            self._window = window_of(dataset, one.frame) or table_of(dataset)
            self.windowed = self._window is not None
            if not self.windowed:
                self.notes.append("the file has no window of its own: values are as measured")
        self.array = np.zeros(self._shape, np.uint8 if self.windowed else self._dtype)

    def _watch(self, picture: Array) -> None:
        """Remember whether any pixel of any frame differs from the very first."""
        if not self._varies and self._first is not None:
            self._varies = bool((picture != self._first.flat[0]).any())

    def _values(self, picture: Array, one: Slice, dataset: Any) -> Array:
        if picture.ndim == 3:
            return picture[..., :3]
        values = measured(picture, one, dataset, self._dtype)
        dark = one.common.photometric == "MONOCHROME1"
        if self._window is not None:
            shown = self._window.apply(values)
            return 255 - shown if dark else shown
        return inverted(values, one, dataset) if dark else values


def _frames_of(first: Slice, dataset: Any, members: Sequence[Slice]) -> Any:
    """The pictures of slices that all lie in one file."""
    common = first.common
    if common.photometric == "MONOCHROME2":
        dataset.PhotometricInterpretation = "MONOCHROME2"
    if common.kind == "mosaic":
        whole = next(frames(dataset, first.path, common, [0]))
        return iter(mosaic.tiles(whole, [one.frame for one in members], int(common.stack)))
    return frames(dataset, first.path, common, [one.frame for one in members])


def _resampled(array: Array, stack: Stack) -> Array:
    lay = stack.lay
    assert lay is not None
    columns, rows, depth = lay.size
    check_size(Path(stack.first.path), (*array.shape[:2], depth, rows, columns), array.dtype)
    result = np.empty((*array.shape[:2], depth, rows, columns), dtype=array.dtype)
    for channel in range(array.shape[0]):
        for time in range(array.shape[1]):
            volume = array[channel, time]
            result[channel, time] = onto_grid(volume, lay, float(volume.min()))
    return result


def _origin(facts: ImageFacts, slices: Sequence[Slice], header: dict[str, Any]) -> Origin:
    common = slices[0].common
    uids = {
        "study": common.study,
        "series": common.series,
        "frame_of_reference": common.frame_of_reference,
        "sop_class": common.sop_class,
    }
    return Origin(
        format="dicom",
        files=facts.files,
        part=facts.part,
        uids={name: uid for name, uid in uids.items() if uid},
        slices=tuple((one.uid, one.frame + 1 if one.common.kind != "mosaic" else 1) for one in slices),
        header=header,
    )


def _slide(facts: ImageFacts, record: Slice) -> Image:
    """A slide, put together from its tiles."""
    dataset = open_whole(record.path)
    plan = slides.plan_of(dataset, record)
    array = slides.assemble(dataset, record, plan)
    refuse_constant(record.path, array)
    origin = _origin(facts, [record], header_subset(dataset))
    return Image(
        array=array,
        axes=plan.axes,
        geometry=plan.geometry,
        intensity=Intensity(facts.intensity),
        channels=facts.channels,
        modality=record.common.modality,
        origin=replace(origin, slices=tuple((record.uid, number + 1) for number in range(len(plan.places)))),
        notes=facts.notes,
    )
