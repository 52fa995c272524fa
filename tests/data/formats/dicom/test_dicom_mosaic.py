"""Mosaics: every tile goes where its slice lies."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
from dicom_phantoms import (
    AXIAL,
    COLUMNS,
    OBLIQUE,
    ROWS,
    SPACING,
    assert_in_place,
    base,
    csa,
    described,
    item,
    only,
    plane,
    positions,
    read,
    save,
    write_mosaic,
)

from isocenter.core.errors import Unreadable
from isocenter.data.formats.dicom import csa as csa_headers
from isocenter.data.formats.dicom.mosaic import tiling_of


@pytest.mark.parametrize("orientation", [AXIAL, OBLIQUE])
@pytest.mark.parametrize("downwards", [False, True])
@pytest.mark.parametrize("count", [2, 5, 9])
def test_tiles_become_slices(tmp_path: Path, orientation: tuple[float, ...], downwards: bool, count: int) -> None:
    path = write_mosaic(tmp_path / "m.dcm", (3, -4, 50), count, orientation=orientation, downwards=downwards)
    image = read(only(path))
    assert image.size == (COLUMNS, ROWS, count)
    assert image.spacing == pytest.approx((SPACING[1], SPACING[0], 4.0))
    assert_in_place(image)
    assert {uid for uid, _ in image.origin.slices} == {only(path).instances[0]}


def test_mosaics_over_time(tmp_path: Path) -> None:
    for time in range(3):
        write_mosaic(tmp_path / f"{9 - time}", (0, 0, 0), 5, add=1000 * time, AcquisitionTime=f"1200{time * 2:02d}.5")
    image = read(only(tmp_path))
    assert image.axes == "CTZYX"
    assert image.times == (0.0, 2.0, 4.0)
    for time in range(3):
        assert_in_place(image, image.array[0, time] - 1000 * time)


def test_without_the_direction_of_its_slices_a_mosaic_is_refused(tmp_path: Path) -> None:
    write_mosaic(tmp_path / "count.dcm", (0, 0, 0), 5, header=csa({"NumberOfImagesInMosaic": [5]}))
    write_mosaic(tmp_path / "none.dcm", (0, 0, 0), 5, header=b"")
    write_mosaic(tmp_path / "rubbish.dcm", (0, 0, 0), 5, header=b"no such header at all")
    reasons = {Path(one.path).name: one.reason for one in described(tmp_path).refused}
    assert "SliceNormalVector" in reasons["count.dcm"]
    assert "NumberOfImagesInMosaic" in reasons["none.dcm"]
    assert "NumberOfImagesInMosaic" in reasons["rubbish.dcm"]


def test_a_mosaic_without_distance_or_place_is_refused(tmp_path: Path) -> None:
    write_mosaic(tmp_path / "a.dcm", (0, 0, 0), 4, step=0)
    dataset = base(ImageType=["ORIGINAL", "PRIMARY", "MOSAIC"], Rows=10, Columns=14)
    dataset.private_block(0x0029, "SIEMENS CSA HEADER", create=True).add_new(
        0x10, "OB", csa({"NumberOfImagesInMosaic": [4], "SliceNormalVector": [0, 0, 1]})
    )
    save(dataset, tmp_path / "b.dcm", np.arange(140).reshape(10, 14))
    reasons = [one.reason for one in described(tmp_path).refused]
    assert any("how far apart" in reason for reason in reasons)
    assert any("position, orientation or pixel size" in reason for reason in reasons)


def test_the_plain_header_gives_the_count_where_the_private_one_does_not(tmp_path: Path) -> None:
    from pydicom import dcmread

    for name, element, vr, value in (("count", 0x0A, "US", 5), ("times", 0x29, "FD", [0.0, 1.0, 2.0, 3.0, 4.0])):
        path = write_mosaic(tmp_path / name, (0, 0, 0), 5, header=csa({"SliceNormalVector": [0, 0, 1]}))
        dataset = dcmread(path)
        dataset.private_block(0x0019, "SIEMENS MR HEADER", create=True).add_new(element, vr, value)
        dataset.save_as(path)
        assert_in_place(read(only(path)))


def test_the_word_mosaic_on_a_slice_that_stands_alone(tmp_path: Path) -> None:
    """As XA scanners export: no private header, and no larger than the matrix that was acquired."""
    from pydicom import dcmread

    for index, place in enumerate(positions(3)):
        dataset = base(
            ImageType=["ORIGINAL", "PRIMARY", "M", "MOSAIC"],
            AcquisitionMatrix=[0, ROWS, COLUMNS, 0],
            Rows=ROWS,
            Columns=COLUMNS,
            PixelSpacing=list(SPACING),
            ImagePositionPatient=[float(value) for value in place],
            ImageOrientationPatient=list(AXIAL),
        )
        assert dcmread(save(dataset, tmp_path / str(index), plane(place))).Rows == ROWS
    image = read(only(tmp_path))
    assert image.size == (COLUMNS, ROWS, 3)
    assert_in_place(image)


def test_a_grid_of_united_imaging(tmp_path: Path) -> None:
    places = positions(3, step=5.0)
    picture = np.zeros((2 * ROWS, 2 * COLUMNS), int)
    for index, place in enumerate(places):
        top, left = index // 2 * ROWS, index % 2 * COLUMNS
        picture[top : top + ROWS, left : left + COLUMNS] = plane(place)
    dataset = base(
        Rows=2 * ROWS,
        Columns=2 * COLUMNS,
        PixelSpacing=list(SPACING),
        ImageOrientationPatient=list(AXIAL),
        ImagePositionPatient=[0.0, 0.0, 0.0],
    )
    block = dataset.private_block(0x0065, "Image Private Header", create=True)
    block.add_new(0x50, "DS", "3")
    block.add_new(0x51, "SQ", [item(ImagePositionPatient=[float(value) for value in place]) for place in places])
    path = save(dataset, tmp_path / "grid", picture)
    assert_in_place(read(only(path)))
    del dataset[0x00651051]
    save(dataset, path, picture)
    assert "where each of them lies" in described(path).refused[0].reason


def test_tiles_that_do_not_divide_are_refused() -> None:
    with pytest.raises(Unreadable, match="does not divide into 3 x 3"):
        tiling_of(7, 64, 64, "x")


@pytest.mark.parametrize("second", [True, False])
def test_private_headers_read_as_nibabel_reads_them(second: bool) -> None:
    raw = csa({"Nothing": [], "EchoLinePosition": [64], "SliceNormalVector": [0.1, -0.25, 0.9]}, second=second)
    ours = csa_headers.entries(raw)
    assert ours == {"Nothing": [], "EchoLinePosition": ["64"], "SliceNormalVector": ["0.1", "-0.25", "0.9"]}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from nibabel.nicom import csareader

        theirs = csareader.read(raw)["tags"]
    assert theirs["SliceNormalVector"]["items"][:3] == csa_headers.numbers(ours, "SliceNormalVector")
    assert csa_headers.numbers({"a": ["x"]}, "a") == []


@pytest.mark.parametrize("cut", [0, 3, 9, 60, 120, 180])
def test_cut_private_headers_end_in_one_kind_of_error(cut: int) -> None:
    raw = csa({"EchoLinePosition": [64], "SliceNormalVector": [0.1, -0.25, 0.9]})[:cut]
    outcome = "read"
    try:
        csa_headers.entries(raw)
    except ValueError as error:
        outcome = str(error)
    assert outcome == "read" or "CSA header" in outcome
