"""Enhanced files: frames go where their functional groups say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dicom_phantoms import (
    AXIAL,
    OBLIQUE,
    SPACING,
    assert_in_place,
    described,
    frame_groups,
    item,
    only,
    plane,
    positions,
    read,
    write_enhanced,
)

STACK, IN_STACK, TEMPORAL = 0x00209056, 0x00209057, 0x00209128
SAGITTAL = (0.0, 1.0, 0.0, 0.0, 0.0, -1.0)


def test_frames_are_stacked_by_position(tmp_path: Path) -> None:
    places = positions(4, orientation=OBLIQUE)
    order = [2, 0, 3, 1]
    frames = [frame_groups(places[index]) for index in order]
    pixels = np.stack([plane(places[index], OBLIQUE) for index in order])
    image = read(only(write_enhanced(tmp_path / "e.dcm", frames, pixels, orientation=OBLIQUE)))
    assert image.axes == "CZYX"
    assert_in_place(image)
    assert [frame for _, frame in image.origin.slices] == [2, 4, 1, 3]


def test_stacks_and_temporal_positions_of_philips(tmp_path: Path) -> None:
    frames, pixels = [], []
    places = positions(3)
    for depth, place in enumerate(places):
        for time in (1, 0):
            content = {"TemporalPositionIndex": time + 1, "InStackPositionNumber": depth + 1}
            offset = item(TemporalPositionTimeOffset=2.5 * time)
            index = (1, depth + 1, time + 1)
            frames.append(frame_groups(place, index=index, content=content, TemporalPositionSequence=offset))
            pixels.append(plane(place) + 1000 * time)
    sagittal = positions(2, orientation=SAGITTAL, start=(0, 0, 0))
    for place in sagittal:
        orientation = item(ImageOrientationPatient=list(SAGITTAL))
        content = {"TemporalPositionIndex": 1}
        frames.append(frame_groups(place, stack="2", content=content, PlaneOrientationSequence=orientation))
        pixels.append(plane(place, SAGITTAL))
    dimensions = (STACK, IN_STACK, TEMPORAL)
    path = write_enhanced(tmp_path / "e.dcm", frames, np.stack(pixels), dimensions=dimensions)
    found = {facts.part: facts for facts in described(path).images}
    assert {part: facts.axes for part, facts in found.items()} == {"axial": "CTZYX", "sagittal": "CZYX"}
    assert_in_place(read(found["sagittal"]))
    moving = read(found["axial"])
    assert moving.times == (0.0, 2.5)
    for time in range(2):
        assert_in_place(moving, moving.array[0, time] - 1000 * time)


def test_stacks_of_one_direction_stay_apart(tmp_path: Path) -> None:
    places = positions(6)
    frames = [frame_groups(place, stack="1" if index < 3 else "2") for index, place in enumerate(places)]
    path = write_enhanced(tmp_path / "e.dcm", frames, np.stack([plane(place) for place in places]))
    found = described(path).images
    assert len(found) == 2
    assert len({facts.part for facts in found}) == 2
    for facts in found:
        assert_in_place(read(facts))


def test_dimension_indices_order_what_no_time_orders(tmp_path: Path) -> None:
    places, frames, pixels = positions(3), [], []
    for depth, place in enumerate(places):
        for rank in (2, 1, 3):
            frames.append(frame_groups(place, index=(1, depth + 1, rank)))
            pixels.append(plane(place) + 1000 * rank)
    path = write_enhanced(tmp_path / "e", frames, np.stack(pixels), dimensions=(STACK, IN_STACK, 0x00189087))
    image = read(only(path))
    assert image.array.shape[:3] == (1, 3, 3)
    for time in range(3):
        assert_in_place(image, image.array[0, time] - 1000 * (time + 1))


def test_echoes_and_kinds_of_one_file_come_apart(tmp_path: Path) -> None:
    places, frames, pixels = positions(2), [], []
    for echo in (2.0, 5.0):
        for place in places:
            frames.append(frame_groups(place, MREchoSequence=item(EffectiveEchoTime=echo)))
            pixels.append(plane(place) + int(echo) * 100)
    found = described(write_enhanced(tmp_path / "e", frames, np.stack(pixels))).images
    assert [facts.part for facts in found] == ["axial-echo2ms", "axial-echo5ms"]
    for facts, echo in zip(found, (2, 5), strict=True):
        image = read(facts)
        assert_in_place(image, image.array[0] - echo * 100)


def test_each_frame_has_its_own_scale(tmp_path: Path) -> None:
    places, frames, pixels = positions(3), [], []
    for number, place in enumerate(places, 1):
        frames.append(
            frame_groups(
                place,
                PixelValueTransformationSequence=item(
                    RescaleSlope=number / 2, RescaleIntercept=-number, RescaleType="US"
                ),
            )
        )
        pixels.append((plane(place) + number) * 2 // number)
    path = write_enhanced(tmp_path / "e", frames, np.stack(pixels))
    image = read(only(path))
    assert image.array.dtype == np.float32
    assert_in_place(image, tolerance=1.5)


def test_volumes_in_files_of_their_own_become_time_points(tmp_path: Path) -> None:
    """As Siemens XA writes functional series: an enhanced file per volume."""
    places = positions(3)
    for time in range(3):
        frames = [
            frame_groups(place, content={"FrameAcquisitionDateTime": f"202402291200{time * 2 + 10}.5"})
            for place in places
        ]
        pixels = np.stack([plane(place) + 1000 * time for place in places])
        write_enhanced(tmp_path / f"{5 - time}", frames, pixels, InstanceNumber=time + 1)
    facts = only(tmp_path)
    assert len(facts.files) == 3
    image = read(facts)
    assert image.times == (0.0, 2.0, 4.0)
    for time in range(3):
        assert_in_place(image, image.array[0, time] - 1000 * time)


def test_files_that_do_not_fit_together_stay_apart(tmp_path: Path) -> None:
    for number, depth in ((1, 3), (2, 2)):
        places = positions(depth)
        pixels = np.stack([plane(place) + number for place in places])
        write_enhanced(tmp_path / str(number), [frame_groups(place) for place in places], pixels, InstanceNumber=number)
    found = described(tmp_path).images
    assert sorted(facts.shape[1] for facts in found) == [2, 3]
    for facts in found:
        image = read(facts)
        assert_in_place(image, image.array[0] - (2 if image.size[2] == 2 else 1))


@pytest.mark.parametrize("missing", ["position", "orientation", "measures"])
def test_nothing_is_invented_for_a_frame_without_a_place(tmp_path: Path, missing: str) -> None:
    from pydicom import dcmread

    places = positions(2)
    frames = [frame_groups(None if missing == "position" else place) for place in places]
    path = write_enhanced(
        tmp_path / "e",
        frames,
        np.stack([plane(place) for place in places]),
        orientation=None if missing == "orientation" else AXIAL,
    )
    if missing == "measures":
        dataset = dcmread(path)
        del dataset.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence
        dataset.save_as(path)
    reason = described(path).refused[0].reason
    assert "frame 1" in reason
    assert {"position": "(0020,9113)", "orientation": "(0020,9116)", "measures": "(0028,9110)"}[missing] in reason


def test_an_enhanced_file_without_functional_groups_is_refused(tmp_path: Path) -> None:
    from pydicom import dcmread

    path = write_enhanced(tmp_path / "e", [frame_groups((0, 0, 0))], plane((0, 0, 0))[None])
    dataset = dcmread(path)
    del dataset.SharedFunctionalGroupsSequence, dataset.PerFrameFunctionalGroupsSequence
    dataset.save_as(path)
    assert "does not say where frame 1 lies" in described(path).refused[0].reason


def test_one_frame_is_a_slice(tmp_path: Path) -> None:
    image = read(only(write_enhanced(tmp_path / "e", [frame_groups((1, 2, 3))], plane((1, 2, 3))[None])))
    assert image.axes == "CYX"
    assert_in_place(image)


def test_broken_numbers_in_the_groups_count_as_missing(tmp_path: Path) -> None:
    frames = [frame_groups((0, 0, 3 * index), content={"TemporalPositionIndex": None}) for index in range(2)]
    frames[0].PlanePositionSequence[0].ImagePositionPatient = [0.0, 0.0]
    pixels = np.stack([plane((0, 0, 3 * index)) for index in range(2)])
    assert "frame 1" in described(write_enhanced(tmp_path / "e", frames, pixels)).refused[0].reason


def test_frames_of_an_angiogram_follow_one_another_in_time(tmp_path: Path) -> None:
    def frame(second: float) -> Any:
        return frame_groups(content={"FrameAcquisitionDateTime": f"20240229120010.{second:.0f}"})

    frames = [frame(1), frame(3), frame(6)]
    pixels = np.arange(3 * 35).reshape(3, 5, 7)
    path = write_enhanced(
        tmp_path / "e", frames, pixels, sop_class="1.2.840.10008.5.1.4.1.1.12.1.1", orientation=None, Modality="XA"
    )
    image = read(only(path))
    assert image.axes == "CTYX"
    assert image.times == pytest.approx((0, 0.2, 0.5))
    assert not image.geometry.placed
    assert image.spacing == pytest.approx((SPACING[1], SPACING[0], 1.0))
    np.testing.assert_array_equal(image.array[0], pixels)


def test_philips_values_by_its_private_scale(tmp_path: Path) -> None:
    places, frames = positions(2), []
    for place in places:
        private = item()
        private.private_block(0x2005, "Philips MR Imaging DD 001", create=True).add_new(0x0E, "FL", 4.0)
        made = frame_groups(
            place, PixelValueTransformationSequence=item(RescaleSlope=2, RescaleIntercept=8, RescaleType="normalized")
        )
        made.private_block(0x2005, "Philips MR Imaging DD 005", create=True).add_new(0x0F, "SQ", [private])
        made[0x2005140F if 0x2005140F in made else 0x2005100F].value = [private]
        frames.append(made)
    for made in frames:
        made.add_new(0x20050014, "LO", "Philips MR Imaging DD 005")
        made.add_new(0x2005140F, "SQ", made[0x2005100F].value)
        del made[0x2005100F]
    pixels = np.stack([plane(place) for place in places])
    path = write_enhanced(tmp_path / "e", frames, pixels, Manufacturer="Philips Medical Systems")
    image = read(only(path))
    # (W x 2 + 8) / (2 x 4)
    np.testing.assert_allclose(image.array[0], pixels / 4 + 1, rtol=1e-6)
    assert any("precise" in note for note in image.notes)
