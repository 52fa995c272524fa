"""Series that come back to the same positions: time points, in order, with their times."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dicom_phantoms import assert_in_place, described, only, plane, positions, read, write_slice

from isocenter.core.errors import GeometryRefused
from isocenter.core.image import Image
from isocenter.data.formats._shared import ReadOptions
from isocenter.data.formats.dicom import FORMAT

TIMES, DEPTH = 3, 4


def write(folder: Path, time: int, depth: int, number: int | None = None, **changes: Any) -> Path:
    """A slice whose values tell its time."""
    place = positions(DEPTH)[depth]
    instance = number if number is not None else time * DEPTH + depth + 1
    name = folder / f"{(instance * 5) % 13:02d}-{time}-{depth}.dcm"
    return write_slice(name, place, pixels=plane(place) + 1000 * time, InstanceNumber=instance, **changes)


def assert_times(image: Image) -> None:
    """Each time point in place and in order."""
    assert image.axes == "CTZYX"
    assert image.array.shape[:3] == (1, TIMES, DEPTH)
    for time in range(TIMES):
        assert_in_place(image, image.array[0, time] - 1000 * time)


def tags(name: str, time: int, depth: int) -> dict[str, Any]:
    """One way of saying when a slice was taken."""
    return {
        "temporal position": {"TemporalPositionIdentifier": time + 1, "TemporalResolution": 500.0},
        "trigger time": {"TriggerTime": 40.0 * time},
        "acquisition time": {"AcquisitionTime": f"1200{10 * time + depth:02d}.5", "AcquisitionDate": "20240229"},
        "acquisition datetime": {"AcquisitionDateTime": f"202402292359{10 * time + depth:02d}.25+0100"},
        "frame reference time": {"FrameReferenceTime": 60000.0 * time},
        "content time": {"ContentTime": f"1200{10 * time + depth:02d}"},
        "acquisition number": {"AcquisitionNumber": time + 1},
        "b-value": {"DiffusionBValue": 500.0 * time},
    }[name]


SECONDS = {
    "temporal position": (0, 0.5, 1),
    "trigger time": (0, 0.04, 0.08),
    "acquisition time": (0, 10, 20),
    "acquisition datetime": (0, 10, 20),
    "frame reference time": (0, 60, 120),
    "content time": (0, 10, 20),
    "acquisition number": None,
    "b-value": None,
}


@pytest.mark.parametrize("name", sorted(SECONDS))
def test_repeated_positions_become_time_points(tmp_path: Path, name: str) -> None:
    for time in range(TIMES):
        for depth in range(DEPTH):
            # Instance numbers run backwards in time, so that they cannot be what gives the order.
            write(tmp_path, time, depth, 1 + (TIMES - time) * DEPTH - depth, **tags(name, time, depth))
    image = read(only(tmp_path))
    assert_times(image)
    assert image.times == (None if SECONDS[name] is None else pytest.approx(SECONDS[name]))


@pytest.mark.parametrize("by_place", [False, True])
def test_instance_numbers_in_a_steady_rhythm_give_the_order(tmp_path: Path, by_place: bool) -> None:
    for time in range(TIMES):
        for depth in range(DEPTH):
            number = depth * TIMES + time if by_place else time * DEPTH + depth
            write(tmp_path, time, depth, number + 1)
    image = read(only(tmp_path))
    assert_times(image)
    assert image.times is None
    assert any("ordered by instance number, times unknown" in note for note in image.notes)


def test_an_echo_planar_series_takes_its_times_from_the_repetition_time(tmp_path: Path) -> None:
    # As GE writes functional series: one acquisition time for all.
    for time in range(TIMES):
        for depth in range(DEPTH):
            write(
                tmp_path,
                time,
                depth,
                NumberOfTemporalPositions=TIMES,
                ScanningSequence=["EP", "GR"],
                RepetitionTime=2500.0,
                AcquisitionTime="120000",
            )
    image = read(only(tmp_path))
    assert_times(image)
    assert image.times == (0.0, 2.5, 5.0)


def test_one_place_over_time(tmp_path: Path) -> None:
    for time in range(TIMES):
        write(tmp_path, time, 0, TriggerTime=30.0 * time)
    image = read(only(tmp_path))
    assert image.axes == "CTYX"
    assert image.times == pytest.approx((0, 0.03, 0.06))
    for time in range(TIMES):
        assert_in_place(image, image.array[0, time] - 1000 * time)


def test_slices_without_rhythm_or_time_are_not_guessed(tmp_path: Path) -> None:
    for time in range(2):
        for depth in range(3):
            write(tmp_path, time, depth, [1, 2, 4, 3, 5, 6][time * 3 + depth] if time else depth * depth + 1)
    with pytest.raises(GeometryRefused, match="lie at the same position"):
        FORMAT.read(only(tmp_path), ReadOptions())


def test_an_incomplete_time_point_is_refused_or_left_out(tmp_path: Path) -> None:
    for time in range(TIMES):
        for depth in range(DEPTH):
            if (time, depth) != (2, 1):
                write(tmp_path, time, depth, TemporalPositionIdentifier=time + 1)
    facts = only(tmp_path)
    assert len(facts.files) == TIMES * DEPTH - 1
    assert facts.shape[1] == TIMES - 1
    with pytest.raises(GeometryRefused, match="1 of 3 time points lack slices"):
        FORMAT.read(facts, ReadOptions())
    image = read(facts, resample=True)
    for time in range(TIMES - 1):
        assert_in_place(image, image.array[0, time] - 1000 * time)
    assert any("time points lack slices" in note for note in image.notes)


def test_overlapping_acquisitions_become_images_of_their_own(tmp_path: Path) -> None:
    for depth in range(4):
        write(tmp_path, 0, depth, depth + 1, AcquisitionNumber=1)
    for depth in range(2, 4):
        write(tmp_path, 1, depth, depth + 10, AcquisitionNumber=2)
    found = described(tmp_path).images
    assert {facts.part: facts.shape for facts in found} == {
        "axial-acquisition1": (1, 4, 5, 7),
        "axial-acquisition2": (1, 2, 5, 7),
    }
    for facts in found:
        image = read(facts)
        assert_in_place(image, image.array[0] - 1000 * (facts.part[-1] == "2"))


def test_echoes_and_times_together(tmp_path: Path) -> None:
    for echo in (1, 2):
        for time in range(TIMES):
            for depth in range(DEPTH):
                write(tmp_path / str(echo), time, depth, EchoNumbers=echo, TemporalPositionIdentifier=time + 1)
    found = described(tmp_path).images
    assert [facts.part for facts in found] == ["axial-echo1", "axial-echo2"]
    for facts in found:
        assert_times(read(facts))


def test_gaps_and_times_together(tmp_path: Path) -> None:
    for time in range(TIMES):
        for depth in (0, 1, 3):
            write(tmp_path, time, depth, TriggerTime=10.0 * time)
    image = read(only(tmp_path), resample=True)
    assert image.array.shape == (1, TIMES, 4, 5, 7)
    for time in range(TIMES):
        assert_in_place(image, image.array[0, time] - 1000 * time, tolerance=1)


def test_times_are_plain_numbers(tmp_path: Path) -> None:
    for time in range(2):
        write(tmp_path, time, 0, TriggerTime=time)
    facts = only(tmp_path)
    assert facts.times is not None
    assert all(type(value) is float for value in facts.times)
    assert np.isfinite(facts.times).all()
