"""Sound files of every kind, made in memory, for `fuzz.py` to damage."""

from __future__ import annotations

import gzip
import io
import re
import struct
import zipfile
import zlib
from collections.abc import Callable
from functools import cache

import numpy as np
from PIL import Image as Pillow

MARKER = "this-was-run"
"""A file of this name appears where code inside a file was run."""

_RANDOM = np.random.default_rng(2026)


def _dicom(transfer_syntax: str, *, encapsulated: bool = False) -> bytes:
    from pydicom import FileMetaDataset
    from pydicom.dataset import Dataset
    from pydicom.encaps import encapsulate
    from pydicom.uid import UID

    pixels = _RANDOM.integers(0, 255, (16, 16)).astype(np.uint8)
    data = Dataset()
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = UID(transfer_syntax)
    data.SOPClassUID = data.file_meta.MediaStorageSOPClassUID = UID("1.2.840.10008.5.1.4.1.1.4")
    data.SOPInstanceUID = data.file_meta.MediaStorageSOPInstanceUID = UID("1.2.3.4.5.6")
    data.StudyInstanceUID, data.SeriesInstanceUID, data.FrameOfReferenceUID = "1.2.3", "1.2.3.4", "1.2.3.5"
    data.PatientID, data.PatientName, data.Modality = "P1", "Doe^Jane", "MR"
    data.Rows = data.Columns = 16
    data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
    data.BitsAllocated = data.BitsStored = 8
    data.HighBit, data.PixelRepresentation = 7, 0
    data.ImagePositionPatient, data.ImageOrientationPatient = [0, 0, 0], [1, 0, 0, 0, 1, 0]
    data.PixelSpacing, data.SliceThickness, data.InstanceNumber = [1, 1], 2, 1
    data.RescaleSlope, data.RescaleIntercept, data.WindowCenter, data.WindowWidth = 1, 0, 100, 200
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = "T-D1100", "SRT", "Head"
    data.AnatomicRegionSequence = [item]
    raw = pixels.tobytes()
    if encapsulated:
        stream = io.BytesIO()
        Pillow.fromarray(pixels).save(stream, "JPEG")
        raw = encapsulate([stream.getvalue()])
    data.PixelData = raw
    data["PixelData"].VR = "OB"
    stream = io.BytesIO()
    data.save_as(stream, enforce_file_format=True)
    return stream.getvalue()


def _nifti(*, packed: bool) -> bytes:
    import nibabel

    volume = _RANDOM.integers(0, 99, (6, 5, 4)).astype(np.int16)
    data = nibabel.Nifti1Image(volume, np.diag([1.0, 2, 3, 1])).to_bytes()
    return gzip.compress(data, mtime=0) if packed else data


def _picture(kind: str, **options: object) -> bytes:
    stream = io.BytesIO()
    pixels = _RANDOM.integers(0, 255, (16, 12, 3)).astype(np.uint8)
    Pillow.fromarray(pixels).save(stream, kind, **options)
    return stream.getvalue()


def _tiff() -> bytes:
    import tifffile

    stream = io.BytesIO()
    pixels = _RANDOM.integers(0, 99, (3, 16, 12)).astype(np.uint16)
    tifffile.imwrite(stream, pixels, ome=True, compression="zlib", metadata={"axes": "ZYX", "PhysicalSizeX": 1})
    return stream.getvalue()


def _zip() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr(zipfile.ZipInfo("a/one.csv"), _csv(), zipfile.ZIP_DEFLATED)
        archive.writestr(zipfile.ZipInfo("a/two.png"), _picture("PNG"), zipfile.ZIP_STORED)
        archive.writestr(zipfile.ZipInfo("b/three.nii.gz"), _nifti(packed=True), zipfile.ZIP_DEFLATED)
    return stream.getvalue()


class _Trap:
    """Unpickled, it leaves a file behind: nothing that we read may ever do so."""

    def __reduce__(self) -> tuple[Callable[..., object], tuple[str, ...]]:
        return open, (MARKER, "w")


def _npy(*, trapped: bool = False) -> bytes:
    stream = io.BytesIO()
    array = np.array([_Trap()], dtype=object) if trapped else _RANDOM.integers(0, 99, (4, 12, 10)).astype(np.int16)
    np.save(stream, array, allow_pickle=trapped)
    return stream.getvalue()


def _npz() -> bytes:
    stream = io.BytesIO()
    images = _RANDOM.integers(0, 99, (5, 12, 10)).astype(np.uint8)
    np.savez_compressed(stream, train_images=images, train_labels=np.zeros((5, 1), np.uint8))
    return stream.getvalue()


def _csv() -> bytes:
    rows = ["file,label,age", 'a.png,"benign, early",61', "b.png,malignant,NA", "c.png,=1+1,44", "d.png,正常,50"]
    return "\r\n".join(rows).encode("utf-8-sig")


def _excel() -> bytes:
    import openpyxl

    book = openpyxl.Workbook()
    for row in (["file", "label"], ["a.png", 1], ["b.png", "=1+1"]):
        book.active.append(row)
    stream = io.BytesIO()
    book.save(stream)
    return _without_dates(stream)


def _without_dates(stream: io.BytesIO) -> bytes:
    """The same archive as if it had been written at the beginning of time: a seed must be the same every day."""
    out = io.BytesIO()
    with zipfile.ZipFile(stream) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            content = re.sub(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", b"2026-01-01T00:00:00Z", old.read(name))
            new.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
    return out.getvalue()


def _mha() -> bytes:
    head = (
        "ObjectType = Image\nNDims = 3\nBinaryData = True\nBinaryDataByteOrderMSB = False\nCompressedData = False\n"
        "TransformMatrix = 1 0 0 0 1 0 0 0 1\nOffset = 0 0 0\nElementSpacing = 1 2 3\nDimSize = 5 4 3\n"
        "ElementType = MET_SHORT\nElementDataFile = LOCAL\n"
    )
    return head.encode() + bytes(120)


def _nrrd() -> bytes:
    head = (
        "NRRD0004\ntype: short\ndimension: 3\nspace: left-posterior-superior\nsizes: 5 4 3\n"
        "space directions: (1,0,0) (0,1,0) (0,0,2)\nkinds: domain domain domain\nendian: little\nencoding: gzip\n"
        "space origin: (0,0,0)\nSegment0_Name:=lesion\nSegment0_LabelValue:=1\n\n"
    )
    return head.encode() + gzip.compress(bytes(120), mtime=0)


KINDS: dict[str, tuple[str, Callable[[], bytes]]] = {
    "dicom-explicit": (".dcm", lambda: _dicom("1.2.840.10008.1.2.1")),
    "dicom-implicit": (".dcm", lambda: _dicom("1.2.840.10008.1.2")),
    "dicom-encapsulated": (".dcm", lambda: _dicom("1.2.840.10008.1.2.4.50", encapsulated=True)),
    "nifti": (".nii", lambda: _nifti(packed=False)),
    "nifti-gz": (".nii.gz", lambda: _nifti(packed=True)),
    "png": (".png", lambda: _picture("PNG")),
    "zip": (".zip", _zip),
    "csv": (".csv", _csv),
    "jpeg": (".jpg", lambda: _picture("JPEG")),
    "gif": (".gif", lambda: _picture("GIF")),
    "webp": (".webp", lambda: _picture("WEBP")),
    "bmp": (".bmp", lambda: _picture("BMP")),
    "tiff": (".tif", _tiff),
    "npy": (".npy", _npy),
    "npy-trapped": (".npy", lambda: _npy(trapped=True)),
    "npz": (".npz", _npz),
    "excel": (".xlsx", _excel),
    "metaimage": (".mha", _mha),
    "nrrd": (".nrrd", _nrrd),
}


@cache
def seeds() -> dict[str, tuple[str, bytes]]:
    """Every sound file: kind to ending and content."""
    return {kind: (ending, make()) for kind, (ending, make) in KINDS.items()}


def mend(kind: str, data: bytes) -> bytes:
    """Make checksums right again, so that damage behind them is looked at too."""
    return _mend_png(data) if kind == "png" else data


def _mend_png(data: bytes) -> bytes:
    mended, position = bytearray(data), 8
    while position + 12 <= len(mended):
        (length,) = struct.unpack_from(">I", mended, position)
        end = position + 8 + length
        if end + 4 > len(mended):
            break
        struct.pack_into(">I", mended, end, zlib.crc32(mended[position + 4 : end]))
        position = end + 4
    return bytes(mended)


def opened(kind: str, data: bytes) -> bytes:
    """What is inside a compressed seed."""
    return gzip.decompress(data) if kind == "nifti-gz" else data


def closed(kind: str, data: bytes) -> bytes:
    """The inside of a compressed seed, packed again."""
    return gzip.compress(data, mtime=0) if kind == "nifti-gz" else data
