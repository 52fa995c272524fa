"""Series that visit the same positions again and again: which slice belongs to which time point, and when that was."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from isocenter.data.formats.dicom.records import Slice

Places = Sequence[Sequence[Slice]]
Clock = Callable[[Slice], float | None]


@dataclass(slots=True)
class Repeats:
    """The time points of a series.

    Attributes:
        volumes: over time, then over depth.
        times: seconds from the first, or None where no tag says.
        note: how the order was found.
        missing: the slices of time points that are not complete.
    """

    volumes: list[list[Slice]]
    times: tuple[float, ...] | None
    note: str
    missing: list[list[Slice]] = field(default_factory=list)


_ORDERS: dict[str, Clock] = {
    "temporal position": lambda one: one.moment.temporal_position,
    "trigger time": lambda one: one.moment.trigger_time,
    "acquisition time": lambda one: one.moment.acquisition_time,
    "acquisition number": lambda one: one.moment.acquisition_number,
    "frame reference time": lambda one: one.moment.frame_reference_time,
    "b-value": lambda one: one.moment.b_value,
    "content time": lambda one: one.moment.content_time,
}
"""What may tell two slices at one position apart, the surest first."""

_WHOLE_VOLUME = ("temporal position", "trigger time", "acquisition time", "frame reference time", "acquisition number")
"""Those whose value all slices of a time point may share, so that a gap can be seen."""

_CLOCKS = ("trigger time", "acquisition time", "frame reference time", "content time")


def in_time(places: Places) -> Repeats | None:
    """The time points of slices gathered by position; None where nothing tells slices at one position apart."""
    counts = {len(place) for place in places}
    if len(counts) == 1:
        for name, clock in _ORDERS.items():
            if _tells_apart(places, clock):
                return _found(_ordered(places, clock), f"ordered by {name}")
        return _by_instance(places)
    for name in _WHOLE_VOLUME:
        repeats = _gappy(places, _ORDERS[name], name)
        if repeats is not None:
            return repeats
    return None


def _tells_apart(places: Places, clock: Clock) -> bool:
    for place in places:
        values = [clock(one) for one in place]
        if None in values or len(set(values)) < len(values):
            return False
    return True


def _ordered(places: Places, clock: Clock) -> list[list[Slice]]:
    columns = [sorted(place, key=lambda one: clock(one) or 0.0) for place in places]
    return [list(volume) for volume in zip(*columns, strict=True)]


def _found(volumes: list[list[Slice]], how: str) -> Repeats:
    times, source = _times(volumes)
    said = f", times from the {source}" if source else ", times unknown"
    return Repeats(volumes, times, f"{len(volumes)} time points {how}{said}")


def _by_instance(places: Places) -> Repeats | None:
    """By instance number, where that runs through whole volumes, or stays at a place, in one steady rhythm."""
    count = len(places[0])
    slices = [one for place in places for one in place]
    if len({one.instance for one in slices}) < len(slices) or any(one.instance is None for one in slices):
        return None
    if len(places) < 2 and places[0][0].common.temporal_positions != count:
        return None
    place_of = {id(one): number for number, place in enumerate(places) for one in place}
    order = [place_of[id(one)] for one in sorted(slices, key=lambda one: one.instance or 0)]
    depth = len(places)
    whole = all(len(set(order[start : start + depth])) == depth for start in range(0, len(order), depth))
    steady = all(len(set(order[start : start + count])) == 1 for start in range(0, len(order), count))
    if not whole and not steady:
        return None
    return _found(_ordered(places, lambda one: float(one.instance or 0)), "ordered by instance number")


def _gappy(places: Places, clock: Clock, name: str) -> Repeats | None:
    """Time points of which some lack slices: those that are whole, and the slices of the others."""
    if not all(len({clock(one) for one in place}) == len(place) for place in places):
        return None
    volumes: dict[float, list[Slice]] = {}
    for place in places:
        for one in place:
            value = clock(one)
            if value is None:
                return None
            volumes.setdefault(value, []).append(one)
    whole = [volumes[value] for value in sorted(volumes) if len(volumes[value]) == len(places)]
    partial = [volumes[value] for value in sorted(volumes) if len(volumes[value]) < len(places)]
    if not whole or len(whole) < len(partial):
        return None
    repeats = _found(whole, f"ordered by {name}")
    repeats.missing = partial
    return repeats


def _times(volumes: list[list[Slice]]) -> tuple[tuple[float, ...] | None, str]:
    """Seconds of each time point from the first, and which tag they are from."""
    for name in _CLOCKS[:3]:
        times = _by_clock(volumes, _ORDERS[name])
        if times is not None:
            return times, name
    common = volumes[0][0].common
    if common.temporal_resolution and common.temporal_resolution > 0:
        step = common.temporal_resolution / 1000
        return tuple(index * step for index in range(len(volumes))), "temporal resolution"
    if common.repetition_time and common.repetition_time > 0 and "EP" in (common.scanning_sequence or ()):
        # An echo-planar scan takes one whole volume per repetition.
        step = common.repetition_time / 1000
        return tuple(index * step for index in range(len(volumes))), "repetition time"
    times = _by_clock(volumes, _ORDERS["content time"])
    return times, "content time" if times is not None else ""


def _by_clock(volumes: list[list[Slice]], clock: Clock) -> tuple[float, ...] | None:
    starts = []
    for volume in volumes:
        values = [value for value in map(clock, volume) if value is not None]
        if len(values) < len(volume):
            return None
        starts.append(min(values))
    if any(later <= earlier for earlier, later in pairwise(starts)):
        return None
    return tuple(round(start - starts[0], 6) for start in starts)
