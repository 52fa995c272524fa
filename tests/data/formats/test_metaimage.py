"""MetaImage: agreement with ITK, pixels in other files, and what is refused."""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from isocenter.core.errors import IsocenterError, Unreadable
from isocenter.core.geometry import Geometry
from isocenter.core.image import Image, Intensity
from isocenter.data import files
from isocenter.data.formats.metaimage import FORMAT

VALUES = np.arange(60, dtype="<i2").reshape(3, 4, 5)  # z, y, x
DIRECTION = (0.0, -0.8, 0.6, 1.0, 0.0, 0.0, 0.0, 0.6, 0.8)
HEADER = {
    "ObjectType": "Image",
    "NDims": "3",
    "DimSize": "5 4 3",
    "ElementType": "MET_SHORT",
    "ElementSpacing": "1 2 3",
    "Offset": "1 1 1",
    "ElementDataFile": "LOCAL",
}


def header(**fields: str | None) -> bytes:
    """The header above with some lines changed, left out (None) or added before the last."""
    lines = {**{key: value for key, value in HEADER.items() if key != "ElementDataFile"}, **fields}
    last = lines.pop("ElementDataFile", "LOCAL")
    text = "".join(f"{key} = {value}\n" for key, value in lines.items() if value is not None)
    return (text + (f"ElementDataFile = {last}\n" if last is not None else "")).encode()


def made(path: Path, data: bytes = VALUES.tobytes(), **fields: str | None) -> Path:
    path.write_bytes(header(**fields) + data)
    return path


def only(path: Path) -> Image:
    (image,) = files.read(path)
    return image


def refusal(path: Path) -> str:
    found = FORMAT.describe([path])
    assert not found.images
    return found.refused[0].reason


@pytest.mark.parametrize("ending", [".mha", ".mhd"])
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
    assert ours.array.dtype == kind
    point = image.TransformIndexToPhysicalPoint((4, 1, 2))
    assert ours.geometry.points([4, 1, 2]) == pytest.approx(point)

    files.write(ours, tmp_path / f"ours{ending}")
    again = sitk.ReadImage(str(tmp_path / f"ours{ending}"))
    assert np.array_equal(sitk.GetArrayFromImage(again), values)
    assert again.TransformIndexToPhysicalPoint((4, 1, 2)) == pytest.approx(point)


def test_big_endian_and_text_are_read(tmp_path: Path) -> None:
    path = made(tmp_path / "a.mha", VALUES.astype(">i2").tobytes(), BinaryDataByteOrderMSB="True")
    assert np.array_equal(only(path).array[0], VALUES)
    path = made(tmp_path / "b.mha", " ".join(map(str, VALUES.ravel())).encode(), BinaryData="False")
    assert np.array_equal(only(path).array[0], VALUES)


def test_pixels_at_the_end_of_another_file_are_found(tmp_path: Path) -> None:
    (tmp_path / "x.raw").write_bytes(b"some header" + VALUES.tobytes())
    path = made(tmp_path / "x.mhd", b"", HeaderSize="-1", ElementDataFile="x.raw")
    assert np.array_equal(only(path).array[0], VALUES)
    path = made(tmp_path / "x.mhd", b"", HeaderSize="11", ElementDataFile="x.raw")
    assert np.array_equal(only(path).array[0], VALUES)


@pytest.mark.parametrize("spelled", ["LIST\ns1.raw\ns2.raw\ns3.raw", "s%d.raw 1 3 1", "s%d.raw 1 3"])
def test_one_file_per_slice(tmp_path: Path, spelled: str) -> None:
    for number, plane in enumerate(VALUES, 1):
        (tmp_path / f"s{number}.raw").write_bytes(plane.tobytes())
    made(tmp_path / "x.mhd", b"", ElementDataFile=spelled)
    found = files.describe(sorted(tmp_path.iterdir()))
    assert not found.refused
    assert len(found.images[0].files) == 4
    assert np.array_equal(files.read_facts(found.images[0]).array[0], VALUES)


def test_raw_pixels_without_a_header_are_refused(tmp_path: Path) -> None:
    (tmp_path / "lonely.raw").write_bytes(bytes(100))
    assert files.identify(tmp_path / "lonely.raw") == "metaimage"
    assert "no header" in refusal(tmp_path / "lonely.raw")


@pytest.mark.parametrize("name", ["../x.raw", "/etc/passwd", "..", "deep/x.raw", "c:\\x.raw"])
def test_data_files_elsewhere_are_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "x.raw").write_bytes(VALUES.tobytes())
    (tmp_path / "in").mkdir()
    assert "same folder" in refusal(made(tmp_path / "in" / "x.mhd", b"", ElementDataFile=name))


def test_links_and_missing_data_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "real.raw").write_bytes(VALUES.tobytes())
    (tmp_path / "link.raw").symlink_to(tmp_path / "real.raw")
    assert "is a link" in refusal(made(tmp_path / "x.mhd", b"", ElementDataFile="link.raw"))
    assert "is missing" in refusal(made(tmp_path / "x.mhd", b"", ElementDataFile="gone.raw"))


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"DimSize": "5 4 4"}, "cut short"),
        ({"DimSize": "5000 5000 5000"}, "GB of pixels"),
        ({"DimSize": "5 4"}, "dimensions"),
        ({"NDims": "5", "DimSize": "1 1 1 1 1"}, "dimensions"),
        ({"ElementType": "MET_OTHER"}, "MET_OTHER"),
        ({"ElementSpacing": "1 2"}, "2 numbers for its spacing"),
        ({"TransformMatrix": "1 0 0 1"}, "4 numbers for its direction"),
        ({"TransformMatrix": "1 0 0 1 0 0 0 0 1"}, "invertible"),
        ({"ElementDataFile": "s%d.raw 1 9999999 1"}, "names 9,999,999 files"),
        ({"CompressedData": "True", "DimSize": "2000 2000 200"}, "decompression bomb"),
    ],
)
def test_headers_that_cannot_be_meant_are_refused(tmp_path: Path, fields: dict[str, str], reason: str) -> None:
    assert reason in refusal(made(tmp_path / "x.mha", **fields))


def test_a_line_without_a_value_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.mha").write_bytes(b"ObjectType = Image\nnonsense\n")
    assert "without a value" in refusal(tmp_path / "x.mha")
    (tmp_path / "x.mha").write_bytes(b"ObjectType = Image")
    assert "ElementDataFile is missing" in refusal(tmp_path / "x.mha")


def test_a_cut_stream_is_refused(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(-999, 999, VALUES.shape).astype("<i2")
    path = made(tmp_path / "x.mha", zlib.compress(noise.tobytes())[:40], CompressedData="True")
    (facts,) = FORMAT.describe([path]).images
    with pytest.raises(Unreadable, match="cut short"):
        files.read_facts(facts)


def test_what_the_header_does_not_say_is_not_known(tmp_path: Path) -> None:
    unsized = only(made(tmp_path / "a.mha", ElementSpacing=None))
    assert unsized.spacing is None
    assert any("how large" in note for note in unsized.notes)
    unplaced = only(made(tmp_path / "b.mha", Offset=None))
    assert (unplaced.spacing, unplaced.geometry.placed) == ((1.0, 2.0, 3.0), False)
    strange = only(made(tmp_path / "c.mha", DistanceUnits="furlong"))
    assert strange.spacing is None
    assert any("furlong" in note for note in strange.notes)
    assert only(made(tmp_path / "d.mha", DistanceUnits="cm")).spacing == (10.0, 20.0, 30.0)


def test_modality_and_frames(tmp_path: Path) -> None:
    path = made(
        tmp_path / "a.mha",
        NDims="4",
        DimSize="5 2 2 3",
        ElementSpacing="1 1 1 1",
        Offset="0 0 0 0",
        Modality="MET_MOD_CT",
    )
    read = only(path)
    assert (read.axes, read.array.shape, read.modality) == ("CTZYX", (1, 3, 2, 2, 5), "CT")


@pytest.mark.parametrize("geometry", [Geometry.unknown(), Geometry.sized((0.5, 0.25))])
def test_a_picture_stays_flat(tmp_path: Path, geometry: Geometry) -> None:
    image = Image(array=np.arange(6, dtype=np.uint8).reshape(1, 2, 3), axes="CYX", geometry=geometry)
    files.write(image, tmp_path / "x.mha")
    read = only(tmp_path / "x.mha")
    assert (read.axes, read.geometry) == ("CYX", geometry)
    assert sitk.ReadImage(str(tmp_path / "x.mha")).GetDimension() == 2


def test_colours_times_and_modality_are_written(tmp_path: Path) -> None:
    colours = Image(
        array=np.arange(12, dtype=np.uint8).reshape(3, 2, 2),
        axes="CYX",
        geometry=Geometry.unknown(),
        intensity=Intensity.RGB,
        modality="US",
    )
    files.write(colours, tmp_path / "x.mha")
    assert (only(tmp_path / "x.mha").intensity, only(tmp_path / "x.mha").modality) == (Intensity.RGB, "US")
    with pytest.raises(IsocenterError, match="complex"):
        FORMAT.write(
            Image(array=np.zeros((1, 2, 2), complex), axes="CYX", geometry=Geometry.unknown()), tmp_path / "y.mha"
        )
