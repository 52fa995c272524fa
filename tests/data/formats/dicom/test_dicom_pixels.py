"""Pixels in every packing: what a decoder gives is what was packed, and what cannot be unpacked is refused by name."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from dicom_phantoms import base, described, only, read, save
from pydicom.encaps import encapsulate
from pydicom.uid import UID, RLELossless

from isocenter.core.errors import Unreadable
from isocenter.data.formats._shared import ReadOptions
from isocenter.data.formats.dicom import FORMAT
from isocenter.data.formats.dicom.syntaxes import named

DEFLATED_FRAMES = "1.2.840.10008.1.2.8.1"
PLAIN_FRAMES = "1.2.840.10008.1.2.1.98"
MOVIE = np.random.default_rng(2).integers(0, 4000, (3, 6, 5))


def packed(path: Path, syntax: str, frames: list[bytes], **changes: Any) -> Path:
    """A file whose frames are packed one by one."""
    known = {"Rows": 6, "Columns": 5, "NumberOfFrames": len(frames), "PixelRepresentation": 0}
    dataset = base(**{**known, **changes})
    # pydicom 3.0 does not know the newest: written under a name of the same length, then put right.
    dataset.file_meta.TransferSyntaxUID = UID(PLAIN_FRAMES if syntax == DEFLATED_FRAMES else syntax)
    dataset.PixelData = encapsulate([frame + b"\0" * (len(frame) % 2) for frame in frames])
    dataset["PixelData"].VR = "OB"
    dataset["PixelData"].is_undefined_length = True
    pydicom.dcmwrite(path, dataset, implicit_vr=False, little_endian=True, enforce_file_format=True)
    if syntax == DEFLATED_FRAMES:
        path.write_bytes(path.read_bytes().replace(PLAIN_FRAMES.encode(), DEFLATED_FRAMES.encode() + b"\0", 1))
    return path


def deflated(raw: bytes) -> bytes:
    """As the standard packs a deflated frame: no header, no checksum."""
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(raw) + packer.flush()


@pytest.mark.parametrize("syntax", [DEFLATED_FRAMES, PLAIN_FRAMES])
def test_frames_packed_one_by_one(tmp_path: Path, syntax: str) -> None:
    frames = [frame.astype("<u2").tobytes() for frame in MOVIE]
    if syntax == DEFLATED_FRAMES:
        frames = [deflated(frame) for frame in frames]
    image = read(only(packed(tmp_path / "a", syntax, frames)))
    np.testing.assert_array_equal(image.array[0], MOVIE)


@pytest.mark.parametrize("planar", [0, 1])
def test_colour_frames_packed_one_by_one(tmp_path: Path, planar: int) -> None:
    colours = np.random.default_rng(4).integers(0, 255, (2, 6, 5, 3)).astype(np.uint8)
    stored = np.moveaxis(colours, -1, 1) if planar else colours
    changes = {
        "SamplesPerPixel": 3,
        "PhotometricInterpretation": "RGB",
        "PlanarConfiguration": planar,
        "BitsAllocated": 8,
        "BitsStored": 8,
        "HighBit": 7,
    }
    path = packed(tmp_path / "a", DEFLATED_FRAMES, [deflated(frame.tobytes()) for frame in stored], **changes)
    np.testing.assert_array_equal(np.moveaxis(read(only(path)).array, 0, -1), colours)


def test_a_frame_that_unpacks_to_too_much_is_refused(tmp_path: Path) -> None:
    path = packed(tmp_path / "a", DEFLATED_FRAMES, [deflated(b"\1\2" * 7)] * 2)
    with pytest.raises(Unreadable, match="damaged"):
        FORMAT.read(only(path), ReadOptions())


def test_run_lengths(tmp_path: Path) -> None:
    path = save(base(Rows=6, Columns=5, PixelRepresentation=0, NumberOfFrames=3), tmp_path / "a", MOVIE)
    dataset = pydicom.dcmread(path)
    dataset.compress(RLELossless, generate_instance_uid=False)
    dataset.save_as(path)
    np.testing.assert_array_equal(read(only(path)).array[0], MOVIE)


def test_lossless_jpeg_without_selection_value(tmp_path: Path) -> None:
    """Process 14 has no encoder in pydicom: gdcm makes the file, as another program would have."""
    import gdcm

    path = save(base(Rows=6, Columns=5, PixelRepresentation=0, NumberOfFrames=3), tmp_path / "a", MOVIE)
    reader = gdcm.ImageReader()
    reader.SetFileName(str(path))
    assert reader.Read()
    change = gdcm.ImageChangeTransferSyntax()
    change.SetTransferSyntax(gdcm.TransferSyntax(gdcm.TransferSyntax.JPEGLosslessProcess14))
    change.SetInput(reader.GetImage())
    assert change.Change()
    writer = gdcm.ImageWriter()
    writer.SetFileName(str(path))
    writer.SetFile(reader.GetFile())
    writer.SetImage(change.GetOutput())
    assert writer.Write()
    assert pydicom.dcmread(path).file_meta.TransferSyntaxUID == "1.2.840.10008.1.2.4.57"
    np.testing.assert_array_equal(read(only(path)).array[0], MOVIE)


def test_broken_pixels_are_refused_by_the_name_of_their_packing(tmp_path: Path) -> None:
    path = packed(tmp_path / "a", "1.2.840.10008.1.2.4.90", [b"not a code stream at all"], NumberOfFrames=1)
    with pytest.raises(Unreadable, match=r"its pixels \(JPEG 2000 \(Lossless Only\)\) cannot be decoded"):
        FORMAT.read(only(path), ReadOptions())


def test_names_of_syntaxes() -> None:
    assert named("1.2.840.10008.1.2") == "Implicit VR Little Endian"
    assert named("1.2.3") == "1.2.3"
    assert named(None) == "no transfer syntax"


def test_what_old_files_leave_out_is_beyond_doubt(tmp_path: Path) -> None:
    path = save(base(Rows=6, Columns=5, PixelRepresentation=0), tmp_path / "a", MOVIE[0])
    dataset = pydicom.dcmread(path)
    for keyword in ("SamplesPerPixel", "PhotometricInterpretation", "PixelRepresentation", "BitsStored", "HighBit"):
        delattr(dataset, keyword)
    del dataset.file_meta
    old = tmp_path / "old"
    dataset.save_as(old, implicit_vr=True, little_endian=True)
    np.testing.assert_array_equal(read(only(old)).array[0], MOVIE[0])


def test_a_frame_count_that_is_no_number(tmp_path: Path) -> None:
    path = save(base(Rows=6, Columns=5, NumberOfFrames=1), tmp_path / "a", MOVIE[0])
    path.write_bytes(path.read_bytes().replace(b"\x28\x00\x08\x00IS\x02\x001 ", b"\x28\x00\x08\x00IS\x02\x001A"))
    with pytest.raises(Unreadable, match="NumberOfFrames must be a whole number"):
        FORMAT.read(only(path), ReadOptions())


def test_more_pixels_than_can_be_meant(tmp_path: Path) -> None:
    path = packed(tmp_path / "a", "1.2.840.10008.1.2.4.90", [b"x"], Rows=60000, Columns=60000, NumberOfFrames=1)
    with pytest.raises(Unreadable, match="announces 7.2 GB of pixels"):
        FORMAT.read(only(path), ReadOptions())


def test_no_bits_at_all(tmp_path: Path) -> None:
    path = save(base(Rows=6, Columns=5), tmp_path / "a", MOVIE[0])
    dataset = pydicom.dcmread(path)
    dataset.Rows = 0
    dataset.save_as(path)
    assert "rows and columns" in described(path).refused[0].reason
