"""NRRD: spaces, kinds, encodings, Slicer segmentations, and what is refused."""

from __future__ import annotations

import bz2
import gzip
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from isocenter.core.errors import IsocenterError, Unreadable
from isocenter.core.geometry import Geometry
from isocenter.core.image import Image, Intensity
from isocenter.data import files
from isocenter.data.formats.nrrd import FORMAT

VALUES = np.arange(60, dtype="<i2").reshape(3, 4, 5)  # z, y, x
DIRECTION = (0.0, -0.8, 0.6, 1.0, 0.0, 0.0, 0.0, 0.6, 0.8)
HEADER = {
    "type": "short",
    "dimension": "3",
    "space": "left-posterior-superior",
    "sizes": "5 4 3",
    "space directions": "(1,0,0) (0,2,0) (0,0,3)",
    "kinds": "domain domain domain",
    "endian": "little",
    "encoding": "raw",
    "space origin": "(10,20,30)",
}


def made(path: Path, data: bytes = VALUES.tobytes(), *, more: str = "", **fields: str | None) -> Path:
    changed = {key.replace("_", " "): value for key, value in fields.items()}
    lines = [f"{key}: {value}\n" for key, value in {**HEADER, **changed}.items() if value is not None]
    path.write_bytes(b"NRRD0005\n# a remark\n" + "".join(lines).encode() + more.encode() + b"\n" + data)
    return path


def only(path: Path) -> Image:
    (image,) = files.read(path)
    return image


def refusal(path: Path) -> str:
    found = FORMAT.describe([path])
    assert not found.images
    return found.refused[0].reason


@pytest.mark.parametrize("ending", [".nrrd", ".nhdr"])
@pytest.mark.parametrize("kind", ["i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8"])
def test_itk_and_we_agree_both_ways(tmp_path: Path, ending: str, kind: str) -> None:
    values = np.arange(180).reshape(3, 4, 5, 3).astype(kind)
    image = sitk.GetImageFromArray(values, isVector=True)
    image.SetSpacing((0.5, 0.75, 2.0))
    image.SetOrigin((1.0, -2.0, 3.5))
    image.SetDirection(DIRECTION)
    sitk.WriteImage(image, str(tmp_path / f"theirs{ending}"), kind == "i2")
    ours = only(tmp_path / f"theirs{ending}")
    assert np.array_equal(np.moveaxis(ours.array, 0, -1), values)
    point = image.TransformIndexToPhysicalPoint((4, 1, 2))
    assert ours.geometry.points([4, 1, 2]) == pytest.approx(point)

    files.write(ours, tmp_path / f"ours{ending}")
    again = sitk.ReadImage(str(tmp_path / f"ours{ending}"))
    assert np.array_equal(sitk.GetArrayFromImage(again), values)
    assert again.TransformIndexToPhysicalPoint((4, 1, 2)) == pytest.approx(point)


@pytest.mark.parametrize(
    ("space", "signs"),
    [("LPS", (1, 1)), ("right-anterior-superior", (-1, -1)), ("RAS", (-1, -1)), ("left-anterior-superior", (1, -1))],
)
def test_named_spaces_become_lps(tmp_path: Path, space: str, signs: tuple[int, int]) -> None:
    geometry = only(made(tmp_path / "x.nrrd", space=space)).geometry
    assert geometry.placed
    assert geometry.origin == (10.0 * signs[0], 20.0 * signs[1], 30.0)
    assert geometry.points([1, 1, 1]) == pytest.approx([11.0 * signs[0], 22.0 * signs[1], 33.0])


@pytest.mark.parametrize("fields", [{"space": "scanner-xyz"}, {"space": None, "space_dimension": "3"}])
def test_other_spaces_give_the_spacing_alone(tmp_path: Path, fields: dict[str, str | None]) -> None:
    image = only(made(tmp_path / "x.nrrd", **fields))
    assert (image.geometry.placed, image.spacing) == (False, (1.0, 2.0, 3.0))
    assert any("which side is left" in note for note in image.notes)


def test_spacings_units_and_nothing_at_all(tmp_path: Path) -> None:
    bare: dict[str, str | None] = {"space": None, "space_directions": None, "space_origin": None}
    assert only(made(tmp_path / "a.nrrd", **bare)).spacing is None
    assert only(made(tmp_path / "b.nrrd", spacings="1 2 3", **bare)).spacing == (1.0, 2.0, 3.0)
    assert only(made(tmp_path / "c.nrrd", spacings="1 2 nan", **bare)).spacing is None
    assert only(made(tmp_path / "d.nrrd", space_units='"cm" "cm" "cm"')).spacing == (10.0, 20.0, 30.0)
    strange = only(made(tmp_path / "e.nrrd", space_units='"ell" "ell" "ell"'))
    assert strange.spacing is None
    assert any("ell" in note for note in strange.notes)


@pytest.mark.parametrize(
    ("encoding", "data"),
    [
        ("gzip", gzip.compress(VALUES.tobytes(), mtime=0)),
        ("gz", gzip.compress(VALUES.tobytes()[:60], mtime=0) + gzip.compress(VALUES.tobytes()[60:], mtime=0)),
        ("bzip2", bz2.compress(VALUES.tobytes()[:60]) + bz2.compress(VALUES.tobytes()[60:])),
        ("ascii", " ".join(map(str, VALUES.ravel())).encode()),
    ],
)
def test_encodings(tmp_path: Path, encoding: str, data: bytes) -> None:
    assert np.array_equal(only(made(tmp_path / "x.nrrd", data, encoding=encoding)).array[0], VALUES)


def test_big_endian_and_skipped_bytes(tmp_path: Path) -> None:
    swapped = VALUES.astype(">i2").tobytes()
    assert np.array_equal(only(made(tmp_path / "a.nrrd", swapped, endian="big")).array[0], VALUES)
    data = b"first line\nskip" + VALUES.tobytes()
    path = made(tmp_path / "b.nrrd", data, line_skip="1", byte_skip="4")
    assert np.array_equal(only(path).array[0], VALUES)
    (tmp_path / "c.dat").write_bytes(b"whatever" + VALUES.tobytes())
    path = made(tmp_path / "c.nhdr", b"", byte_skip="-1", data_file="c.dat")
    assert np.array_equal(only(path).array[0], VALUES)
    packed = gzip.compress(b"skip" + VALUES.tobytes(), mtime=0)
    assert np.array_equal(only(made(tmp_path / "d.nrrd", packed, encoding="gzip", byte_skip="4")).array[0], VALUES)


def test_one_file_per_slice(tmp_path: Path) -> None:
    for number, plane in enumerate(VALUES):
        (tmp_path / f"s{number}.raw").write_bytes(plane.tobytes())
    made(tmp_path / "x.nhdr", b"", more="data file: LIST\ns0.raw\ns1.raw\ns2.raw\n")
    found = files.describe(sorted(tmp_path.iterdir()))
    assert not found.refused
    assert np.array_equal(files.read_facts(found.images[0]).array[0], VALUES)


@pytest.mark.parametrize(("name", "reason"), [("../x.raw", "same folder"), ("gone.raw", "is missing")])
def test_data_files_elsewhere_are_refused(tmp_path: Path, name: str, reason: str) -> None:
    assert reason in refusal(made(tmp_path / "x.nhdr", b"", data_file=name))


def test_channels_and_frames_are_told_apart_by_kind(tmp_path: Path) -> None:
    colours = np.arange(180, dtype=np.uint8)
    path = made(
        tmp_path / "rgb.nrrd",
        colours.tobytes(),
        type="uchar",
        dimension="4",
        sizes="3 5 4 3",
        kinds="RGB-color domain domain domain",
        space_directions="none (1,0,0) (0,2,0) (0,0,3)",
    )
    image = only(path)
    assert (image.intensity, image.axes) == (Intensity.RGB, "CZYX")
    assert image.array[1, 0, 0, 2] == 7
    path = made(
        tmp_path / "time.nrrd",
        dimension="3",
        sizes="5 4 3",
        kinds="domain domain time",
        space=None,
        space_directions=None,
        space_origin=None,
        spacings="1 1 40",
        units='"mm" "mm" "ms"',
    )
    image = only(path)
    assert (image.axes, image.times, image.spacing) == ("CTYX", (0.0, 0.04, 0.08), (1.0, 1.0, 1.0))


def test_a_slice_in_space_keeps_its_place(tmp_path: Path) -> None:
    path = made(
        tmp_path / "x.nrrd",
        VALUES[0].tobytes(),
        dimension="2",
        sizes="5 4",
        kinds="domain domain",
        space_directions="(0,1,0) (0,0,2)",
    )
    image = only(path)
    assert (image.axes, image.geometry.placed) == ("CYX", True)
    assert image.geometry.points([1, 1, 0]) == pytest.approx([10, 21, 32])


def test_a_segmentation_names_its_values(tmp_path: Path) -> None:
    more = "Segment0_Name:=kidney\nSegment0_LabelValue:=2\nSegment1_Name:=tumour: left\nSegment1_LabelValue:=1\n"
    path = made(tmp_path / "x.seg.nrrd", more=more)
    (facts,) = FORMAT.describe([path]).images
    assert (facts.role, facts.classes) == ("mask", {2: "kidney", 1: "tumour: left"})
    image = files.read_facts(facts)
    files.write(image, tmp_path / "again.seg.nrrd")
    (again,) = FORMAT.describe([tmp_path / "again.seg.nrrd"]).images
    assert (again.role, again.classes) == (facts.role, facts.classes)
    (facts,) = FORMAT.describe([made(tmp_path / "bare.seg.nrrd")]).images
    assert (facts.role, facts.classes) == ("mask", {})


def test_layers_of_a_segmentation_are_masks_of_their_own(tmp_path: Path) -> None:
    values = np.zeros((3, 4, 5, 2), np.uint8)
    values[..., 1] = 1
    path = made(
        tmp_path / "x.seg.nrrd",
        values.tobytes(),
        type="uint8",
        dimension="4",
        sizes="2 5 4 3",
        kinds="list domain domain domain",
        space_directions="none (1,0,0) (0,2,0) (0,0,3)",
        more="Segment0_Name:=a\nSegment0_Layer:=0\nSegment1_Name:=b\nSegment1_Layer:=1\nSegment1_LabelValue:=1\n",
    )
    first, second = FORMAT.describe([path]).images
    assert (first.part, first.classes, second.part, second.classes) == ("layer0", {1: "a"}, "layer1", {1: "b"})
    assert files.read_facts(first).array.max() == 0
    assert files.read_facts(second).array.min() == 1


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"sizes": "5 4 9"}, "cut short"),
        ({"sizes": "5000 5000 5000"}, "GB of pixels"),
        ({"dimension": "4"}, "4 axes and 3 sizes"),
        ({"type": "block"}, "block"),
        ({"encoding": "hex"}, "hex"),
        ({"encoding": "gzip", "sizes": "2000 2000 200"}, "decompression bomb"),
        ({"kinds": "domain domain"}, "2 kinds for 3 axes"),
        ({"kinds": "time domain time"}, "meaning cannot be known"),
        ({"kinds": "complex domain domain"}, "meaning cannot be known"),
        ({"space_directions": "(1,0,0) (0,1,0)"}, "2 directions for 3 axes"),
        ({"space_directions": "(1,0,0) (0,1,0) (0,0)"}, "unequal"),
        ({"space_directions": "(1,0,0) (1,0,0) (0,0,1)"}, "invertible"),
        ({"data_file": "s%d.raw 1 3 1"}, "pattern"),
        ({"dimension": "4", "sizes": "5 4 3 1", "kinds": None, "space_directions": None}, "meaning cannot be known"),
    ],
)
def test_headers_that_cannot_be_meant_are_refused(tmp_path: Path, fields: dict[str, str], reason: str) -> None:
    assert reason in refusal(made(tmp_path / "x.nrrd", **fields))


def test_a_line_without_a_value_and_a_cut_stream_are_refused(tmp_path: Path) -> None:
    assert "without a value" in refusal(made(tmp_path / "x.nrrd", more="nonsense\n"))
    path = made(tmp_path / "y.nrrd", gzip.compress(VALUES.tobytes(), mtime=0)[:30], encoding="gzip")
    (facts,) = FORMAT.describe([path]).images
    with pytest.raises(Unreadable, match="cut short"):
        files.read_facts(facts)


@pytest.mark.parametrize("geometry", [Geometry.unknown(), Geometry.sized((0.5, 0.25))])
def test_pictures_and_frames_survive_writing(tmp_path: Path, geometry: Geometry) -> None:
    image = Image(array=np.arange(24.0).reshape(2, 2, 2, 3), axes="CTYX", geometry=geometry, times=(0.0, 0.5))
    files.write(image, tmp_path / "x.nrrd")
    read = only(tmp_path / "x.nrrd")
    assert (read.axes, read.geometry) == ("CTYX", geometry)
    assert read.times == image.times
    assert np.array_equal(read.array, image.array)
    placed = Image(array=np.zeros((1, 2, 3, 4, 5)), axes="CTZYX", geometry=Geometry(np.eye(4)), times=(0.0, 0.5))
    files.write(placed, tmp_path / "z.nrrd")
    assert (only(tmp_path / "z.nrrd").times, only(tmp_path / "z.nrrd").geometry) == (placed.times, placed.geometry)
    with pytest.raises(IsocenterError, match="complex"):
        FORMAT.write(Image(array=np.zeros((1, 2, 2), complex), axes="CYX", geometry=geometry), tmp_path / "y.nrrd")


@pytest.mark.needs_shared
def test_agrees_with_itk_on_real_scans(shared: Path) -> None:
    for path in sorted((shared / "radiomics").glob("*.nrrd")):
        image, reference = only(path), sitk.ReadImage(str(path))
        assert np.array_equal(image.array[0], sitk.GetArrayFromImage(reference))
        assert image.geometry.points([3, 2, 1]) == pytest.approx(reference.TransformIndexToPhysicalPoint((3, 2, 1)))
