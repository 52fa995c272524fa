"""Classic series: slices go where they lie, and what does not fit together is told apart."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from dicom_phantoms import (
    AXIAL,
    CT,
    OBLIQUE,
    assert_in_place,
    described,
    normal_of,
    only,
    plane,
    positions,
    read,
    values_at,
    write_series,
    write_slice,
)

from isocenter.core.errors import GeometryRefused
from isocenter.data.formats._shared import ReadOptions
from isocenter.data.formats.dicom import FORMAT

CORONAL = (1.0, 0.0, 0.0, 0.0, 0.0, -1.0)
SAGITTAL = (0.0, 1.0, 0.0, 0.0, 0.0, -1.0)


@pytest.mark.parametrize("orientation", [AXIAL, CORONAL, SAGITTAL, OBLIQUE, (-1.0, 0.0, 0.0, 0.0, 1.0, 0.0)])
def test_slices_are_stacked_by_position(tmp_path: Path, orientation: tuple[float, ...]) -> None:
    paths = write_series(tmp_path, positions(5, orientation=orientation), orientation)
    facts = only(*paths)
    image = read(facts)
    assert image.axes == "CZYX"
    assert_in_place(image)
    assert [Path(path).name for path in facts.files] == [path.name for path in paths]
    np.testing.assert_allclose(image.geometry.direction[:, 2], normal_of(orientation), atol=1e-9)
    assert image.spacing == pytest.approx((1.5, 2.0, 3.0))
    assert facts.notes == ()


def test_a_single_slice_keeps_its_place(tmp_path: Path) -> None:
    image = read(only(write_slice(tmp_path / "one", (1, 2, 3), OBLIQUE)))
    assert image.axes == "CYX"
    assert image.geometry.placed
    assert image.spacing == pytest.approx((1.5, 2.0, 3.0))
    assert_in_place(image)


def test_thickness_may_be_missing(tmp_path: Path) -> None:
    gap = read(only(write_slice(tmp_path / "gap", (1, 2, 3), SliceThickness=None, SpacingBetweenSlices=4.5)))
    bare = read(only(write_slice(tmp_path / "bare", (1, 2, 3), SliceThickness=None)))
    assert gap.spacing == pytest.approx((1.5, 2.0, 4.5))
    assert bare.spacing == pytest.approx((1.5, 2.0, 1.0))


def test_orientations_of_one_series_become_images_of_their_own(tmp_path: Path) -> None:
    for name, orientation in (("a", AXIAL), ("c", CORONAL), ("s", SAGITTAL)):
        write_series(tmp_path / name, positions(3, orientation=orientation), orientation)
    found = described(tmp_path)
    assert sorted(facts.part for facts in found.images) == ["axial", "coronal", "sagittal"]
    assert {facts.group for facts in found.images} == {"1.2.3.4"}
    for facts in found.images:
        assert_in_place(read(facts))


def test_sizes_of_one_series_become_images_of_their_own(tmp_path: Path) -> None:
    write_series(tmp_path, positions(3))
    write_slice(tmp_path / "large", (0, 0, 0), pixels=plane((0, 0, 0), shape=(9, 11)), InstanceNumber=99)
    parts = {facts.part: facts.shape for facts in described(tmp_path).images}
    assert parts == {"axial-7x5": (1, 3, 5, 7), "axial-11x9": (1, 9, 11)}


def test_echoes_at_one_position_become_images_of_their_own(tmp_path: Path) -> None:
    for echo in (1, 2):
        write_series(tmp_path / str(echo), positions(3), EchoNumbers=echo, EchoTime=echo * 10.0)
    found = described(tmp_path).images
    assert [facts.part for facts in found] == ["axial-echo1", "axial-echo2"]
    for facts in found:
        assert_in_place(read(facts))
        assert f"/{facts.part[-1]}/" in facts.files[0]


def test_echo_times_tell_apart_where_echo_numbers_do_not(tmp_path: Path) -> None:
    for echo in (4.5, 9.0):
        write_series(tmp_path / str(echo), positions(3), EchoTime=echo)
    assert [facts.part for facts in described(tmp_path).images] == ["axial-echo4.5ms", "axial-echo9ms"]


def test_magnitude_and_phase_become_images_of_their_own(tmp_path: Path) -> None:
    for kind in ("M", "P"):
        write_series(tmp_path / kind, positions(3), ImageType=["ORIGINAL", "PRIMARY", kind])
    assert [facts.part for facts in described(tmp_path).images] == ["axial-m", "axial-p"]


def test_image_types_at_different_positions_stay_one_volume(tmp_path: Path) -> None:
    for index, place in enumerate(positions(4)):
        write_slice(tmp_path / str(index), place, ImageType=["ORIGINAL", "PRIMARY", f"KIND{index % 2}"])
    assert_in_place(read(only(tmp_path)))


def test_series_are_not_mixed(tmp_path: Path) -> None:
    write_series(tmp_path / "a", positions(3))
    write_series(tmp_path / "b", positions(3), SeriesInstanceUID="1.2.3.9")
    assert [facts.series for facts in described(tmp_path).images] == ["1.2.3.4", "1.2.3.9"]


def test_files_without_a_series_stand_alone(tmp_path: Path) -> None:
    for index, place in enumerate(positions(2)):
        write_slice(tmp_path / str(index), place, SeriesInstanceUID=None)
    found = described(tmp_path).images
    assert [facts.axes for facts in found] == ["CYX", "CYX"]
    assert [facts.key for facts in found] == [facts.files[0] for facts in found]


def test_pictures_without_a_place_stand_alone(tmp_path: Path) -> None:
    for number in (1, 2):
        write_slice(
            tmp_path / str(number),
            (0, 0, 0),
            ImagePositionPatient=None,
            ImageOrientationPatient=None,
            InstanceNumber=number,
            Modality="CR",
        )
    found = described(tmp_path).images
    assert [facts.part for facts in found] == ["image1", "image2"]
    image = read(found[0])
    assert not image.geometry.placed
    assert image.spacing == pytest.approx((1.5, 2.0, 1.0))


def test_copies_of_an_instance_are_left_out_and_named(tmp_path: Path) -> None:
    paths = write_series(tmp_path, positions(4))
    copy = tmp_path / "zz-copy.dcm"
    copy.write_bytes(paths[1].read_bytes())
    found = described(tmp_path)
    assert [facts.shape for facts in found.images] == [(1, 4, 5, 7)]
    assert "zz-copy.dcm" in found.images[0].notes[0]
    assert [(Path(one.path).name, one.reason) for one in found.refused] == [
        ("zz-copy.dcm", f"is a copy of {paths[1].name}: both carry the same SOP instance UID.")
    ]
    assert_in_place(read(found.images[0]))


def test_a_missing_slice_is_refused_by_name_or_filled(tmp_path: Path) -> None:
    places = positions(6)
    paths = write_series(tmp_path, [place for index, place in enumerate(places) if index != 3])
    facts = only(tmp_path)
    assert any(f"a slice is missing between {paths[2].name} and {paths[3].name}" in note for note in facts.notes)
    with pytest.raises(GeometryRefused, match=f"missing between {paths[2].name} and {paths[3].name}"):
        FORMAT.read(facts, ReadOptions())
    image = read(facts, resample=True)
    assert image.size == (7, 5, 6)
    assert any("resampled onto a regular grid" in note for note in image.notes)
    assert_in_place(image, tolerance=1)


def test_uneven_slices_are_refused_by_name_or_resampled(tmp_path: Path) -> None:
    places = positions(5)
    places[2] = places[2] + (0, 0, 1.2)
    paths = write_series(tmp_path, places)
    facts = only(tmp_path)
    with pytest.raises(GeometryRefused, match=f"unevenly spaced.*{paths[2].name}"):
        FORMAT.read(facts, ReadOptions())
    image = read(facts, resample=True)
    assert_in_place(image, tolerance=1)


def test_positions_rounded_by_the_scanner_are_even(tmp_path: Path) -> None:
    write_series(tmp_path, [(0, 0, round(1.25 * index, 1)) for index in range(8)])
    image = read(only(tmp_path))
    assert image.spacing == pytest.approx((1.5, 2.0, 1.25), abs=0.02)
    assert any("off even spacing" in note for note in image.notes)


def test_a_tilted_gantry_is_refused_or_sheared_back(tmp_path: Path) -> None:
    angle = np.radians(15)
    # The slices stay axial while the table moves: each lies a little further along y.
    places = [np.asarray((0.0, 4.0 * np.tan(angle) * index, 4.0 * index)) for index in range(5)]
    write_series(tmp_path, places, sop_class=CT, RescaleSlope=1, RescaleIntercept=0)
    facts = only(tmp_path)
    with pytest.raises(GeometryRefused, match=r"gantry tilt of 15\.0 degrees"):
        FORMAT.read(facts, ReadOptions())
    image = read(facts, resample=True)
    assert image.geometry.is_orthogonal
    assert image.size[1] > 5
    array, wanted = image.array[0], values_at(image.geometry, image.size)
    covered = np.zeros(array.shape, bool)
    for index, place in enumerate(places):
        offset = (place[1] - image.geometry.origin[1]) / 2.0
        covered[index, int(np.ceil(offset)) : int(np.floor(offset + 4)) + 1] = True
    np.testing.assert_allclose(array[covered], wanted[covered], atol=1)
    assert int(array[~covered].min()) == int(array.min())


def test_slices_shifted_sideways_are_refused(tmp_path: Path) -> None:
    places = positions(5)
    places[2] = places[2] + (4.0, 0, 0)
    write_series(tmp_path, places)
    with pytest.raises(GeometryRefused, match="shifted sideways"):
        FORMAT.read(only(tmp_path), ReadOptions())


def test_two_pictures_at_one_position_are_refused_by_both_names(tmp_path: Path) -> None:
    paths = write_series(tmp_path, positions(4))
    other = write_slice(tmp_path / "zz-other.dcm", positions(4)[2], pixels=plane((9, 9, 9)), InstanceNumber=50)
    facts = only(tmp_path)
    assert any("lie at the same position" in note for note in facts.notes)
    assert set(facts.files) == {path.as_posix() for path in (*paths, other)}
    for resample in (False, True):
        with pytest.raises(GeometryRefused) as refused:
            FORMAT.read(facts, ReadOptions(resample=resample))
        assert paths[2].name in str(refused.value)
        assert other.name in str(refused.value)


def test_the_same_picture_twice_at_one_position_is_read_once(tmp_path: Path) -> None:
    write_series(tmp_path, positions(4))
    write_slice(tmp_path / "again.dcm", positions(4)[2], InstanceNumber=50)
    image = read(only(tmp_path))
    assert image.size == (7, 5, 4)
    assert_in_place(image)
    assert any("repeat another's position and pixels" in note for note in image.notes)


def test_a_repeated_slice_does_not_hide_a_missing_one(tmp_path: Path) -> None:
    places = positions(5)
    write_series(tmp_path, [place for index, place in enumerate(places) if index != 2])
    write_slice(tmp_path / "again.dcm", places[4], InstanceNumber=50)
    facts = only(tmp_path)
    with pytest.raises(GeometryRefused, match="a slice is missing"):
        FORMAT.read(facts, ReadOptions())
    assert_in_place(read(facts, resample=True), tolerance=1)


def test_a_broken_orientation_places_nothing(tmp_path: Path) -> None:
    image = read(only(write_slice(tmp_path / "a", (0, 0, 0), ImageOrientationPatient=[1.0, 0, 0, 1.0, 0, 0])))
    assert not image.geometry.placed


def test_a_scout_of_a_ct_is_split_off(tmp_path: Path) -> None:
    write_series(tmp_path, positions(4), sop_class=CT, RescaleSlope=1, RescaleIntercept=-1024)
    write_slice(
        tmp_path / "scout",
        (0, 0, 0),
        CORONAL,
        sop_class=CT,
        ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"],
        RescaleSlope=1,
        RescaleIntercept=-1024,
    )
    parts = {facts.part: facts.axes for facts in described(tmp_path).images}
    assert parts == {"axial": "CZYX", "coronal": "CYX"}


def test_without_pixel_size_there_is_no_place(tmp_path: Path) -> None:
    write_series(tmp_path, positions(3), PixelSpacing=None)
    image = read(only(tmp_path))
    assert image.axes == "CZYX"
    assert image.spacing is None
    assert not image.geometry.placed
