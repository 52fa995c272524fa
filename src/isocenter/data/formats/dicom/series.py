"""From the slices of a series to its images: which belong together, in which order, at which times."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from math import sqrt
from pathlib import PurePosixPath

import numpy as np

from isocenter.core.geometry import Geometry
from isocenter.data.formats.dicom.moments import Repeats, in_time
from isocenter.data.formats.dicom.records import Common, Slice
from isocenter.data.formats.dicom.regular import Lay, depth_order, directions, lay_of
from isocenter.data.formats.dicom.spacing import PixelSize, pixel_size

Numbers = tuple[float, ...]

_UNIT = (1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0)
_SAME_PLACE = 0.02
"""Two slices nearer than this part of a pixel lie at one place."""
_SAME_DIRECTION = 1e-3


@dataclass(slots=True)
class Stack:
    """One image of a series.

    Attributes:
        slices: over time, then over depth.
        affine: of the image as it will be read, row by row.
        size: columns, rows, slices of the image as it will be read.
        spacing_known, placed: as in `Geometry`.
        times: seconds from the first time point, where there are several and their times are known.
        lay: how the slices lie, where there are several and their place is known.
        problem: what keeps the image from being read as it is; `curable` where resampling helps.
        twins: slices that claim the place of another, each with that other.
        extras: slices that belong here and have no place of their own: such others, and those of broken time points.
        traits: what sets this image apart from others of its series.
        notes: what a person should know.
    """

    slices: list[list[Slice]]
    affine: Numbers
    size: tuple[int, int, int]
    spacing_known: bool = True
    placed: bool = True
    times: tuple[float, ...] | None = None
    lay: Lay | None = None
    problem: str = ""
    curable: bool = True
    twins: list[tuple[Slice, Slice]] = field(default_factory=list)
    extras: list[Slice] = field(default_factory=list)
    traits: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @property
    def geometry(self) -> Geometry:
        """Where the image lies."""
        return Geometry(np.asarray(self.affine).reshape(4, 4), self.spacing_known, self.placed)

    @property
    def spacing(self) -> tuple[float, float, float] | None:
        """Millimetres along x, y and z."""
        if not self.spacing_known:
            return None
        x, y, z = (
            sqrt(self.affine[axis] ** 2 + self.affine[axis + 4] ** 2 + self.affine[axis + 8] ** 2) for axis in range(3)
        )
        return x, y, z

    @property
    def first(self) -> Slice:
        """The first slice, which speaks for the image where all agree."""
        return self.slices[0][0]

    @property
    def all_slices(self) -> list[Slice]:
        """Every slice, depth first, then time."""
        return [one for volume in self.slices for one in volume]


def name_of(one: Slice) -> str:
    """What to call a slice in a message: its file, and its frame where it has several."""
    name = PurePosixPath(one.path).name
    return f"{name} frame {one.frame + 1}" if (one.common.frames or 1) > 1 or one.common.kind == "mosaic" else name


def stacks_of(slices: Sequence[Slice]) -> list[Stack]:
    """The images of one series, in a stable order."""
    placed: list[Slice] = []
    loose: dict[str, list[Slice]] = {}
    for one in slices:
        if one.position is not None and directions(one.common.orientation) is not None:
            placed.append(one)
        else:
            loose.setdefault(one.path, []).append(one)
    stacks = [stack for members in _by_geometry(placed) for stack in _best(members)]
    stacks.extend(_loose(members) for members in loose.values())
    stacks.sort(key=lambda stack: (stack.first.instance or 0, stack.first.path, stack.first.frame))
    return stacks


def _best(members: list[Slice]) -> list[Stack]:
    """The images among slices of one geometry; files of many frames count apart where together they make no sense."""
    together = _resolved(members, {})
    paths = dict.fromkeys(one.path for one in members)
    if len(paths) in (1, len(members)) or not any(stack.problem for stack in together):
        return together
    apart = [
        stack
        for number, path in enumerate(paths, 1)
        for stack in _resolved([one for one in members if one.path == path], {"file": str(number)})
    ]
    return together if any(stack.problem for stack in apart) else apart


def _loose(members: list[Slice]) -> Stack:
    """A picture, still or moving, whose place in the patient is unknown."""
    members = sorted(members, key=lambda one: one.frame)
    common = members[0].common
    pixel = pixel_size(common)
    times = None
    if len(members) > 1 and all(one.moment.trigger_time is not None for one in members):
        times = tuple(one.moment.trigger_time or 0.0 for one in members)
    traits = {"image": str(members[0].instance or "")}
    return Stack(
        [[one] for one in members],
        (pixel.x, *_UNIT[1:5], pixel.y, *_UNIT[6:]) if pixel else _UNIT,
        (common.columns or 0, common.rows or 0, 1),
        spacing_known=pixel is not None,
        placed=False,
        times=times,
        notes=[pixel.note] if pixel and pixel.note else [],
        traits=traits,
    )


def _by_geometry(slices: Iterable[Slice]) -> list[list[Slice]]:
    """Slices that could lie in one grid: same size, pixel size, direction, kind of pixel."""
    slices = list(slices)
    if len(slices) == 1:
        return [slices]
    groups: list[tuple[Hashable, np.ndarray, list[Slice]]] = []
    known: dict[tuple[int, str], list[Slice]] = {}
    for one in slices:
        common = one.common
        members = known.get((id(common), ""))
        if members is None:
            exact, vector = _exact(common), np.asarray(common.orientation)
            members = next(
                (
                    found
                    for key, direction, found in groups
                    if key == exact and np.abs(direction - vector).max() <= _SAME_DIRECTION
                ),
                None,
            )
            if members is None:
                members = []
                groups.append((exact, vector, members))
            known[id(common), ""] = members
        members.append(one)
    return [members for _, _, members in groups]


def _exact(common: Common) -> Hashable:
    size = pixel_size(common)
    return (
        common.rows,
        common.columns,
        (common.samples or 1) > 1 or common.photometric == "PALETTE COLOR",
        common.photometric == "MONOCHROME1",
        common.pixels,
        common.stack,
        common.frame_of_reference,
        (round(size.x, 4), round(size.y, 4)) if size else None,
    )


_SOFT: dict[str, Callable[[Slice], Hashable]] = {
    "type": lambda one: one.common.image_type,
    "component": lambda one: one.common.complex_component,
    "echo": lambda one: (one.common.echo_number, one.common.echo_time),
}
"""What sets slices apart only where two of them lie at one place and differ in it."""


def _resolved(members: list[Slice], traits: dict[str, str]) -> list[Stack]:
    """The images among slices of one geometry."""
    places = _places(members)
    if all(len(place) == 1 for place in places):
        return [_stack([[place[0] for place in places]], traits)]
    for name, key in _SOFT.items():
        if any(len({key(one) for one in place}) > 1 for place in places):
            return _split(members, key, name, traits)
    repeats = in_time(places)
    if repeats is not None and not repeats.missing:
        return [_repeated(repeats, traits)]
    if any(len({one.moment.acquisition_number for one in place}) > 1 for place in places):
        parts = _split(members, lambda one: one.moment.acquisition_number, "acquisition", traits, deeper=False)
        if parts:
            return parts
    if repeats is not None:
        return [_incomplete(repeats, traits)]
    return [_with_twins(places, traits)]


def _split(
    members: list[Slice],
    key: Callable[[Slice], Hashable],
    name: str,
    traits: dict[str, str],
    *,
    deeper: bool = True,
) -> list[Stack]:
    groups: dict[Hashable, list[Slice]] = {}
    for one in members:
        groups.setdefault(key(one), []).append(one)
    if not deeper and any(len(place) > 1 for group in groups.values() for place in _places(group)):
        return []
    ordered = sorted(groups.items(), key=lambda item: str(item[0]))
    return [stack for value, group in ordered for stack in _resolved(group, {**traits, name: _said(name, value)})]


def _said(name: str, value: Hashable) -> str:
    if isinstance(value, tuple):
        if name == "echo":
            numbers, time = value
            return f"{numbers[0]}" if numbers else f"{time:g}ms" if time is not None else ""
        return "-".join(str(part).lower() for part in value[2:] if part) or "other"
    return f"{value:g}" if isinstance(value, float) else str(value or "")


def _places(members: Sequence[Slice]) -> list[list[Slice]]:
    """Slices gathered by where they lie, in the order of depth."""
    if len(members) == 1:
        return [[members[0]]]
    axes = directions(members[0].common.orientation)
    assert axes is not None
    size = pixel_size(members[0].common)
    near = _SAME_PLACE * (min(size.x, size.y) if size else 1.0)
    positions = np.asarray([one.position for one in members], dtype=float)
    depths, order = depth_order(positions, axes[2])
    places: list[list[Slice]] = []
    last = None
    for index in order:
        if last is None or depths[index] - last > near:
            places.append([])
            last = depths[index]
        places[-1].append(members[index])
    return places


def _repeated(repeats: Repeats, traits: dict[str, str]) -> Stack:
    stack = _stack(repeats.volumes, traits)
    stack.times = repeats.times
    stack.notes.append(repeats.note)
    return stack


def _incomplete(repeats: Repeats, traits: dict[str, str]) -> Stack:
    """Several time points of which some lack slices."""
    stack = _repeated(repeats, traits)
    missing = f"{len(repeats.missing)} of {len(repeats.volumes) + len(repeats.missing)} time points lack slices"
    stack.extras = [one for volume in repeats.missing for one in volume]
    place = name_of(repeats.missing[0][0])
    stack.problem = f"{missing}, the first of them that of {place}" + (f"; {stack.problem}" if stack.problem else "")
    return stack


def _with_twins(places: list[list[Slice]], traits: dict[str, str]) -> Stack:
    """Slices of which some claim one place and nothing tells them apart."""
    stack = _stack([[place[0] for place in places]], traits)
    stack.twins = [(place[0], other) for place in places for other in place[1:]]
    stack.extras = [other for _, other in stack.twins]
    first, second = stack.twins[0]
    where = ", ".join(f"{value:g}" for value in first.position or ())
    more = f" and {len(stack.twins) - 1} more pairs" if len(stack.twins) > 1 else ""
    said = f"{name_of(first)} and {name_of(second)} lie at the same position ({where}) and no time tells them apart"
    stack.problem = said + more + (f"; {stack.problem}" if stack.problem else "")
    stack.curable = False
    return stack


def _stack(volumes: list[list[Slice]], traits: dict[str, str]) -> Stack:
    """An image of slices whose place is known, one or several times over."""
    first = volumes[0][0]
    common = first.common
    axes, size = directions(common.orientation), pixel_size(common)
    assert axes is not None
    shape = (common.columns or 0, common.rows or 0)
    pixel = size or PixelSize(1.0, 1.0)
    notes = [pixel.note] if pixel.note else []
    known = size is not None
    if len(volumes[0]) == 1:
        step = abs(common.thickness or 0.0) or abs(common.slice_spacing or 0.0) or 1.0
        affine = _affine_of(axes, (pixel.x, pixel.y, step), first.position or (0.0, 0.0, 0.0))
        return Stack(volumes, affine, (*shape, 1), known, known, traits=dict(traits), notes=notes)
    positions = np.asarray([one.position for one in volumes[0]], dtype=float)
    lay = lay_of(positions, axes, (pixel.x, pixel.y), shape, [name_of(one) for one in volumes[0]])
    notes.extend(lay.notes)
    numbers = tuple(lay.affine.ravel().tolist())
    return Stack(
        volumes, numbers, lay.size, known, known, lay=lay, problem=lay.problem, traits=dict(traits), notes=notes
    )


def _affine_of(axes: Sequence[np.ndarray], steps: Sequence[float], origin: Sequence[float]) -> Numbers:
    """16 numbers, row by row; plain arithmetic, for there may be a hundred thousand single slices."""
    (a, b, c), (d, e, f), (g, h, i) = axes[0].tolist(), axes[1].tolist(), axes[2].tolist()
    x, y, z = steps
    return (
        *(a * x, d * y, g * z, origin[0]),
        *(b * x, e * y, h * z, origin[1]),
        *(c * x, f * y, i * z, origin[2]),
        *(0.0, 0.0, 0.0, 1.0),
    )
