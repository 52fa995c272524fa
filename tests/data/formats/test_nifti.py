"""NIfTI: where voxels lie, what values mean, and what is refused."""

from __future__ import annotations

import gzip
from pathlib import Path

import nibabel
import numpy as np
import pytest

from isocenter.core.errors import IsocenterError, Unreadable, UsageError
from isocenter.core.geometry import Geometry
from isocenter.core.image import Image, Intensity
from isocenter.data import files
from isocenter.data.formats._shared import Described
from isocenter.data.formats.nifti import FORMAT

VOLUME = np.arange(60, dtype=np.int16).reshape(3, 4, 5)  # x, y, z
TURNED = np.array([[0, -2.0, 0, 5], [1.5, 0, 0, -7], [0, 0, 3.0, 11], [0, 0, 0, 1]])


def saved(path: Path, data: np.ndarray = VOLUME, affine: np.ndarray | None = TURNED, **fields: object) -> Path:
    image = nibabel.Nifti1Image(data, affine, dtype=data.dtype)
    image.header.set_xyzt_units("mm", "sec")
    for name, value in fields.items():
        image.header[name] = value
    image.to_filename(path)
    return path


def patched(path: Path, **fields: object) -> Path:
    """Fields that nibabel would put right when it saves."""
    data = bytearray(path.read_bytes())
    header = nibabel.Nifti1Header(bytes(data[:348]), check=False)
    for name, value in fields.items():
        header[name] = value
    data[:348] = header.binaryblock
    path.write_bytes(data)
    return path


def only(path: Path) -> Image:
    (image,) = files.read(path)
    return image


def refusal(*paths: Path) -> str:
    found: Described = FORMAT.describe(paths)
    assert not found.images
    return " ".join(one.reason for one in found.refused)


@pytest.mark.parametrize("ending", [".nii", ".nii.gz"])
def test_the_same_value_lies_at_the_same_place(tmp_path: Path, ending: str) -> None:
    path = saved(tmp_path / f"scan{ending}")
    image = only(path)
    assert image.array.shape == (1, 5, 4, 3)
    right_anterior = TURNED @ [2, 1, 3, 1]
    point = image.geometry.points([2, 1, 3])
    assert point == pytest.approx([-right_anterior[0], -right_anterior[1], right_anterior[2]])
    assert image.array[0, 3, 1, 2] == VOLUME[2, 1, 3]
    assert image.array.dtype == np.int16
    assert image.notes == ()


def test_pairs_of_files_are_one_image(tmp_path: Path) -> None:
    nibabel.Nifti1Pair(VOLUME, TURNED).to_filename(tmp_path / "scan.hdr")
    found = files.describe(sorted(tmp_path.iterdir()))
    (facts,) = found.images
    assert [Path(name).name for name in facts.files] == ["scan.hdr", "scan.img"]
    assert not found.refused
    assert np.array_equal(files.read_facts(facts).array[0].T, VOLUME)


def test_half_a_pair_is_refused(tmp_path: Path) -> None:
    nibabel.Nifti1Pair(VOLUME, TURNED).to_filename(tmp_path / "scan.hdr")
    (tmp_path / "scan.img").rename(tmp_path / "other.img")
    assert "pixels, the .img" in refusal(tmp_path / "scan.hdr")
    assert "header, the .hdr" in refusal(tmp_path / "other.img")


def test_analyze_is_refused_for_its_doubt_of_left_and_right(tmp_path: Path) -> None:
    nibabel.AnalyzeImage(VOLUME, np.eye(4)).to_filename(tmp_path / "scan.hdr")
    assert files.identify(tmp_path / "scan.hdr") == "nifti"
    assert "which side is left" in refusal(tmp_path / "scan.hdr")


def test_nifti_2_is_read(tmp_path: Path) -> None:
    nibabel.Nifti2Image(VOLUME, TURNED).to_filename(tmp_path / "scan.nii")
    assert np.array_equal(only(tmp_path / "scan.nii").array[0].T, VOLUME)


def test_big_endian_is_read(tmp_path: Path) -> None:
    header = nibabel.Nifti1Header(endianness=">")
    header.set_data_dtype(np.int16)
    nibabel.Nifti1Image(VOLUME, TURNED, header).to_filename(tmp_path / "scan.nii")
    assert np.array_equal(only(tmp_path / "scan.nii").array[0].T, VOLUME)
    assert only(tmp_path / "scan.nii").array.dtype.isnative


def test_disagreement_of_sform_and_qform_is_told_in_millimetres(tmp_path: Path) -> None:
    image = nibabel.Nifti1Image(VOLUME, TURNED)
    image.set_qform(TURNED, 1)
    moved = TURNED.copy()
    moved[0, 3] += 4
    image.set_sform(moved, 2)
    image.to_filename(tmp_path / "scan.nii")
    read = only(tmp_path / "scan.nii")
    assert any("disagree by up to 4.00 mm" in note for note in read.notes)
    assert read.geometry.origin[0] == pytest.approx(-9.0)


def test_the_qform_stands_in_for_a_missing_sform(tmp_path: Path) -> None:
    image = nibabel.Nifti1Image(VOLUME, None)
    image.set_qform(TURNED, 1)
    image.set_sform(None, 0)
    image.to_filename(tmp_path / "scan.nii")
    assert np.allclose(only(tmp_path / "scan.nii").geometry.to_ras(), TURNED, atol=1e-5)


def test_without_either_form_only_the_spacing_is_known(tmp_path: Path) -> None:
    path = saved(tmp_path / "scan.nii")
    read = only(patched(path, sform_code=0, qform_code=0))
    assert not read.geometry.placed
    assert read.spacing == pytest.approx((1.5, 2.0, 3.0))
    assert any("which side is left" in note for note in read.notes)


def test_a_singular_sform_is_told_and_not_used(tmp_path: Path) -> None:
    path = patched(saved(tmp_path / "scan.nii"), srow_x=[0, 0, 0, 0], sform_code=1, qform_code=1)
    read = only(path)
    assert any("sform is set but cannot be inverted" in note for note in read.notes)
    assert np.allclose(read.geometry.to_ras()[:3, :3], np.diag([1.5, 2, 3]), atol=3)
    assert read.geometry.placed


def test_an_unsound_quaternion_is_told_and_not_used(tmp_path: Path) -> None:
    path = patched(saved(tmp_path / "scan.nii"), quatern_b=9.0, sform_code=0, qform_code=1)
    read = only(path)
    assert any("qform is set but cannot be inverted" in note for note in read.notes)
    assert not read.geometry.placed


@pytest.mark.parametrize(("unit", "factor"), [(1, 1000.0), (2, 1.0), (3, 0.001), (0, 1.0)])
def test_units_of_length_become_millimetres(tmp_path: Path, unit: int, factor: float) -> None:
    read = only(patched(saved(tmp_path / "scan.nii"), xyzt_units=unit))
    assert read.spacing == pytest.approx(tuple(size * factor for size in (1.5, 2.0, 3.0)))
    assert any("unit of length" in note for note in read.notes) == (unit == 0)


def test_frames_have_times_where_the_unit_is_named(tmp_path: Path) -> None:
    frames = np.zeros((3, 4, 2, 3), np.uint8)
    path = patched(saved(tmp_path / "scan.nii", frames), xyzt_units=2 | 16, pixdim=[1, 1, 1, 1, 500, 1, 1, 1])
    assert only(path).times == (0.0, 0.5, 1.0)
    assert only(patched(path, xyzt_units=2)).times is None


def test_scaling_keeps_whole_numbers_whole(tmp_path: Path) -> None:
    path = patched(saved(tmp_path / "scan.nii"), scl_slope=2, scl_inter=-1024)
    read = only(path)
    assert read.array.dtype == np.int32
    assert np.array_equal(read.array[0].T, VOLUME.astype(np.int32) * 2 - 1024)
    path = patched(path, scl_slope=0.5, scl_inter=0)
    assert only(path).array.dtype == np.float32
    assert only(path).array[0, 0, 0, 1] == VOLUME[1, 0, 0] * 0.5
    assert only(patched(path, scl_slope=0, scl_inter=7)).array.dtype == np.int16


def test_values_that_are_not_numbers_are_told(tmp_path: Path) -> None:
    data = np.ones((3, 3, 3), np.float32)
    data[0, 0, 0] = np.nan
    assert any("1 values are not numbers" in note for note in only(saved(tmp_path / "scan.nii", data)).notes)


def test_vectors_and_colours_become_channels(tmp_path: Path) -> None:
    vectors = np.arange(3 * 4 * 2 * 3, dtype=np.float32).reshape(3, 4, 2, 1, 3)
    read = only(saved(tmp_path / "vector.nii", vectors, intent_code=1007))
    assert read.axes == "CZYX"
    assert np.array_equal(read.array[2].T, vectors[..., 0, 2])
    colours = np.zeros((3, 4, 2), [("R", "u1"), ("G", "u1"), ("B", "u1")])
    colours["G"] = 200
    read = only(saved(tmp_path / "colour.nii", colours))
    assert (read.intensity, read.array[:, 0, 0, 0].tolist()) == (Intensity.RGB, [0, 200, 0])


def test_a_label_map_is_a_mask(tmp_path: Path) -> None:
    (facts,) = FORMAT.describe([saved(tmp_path / "scan.nii", intent_code=1002)]).images
    assert (facts.role, facts.intensity) == ("mask", Intensity.LABEL)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"dim": [3, 3000, 3000, 3000, 1, 1, 1, 1]}, "GB of pixels"),
        ({"dim": [3, 3, 4, 50, 1, 1, 1, 1]}, "cut short"),
        ({"dim": [3, 3, 0, 5, 1, 1, 1, 1]}, "without pixels"),
        ({"dim": [9, 3, 4, 5, 1, 1, 1, 1]}, "dimensions"),
        ({"dim": [6, 3, 4, 5, 1, 1, 2, 1]}, "dimensions"),
        ({"datatype": 32, "bitpix": 64}, "no model takes"),
        ({"datatype": 77}, "not of its kind"),
        ({"vox_offset": -4}, "begin at byte"),
    ],
)
def test_headers_that_cannot_be_meant_are_refused(tmp_path: Path, fields: dict[str, object], reason: str) -> None:
    assert reason in refusal(patched(saved(tmp_path / "scan.nii"), **fields))


def test_colours_of_vectors_are_refused(tmp_path: Path) -> None:
    path = patched(saved(tmp_path / "scan.nii"), datatype=128, bitpix=24, dim=[5, 3, 1, 1, 1, 2, 1, 1])
    assert "colours and vectors" in refusal(path)


def test_a_bomb_and_a_cut_stream_are_refused(tmp_path: Path) -> None:
    path = saved(tmp_path / "scan.nii")
    bomb = patched(path, dim=[3, 900, 900, 900, 1, 1, 1, 1]).read_bytes()
    (tmp_path / "bomb.nii.gz").write_bytes(gzip.compress(bomb))
    assert "decompression bomb" in refusal(tmp_path / "bomb.nii.gz")
    cut = gzip.compress(saved(tmp_path / "scan.nii", np.zeros((40, 40, 9), np.int16)).read_bytes())[:-200]
    (tmp_path / "cut.nii.gz").write_bytes(cut[:120] if len(cut) > 120 else cut)
    with pytest.raises(Unreadable):
        files.read(tmp_path / "cut.nii.gz")
    (tmp_path / "tiny.nii.gz").write_bytes(gzip.compress(path.read_bytes()[:347]))
    assert refusal(tmp_path / "tiny.nii.gz")


def test_a_file_that_changed_is_refused(tmp_path: Path) -> None:
    path = saved(tmp_path / "scan.nii")
    (facts,) = FORMAT.describe([path]).images
    saved(path, np.zeros((2, 2, 2), np.int16))
    with pytest.raises(Unreadable, match="were seen before"):
        files.read_facts(facts)


def test_writing_sets_both_forms_and_keeps_the_kind_of_number(tmp_path: Path) -> None:
    geometry = Geometry.from_ras(TURNED)
    for kind, expected in {"int64": "int32", "uint16": "uint16", "float16": "float32", "bool": "uint8"}.items():
        image = Image(array=np.ones((1, 2, 3, 4), kind), axes="CZYX", geometry=geometry)
        files.write(image, tmp_path / "scan.nii.gz")
        header = nibabel.load(tmp_path / "scan.nii.gz").header
        assert header.get_data_dtype() == expected
        assert (int(header["sform_code"]), int(header["qform_code"])) == (1, 1)
        assert np.allclose(header.get_sform(), TURNED)
        assert np.allclose(header.get_qform(), TURNED, atol=1e-5)
        assert header.get_xyzt_units()[0] == "mm"


def test_a_leaning_grid_is_left_to_the_sform(tmp_path: Path) -> None:
    affine = np.eye(4)
    affine[1, 2] = 0.3
    files.write(Image(array=np.ones((1, 2, 3, 4)), axes="CZYX", geometry=Geometry(affine)), tmp_path / "scan.nii")
    assert int(nibabel.load(tmp_path / "scan.nii").header["qform_code"]) == 0
    assert only(tmp_path / "scan.nii").geometry.matches(Geometry(affine))


@pytest.mark.parametrize("geometry", [Geometry.unknown(), Geometry.sized((0.5, 0.25, 2.0))])
def test_what_is_not_known_is_not_written(tmp_path: Path, geometry: Geometry) -> None:
    files.write(Image(array=np.ones((1, 2, 3, 4)), axes="CZYX", geometry=geometry), tmp_path / "scan.nii")
    header = nibabel.load(tmp_path / "scan.nii").header
    assert (int(header["sform_code"]), int(header["qform_code"])) == (0, 0)
    assert only(tmp_path / "scan.nii").geometry == geometry


def test_frames_masks_and_colours_survive_writing(tmp_path: Path) -> None:
    place = Geometry.unknown()
    frames = Image(array=np.arange(24.0).reshape(1, 2, 3, 4), axes="CTYX", geometry=place, times=(0.0, 0.04))
    files.write(frames, tmp_path / "frames.nii")
    read = only(tmp_path / "frames.nii")
    assert (read.axes, read.times) == ("CTZYX", (0.0, 0.04))
    assert np.array_equal(read.array[:, :, 0], frames.array)
    mask = Image(array=np.ones((1, 2, 3, 4), np.uint8), axes="CZYX", geometry=place, intensity=Intensity.LABEL)
    files.write(mask, tmp_path / "mask.nii")
    assert only(tmp_path / "mask.nii").intensity == Intensity.LABEL
    colours = np.arange(72, dtype=np.uint8).reshape(3, 2, 3, 4)
    files.write(Image(array=colours, axes="CZYX", geometry=place, intensity=Intensity.RGB), tmp_path / "rgb.nii")
    assert np.array_equal(only(tmp_path / "rgb.nii").array, colours)


def test_what_nifti_cannot_hold_is_refused(tmp_path: Path) -> None:
    long = Image(array=np.zeros((1, 1, 40_000), np.uint8), axes="CYX", geometry=Geometry.unknown())
    with pytest.raises(UsageError, match="40000 steps"):
        FORMAT.write(long, tmp_path / "x.nii")
    waves = Image(array=np.zeros((1, 2, 2), complex), axes="CYX", geometry=Geometry.unknown())
    with pytest.raises(IsocenterError, match="complex128"):
        FORMAT.write(waves, tmp_path / "x.nii")


@pytest.mark.needs_shared
def test_agrees_with_nibabel_on_real_scans(shared: Path) -> None:
    paths = [
        *sorted((shared / "dcm_qa_nih" / "Ref").rglob("*.nii")),
        *sorted(shared.glob("hippocampus/*/*.nii.gz"))[:5],
    ]
    for path in paths:
        image, reference = only(path), nibabel.load(path)
        values = np.asarray(reference.dataobj)
        assert np.array_equal(image.array[0].T.reshape(values.shape), values)
        assert np.allclose(image.geometry.to_ras(), reference.affine, atol=1e-5)
