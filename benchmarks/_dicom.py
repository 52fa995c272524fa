"""Many small DICOM files, made fast: one is written by pydicom, the others are that one with other numbers in it."""

from __future__ import annotations

import io
from pathlib import Path

SLICES = 100
"""Slices per series; every series is a patient's one examination."""

_ROOT = "1.2.826.0.1.3680043.10.1557"
_STUDY, _SERIES, _INSTANCE = (f"{_ROOT}.{kind}.9999999999" for kind in (1, 2, 3))
_PATIENT = "PATIENT-9999999999"
_NUMBER = "99999999"
_POSITION = "-8888888.5"


def make_series(folder: Path, count: int, edge: int) -> list[Path]:
    """Write `count` CT slices of `edge` x `edge` pixels, a folder for each series; returns the paths."""
    template = _template(edge)
    paths = []
    for index in range(count):
        series, number = divmod(index, SLICES)
        place = folder / f"series{series:05d}"
        if number == 0:
            place.mkdir(parents=True)
        path = place / f"slice{number:03d}.dcm"
        path.write_bytes(_with_numbers(template, series, number))
        paths.append(path)
    return paths


def _with_numbers(template: bytes, series: int, number: int) -> bytes:
    """The template with the identity of one slice; every text keeps its length, so the file stays sound."""
    who, which = f"{1_000_000_000 + series}", f"{1_000_000_000 + series * SLICES + number}"
    changes = {
        _STUDY: _STUDY.replace("9999999999", who),
        _SERIES: _SERIES.replace("9999999999", who),
        _INSTANCE: _INSTANCE.replace("9999999999", which),
        _PATIENT: _PATIENT.replace("9999999999", who),
        _NUMBER: f"{number + 1:08d}",
        _POSITION: f"{2.5 * number:010.1f}",
    }
    # Longest first: the short number is a part of the longer ones.
    for old, new in sorted(changes.items(), key=lambda change: -len(change[0])):
        template = template.replace(old.encode(), new.encode())
    return template


def _template(edge: int) -> bytes:
    """A CT slice with the header that scanners write: some sixty elements, and noise for pixels."""
    import numpy as np
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

    pixels = np.random.default_rng(0).integers(-1000, 1000, (edge, edge)).astype("<i2")
    slice_ = Dataset()
    slice_.file_meta = FileMetaDataset()
    slice_.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    slice_.file_meta.MediaStorageSOPClassUID = CTImageStorage
    slice_.file_meta.MediaStorageSOPInstanceUID = _INSTANCE
    for keyword, value in {**_STEADY, **_per_slice()}.items():
        setattr(slice_, keyword, value)
    slice_.Rows = slice_.Columns = edge
    slice_.PixelData = pixels.tobytes()
    buffer = io.BytesIO()
    slice_.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def _per_slice() -> dict[str, object]:
    from pydicom.uid import CTImageStorage

    return {
        "SOPClassUID": CTImageStorage,
        "SOPInstanceUID": _INSTANCE,
        "StudyInstanceUID": _STUDY,
        "SeriesInstanceUID": _SERIES,
        "FrameOfReferenceUID": f"{_ROOT}.4.1",
        "PatientID": _PATIENT,
        "InstanceNumber": _NUMBER,
        "ImagePositionPatient": ["-125", "-125", _POSITION],
        "SliceLocation": _POSITION,
    }


_STEADY: dict[str, object] = {
    "SpecificCharacterSet": "ISO_IR 100",
    "ImageType": ["ORIGINAL", "PRIMARY", "AXIAL"],
    "StudyDate": "20240102",
    "SeriesDate": "20240102",
    "AcquisitionDate": "20240102",
    "ContentDate": "20240102",
    "StudyTime": "101112",
    "SeriesTime": "101212",
    "AcquisitionTime": "101312",
    "ContentTime": "101412",
    "AccessionNumber": "A0001",
    "Modality": "CT",
    "Manufacturer": "Phantom Works",
    "InstitutionName": "Nowhere General",
    "ReferringPhysicianName": "Nobody^Any",
    "StationName": "CT01",
    "StudyDescription": "Chest",
    "SeriesDescription": "Chest 2.5 mm",
    "ManufacturerModelName": "Scanner 1",
    "PatientName": "Phantom^Patient",
    "PatientBirthDate": "19600101",
    "PatientSex": "F",
    "PatientAge": "064Y",
    "PatientWeight": "70",
    "BodyPartExamined": "CHEST",
    "SliceThickness": "2.5",
    "KVP": "120",
    "DataCollectionDiameter": "500",
    "SoftwareVersions": "1.0",
    "ProtocolName": "Chest routine",
    "ReconstructionDiameter": "360",
    "GantryDetectorTilt": "0",
    "TableHeight": "150",
    "RotationDirection": "CW",
    "ExposureTime": "500",
    "XRayTubeCurrent": "200",
    "Exposure": "100",
    "FilterType": "BODY",
    "GeneratorPower": "24000",
    "FocalSpots": "1.2",
    "ConvolutionKernel": "STANDARD",
    "PatientPosition": "HFS",
    "StudyID": "1",
    "SeriesNumber": "2",
    "AcquisitionNumber": "1",
    "ImageOrientationPatient": ["1", "0", "0", "0", "1", "0"],
    "PositionReferenceIndicator": "SN",
    "SamplesPerPixel": 1,
    "PhotometricInterpretation": "MONOCHROME2",
    "PixelSpacing": ["0.703125", "0.703125"],
    "BitsAllocated": 16,
    "BitsStored": 16,
    "HighBit": 15,
    "PixelRepresentation": 1,
    "WindowCenter": "40",
    "WindowWidth": "400",
    "RescaleIntercept": "0",
    "RescaleSlope": "1",
    "RescaleType": "HU",
}
