"""Any format in, any out; the names are readable, nothing is overwritten, what does not fit is told."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pytest

import isocenter as iso
from isocenter.core.errors import IsocenterError, StorageProblem, Unreadable, UsageError


@pytest.fixture
def volume(tmp_path: Path) -> Path:
    """An oblique volume as NIfTI."""
    array = np.arange(2 * 5 * 6 * 7, dtype=np.int16).reshape(1, 10, 6, 7)
    turn = np.array([[0.8, -0.6, 0], [0.6, 0.8, 0], [0, 0, 1]])
    geometry = iso.Geometry.from_parts(origin=(3, -4, 5), spacing=(1, 2, 3), direction=turn)
    iso.write(iso.Image(array=array, axes="CZYX", geometry=geometry), tmp_path / "in" / "scan.nii.gz")
    return tmp_path / "in" / "scan.nii.gz"


@pytest.mark.parametrize("ending", ["nrrd", "mha", "nii", "dcm"])
def test_a_volume_keeps_every_voxel_in_its_place(volume: Path, tmp_path: Path, ending: str) -> None:
    result = iso.convert(volume, into=tmp_path / "out", format=ending)
    assert len(result.written) == 1
    before = iso.read(volume)[0]
    after = iso.read(tmp_path / "out")[0]
    corner = before.geometry.points([(4, 3, 2)])
    x, y, z = np.round(after.geometry.indices(corner)[0]).astype(int)
    assert after.array[0, z, y, x] == before.array[0, 2, 3, 4]
    assert after.geometry.matches(before.geometry, tolerance=1e-3)


def test_a_volume_is_turned_on_request(volume: Path, tmp_path: Path) -> None:
    iso.convert(volume, into=tmp_path / "turned.nii.gz", orientation="RAS")
    assert iso.read(tmp_path / "turned.nii.gz")[0].geometry.orientation == "RAS"
    with pytest.raises(UsageError, match="orientation"):
        iso.convert(volume, into=tmp_path / "x.nii.gz", orientation="LLL")


def test_several_images_get_names_of_their_own(volume: Path, tmp_path: Path) -> None:
    second = tmp_path / "in" / "deeper" / "scan.nii.gz"
    second.parent.mkdir()
    second.write_bytes(volume.read_bytes())
    result = iso.convert(tmp_path / "in", into=tmp_path / "out", format="nrrd")
    assert sorted(Path(one.files[0]).name for one in result.written) == ["scan.nrrd", "scan_2.nrrd"]
    with pytest.raises(UsageError, match="2 images"):
        iso.convert(tmp_path / "in", into=tmp_path / "one.nrrd")


def test_a_bad_file_among_good_ones_is_named(volume: Path, tmp_path: Path) -> None:
    (tmp_path / "in" / "torn.nii.gz").write_bytes(volume.read_bytes()[:60])
    result = iso.convert(tmp_path / "in", into=tmp_path / "out")
    assert len(result.written) == 1
    assert [Path(one.path).name for one in result.refused] == ["torn.nii.gz"]


@pytest.mark.parametrize(
    ("source", "into", "options", "error", "words"),
    [
        ("nowhere", "out", {}, UsageError, "does not exist"),
        ("in", "x.docx", {}, UsageError, "Known endings"),
        ("in", "out", {"format": "docx"}, UsageError, "Known endings"),
        ("empty", "out", {}, Unreadable, "no image to convert"),
        ("in/scan.nii.gz", "x.png", {}, IsocenterError, "x.png"),
    ],
)
def test_what_does_not_fit_is_told(
    volume: Path,
    tmp_path: Path,
    source: str,
    into: str,
    options: dict[str, str],
    error: type[IsocenterError],
    words: str,
) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(error, match=words):
        iso.convert(tmp_path / source, into=tmp_path / into, **options)


def test_a_mask_from_any_format_becomes_a_segmentation_of_its_series(tmp_path: Path) -> None:
    geometry = iso.Geometry.from_parts(origin=(-10, -20, 30), spacing=(1, 1, 2.5), direction=np.eye(3))
    pixels = np.arange(4 * 6 * 5, dtype=np.int16).reshape(1, 4, 6, 5)
    scan = iso.Image(array=pixels, axes="CZYX", geometry=geometry, modality="MR")
    iso.write(scan, tmp_path / "series.dcm")
    drawn = iso.Image(array=(pixels > 80).astype(np.uint8), axes="CZYX", geometry=geometry)
    iso.write(drawn, tmp_path / "mask.nii.gz")
    iso.convert(tmp_path / "mask.nii.gz", into=tmp_path / "seg.dcm", reference=tmp_path / "series.dcm")
    seg = iso.read(tmp_path / "seg.dcm")[0]
    assert seg.intensity == "label"
    assert int((seg.array != 0).sum()) == int(drawn.array.sum())
    corner = np.argwhere(seg.array[0] != 0)[0][::-1]
    index = np.round(geometry.indices(seg.geometry.points(corner))).astype(int)
    assert drawn.array[0, index[2], index[1], index[0]] == 1
    other = iso.Image(array=pixels + 0.5, axes="CZYX", geometry=geometry)
    iso.write(other, tmp_path / "float.nii.gz")
    with pytest.raises(UsageError, match="whole numbers"):
        iso.convert(tmp_path / "float.nii.gz", into=tmp_path / "x.dcm", reference=tmp_path / "series.dcm")
    with pytest.raises(UsageError, match="one DICOM series"):
        iso.convert(tmp_path / "mask.nii.gz", into=tmp_path / "x.dcm", reference=tmp_path / "mask.nii.gz")


def test_a_dicom_series_becomes_the_nifti_that_its_tools_expect(tmp_path: Path) -> None:
    geometry = iso.Geometry.from_parts(origin=(-10, -20, 30), spacing=(1, 1, 2.5), direction=np.eye(3))
    pixels = np.arange(4 * 6 * 5, dtype=np.int16).reshape(1, 4, 6, 5)
    iso.write(iso.Image(array=pixels, axes="CZYX", geometry=geometry, modality="MR"), tmp_path / "series.dcm")
    iso.convert(tmp_path / "series.dcm", into=tmp_path / "scan.nii.gz")
    scan = iso.read(tmp_path / "scan.nii.gz")[0]
    assert scan.geometry.orientation == "LAS"
    np.testing.assert_array_equal(scan.oriented("LPS").array, pixels)
    iso.convert(tmp_path / "series.dcm", into=tmp_path / "kept.nii.gz", orientation="LPS")
    assert iso.read(tmp_path / "kept.nii.gz")[0].geometry.orientation == "LPS"


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_source_is_never_written_over(volume: Path, tmp_path: Path, overwrite: bool) -> None:
    before = volume.read_bytes()
    (tmp_path / "link").symlink_to(volume.parent)
    for into in (volume.parent, volume, tmp_path / "link"):
        with pytest.raises(UsageError, match="one of the sources"):
            iso.convert(volume.parent, into=into, orientation="LPS", overwrite=overwrite)
    assert volume.read_bytes() == before


def test_a_torn_source_is_not_written_over_by_its_sound_neighbour(volume: Path) -> None:
    (volume.parent / "scan.nrrd").write_bytes(b"NRRD0005\ntorn")
    with pytest.raises(UsageError, match=r"scan\.nrrd would be written over"):
        iso.convert(volume.parent, into=volume.parent, format="nrrd", overwrite=True)


def test_files_that_are_there_are_replaced_on_request_only(volume: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "scan.zraw").write_bytes(b"of somebody else")
    with pytest.raises(UsageError, match="--overwrite"):
        iso.convert(volume, into=tmp_path / "out", format="mhd")
    assert (tmp_path / "out" / "scan.zraw").read_bytes() == b"of somebody else"
    result = iso.convert(volume, into=tmp_path / "out", format="mhd", overwrite=True)
    assert [Path(one).name for one in result.written[0].files] == ["scan.mhd", "scan.zraw"]
    assert iso.read(tmp_path / "out" / "scan.mhd")[0].geometry.matches(iso.read(volume)[0].geometry, tolerance=1e-3)


def test_an_image_that_the_format_cannot_hold_stops_nobody_else(tmp_path: Path) -> None:
    (tmp_path / "s").mkdir()
    whole = np.arange(400).reshape(20, 20)
    for name, array in (("a", whole.astype(np.uint8)), ("b", whole / 3), ("c", whole.astype(np.uint8))):
        np.save(tmp_path / "s" / f"{name}.npy", array)
    result = iso.convert(tmp_path / "s", into=tmp_path / "o", format="png")
    assert [Path(one.files[0]).name for one in result.written] == ["a.png", "c.png"]
    assert [Path(one.path).name for one in result.refused] == ["b.npy"]
    with pytest.raises(UsageError):
        iso.convert(tmp_path / "s" / "b.npy", into=tmp_path / "b.png")


def test_a_full_disk_stops_the_batch_and_leaves_what_was_there(
    volume: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (volume.parent / "second.nii.gz").write_bytes(volume.read_bytes())
    iso.convert(volume.parent, into=tmp_path / "out", format="npy")
    before = (tmp_path / "out" / "scan.npy").read_bytes()

    def full(file: BinaryIO, *_: object, **__: object) -> None:
        file.write(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(np, "save", full)
    with pytest.raises(StorageProblem, match="disk is full"):
        iso.convert(volume.parent, into=tmp_path / "out", format="npy", overwrite=True)
    assert (tmp_path / "out" / "scan.npy").read_bytes() == before
    assert sorted(one.name for one in (tmp_path / "out").iterdir()) == ["scan.npy", "second.npy"]
