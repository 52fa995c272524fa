"""Made-up chest scans as a hospital would hand them over: a folder of DICOM series and a table of labels."""

from __future__ import annotations

import csv
import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isocenter.core.image import Image
from isocenter.core.progress import Progress, Silent, tracked
from isocenter.data.phantoms._lesions import EARLY, Disease
from isocenter.data.phantoms._person import Person, Protocol
from isocenter.data.phantoms.chest import make_chest

COLUMNS = ("PatientID", "class", "sex", "age")
NODULE, CLEAR = "nodule", "clear"
_CT_IMAGE, _EXPLICIT_LITTLE = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.1.2.1"
_COVERED, _FEWEST, _MOST = 215.0, 40, 56
"""Slices cover this many millimetres, but thin ones are cut off at `_MOST`, so that a demonstration stays quick."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Visit:
    """One examination of one made-up patient."""

    patient: str
    person: Person
    protocol: Protocol
    taken: datetime
    root: str

    def uid(self, *parts: object) -> str:
        """An identifier made from the seed alone: the same every time, and in nobody's range."""
        digest = hashlib.sha256("/".join(map(str, (self.root, self.patient, *parts))).encode()).digest()
        return f"2.25.{int.from_bytes(digest[:15], 'big')}"


def write_scans(
    folder: str | Path,
    *,
    patients: int = 40,
    seed: int = 0,
    progress: Progress | None = None,
    pixels: int = 128,
    disease: Disease = EARLY,
) -> Path:
    """Write made-up chest CT scans as DICOM series, one folder per patient, and `labels.csv` beside them.

    Half of the patients (one more of an odd number) have nodules. The same numbers give the same files, byte for byte.

    Args:
        folder: where to write; made if it is not there.
        patients: how many.
        seed: the only source of chance.
        progress: told of each patient.
        pixels: rows and columns of each slice.
        disease: how many nodules the ill have, and how wide.

    Returns:
        The folder.
    """
    place = Path(folder)
    place.mkdir(parents=True, exist_ok=True)
    rows = []
    for index in tracked(range(patients), progress or Silent(), "Making phantom chest scans", patients):
        rows.append(_write_patient(place, patients, seed, index, pixels, disease))
    with (place / "labels.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows([COLUMNS, *rows])
    return place


def _write_patient(
    place: Path, patients: int, seed: int, index: int, pixels: int, disease: Disease
) -> tuple[object, ...]:
    """Who comes, when, on which scanner; and, drawn apart from all that, whether there are nodules."""
    ill = np.arange(patients) < (patients + 1) // 2
    np.random.default_rng([seed, 0]).shuffle(ill)
    number = int(np.random.default_rng([seed, 1]).permutation(9000)[index % 9000]) + 1000
    rng = np.random.default_rng([seed, 2, index])
    minutes = int(rng.integers(0, 3 * 365)) * 1440 + int(rng.integers(7 * 60, 19 * 60))
    visit = _Visit(
        patient=f"PHANTOM-{number}" + (f"-{index // 9000}" if index >= 9000 else ""),
        person=Person.drawn(rng),
        protocol=Protocol.drawn(rng),
        taken=datetime(2022, 1, 3, tzinfo=UTC) + timedelta(minutes=minutes),
        root=f"isocenter-phantom/{seed}",
    )
    slices = int(np.clip(round(_COVERED / visit.protocol.thickness), _FEWEST, _MOST))
    image, _ = make_chest(
        rng,
        nodule=bool(ill[index]),
        shape=(slices, pixels, pixels),
        person=visit.person,
        protocol=visit.protocol,
        disease=disease,
    )
    _write_series(place / visit.patient, image, visit)
    return visit.patient, NODULE if ill[index] else CLEAR, visit.person.sex, visit.person.age


def _write_series(folder: Path, image: Image, visit: _Visit) -> None:
    """One file per slice, counted from the side from which this scanner counts."""
    from pydicom.dataset import Dataset

    folder.mkdir(parents=True, exist_ok=True)
    scanner = visit.protocol.scanner
    intercept = 0 if scanner.signed else -1024
    stored = (image.array[0] - intercept).astype("<i2" if scanner.signed else "<u2")
    order = range(len(stored))[::-1] if scanner.downward else range(len(stored))
    header = Dataset()
    header.update(_patient_and_study(visit))
    header.update(_series(visit))
    header.update(_pixel_format(image, scanner.signed, intercept))
    shared = _encoded(header)
    for number, index in enumerate(order, start=1):
        own = _slice(image, visit, stored[index], number=number, index=index)
        elements = sorted((shared | _encoded(own)).items())
        content = b"".join((_preamble(own.SOPInstanceUID), *(encoded for _, encoded in elements)))
        (folder / f"CT{number:04d}.dcm").write_bytes(content)


def _dataset(values: dict[str, Any]) -> Any:
    from pydicom.dataset import Dataset

    dataset = Dataset()
    for keyword, value in values.items():
        setattr(dataset, keyword, value)
    return dataset


def _patient_and_study(visit: _Visit) -> Any:
    person, day = visit.person, visit.taken.strftime("%Y%m%d")
    return _dataset(
        {
            "SpecificCharacterSet": "ISO_IR 192",
            "PatientID": visit.patient,
            "PatientName": f"PHANTOM^{visit.patient[-4:]}",
            "PatientBirthDate": "",
            "PatientSex": person.sex,
            "PatientAge": f"{person.age:03d}Y",
            "PatientIdentityRemoved": "YES",
            "DeidentificationMethod": "Synthetic image: nobody was scanned",
            "StudyInstanceUID": visit.uid("study"),
            "StudyID": "1",
            "StudyDate": day,
            "StudyTime": visit.taken.strftime("%H%M%S"),
            "StudyDescription": "CT CHEST PHANTOM",
            "AccessionNumber": "",
            "ReferringPhysicianName": "",
        }
    )


def _series(visit: _Visit) -> Any:
    protocol, scanner = visit.protocol, visit.protocol.scanner
    contrast = visit.person.blood > 100
    begun = visit.taken + timedelta(minutes=4)
    return _dataset(
        {
            "SOPClassUID": _CT_IMAGE,
            "Modality": "CT",
            "ImageType": ["ORIGINAL", "PRIMARY", "AXIAL"],
            "Manufacturer": scanner.maker,
            "ManufacturerModelName": scanner.model,
            "SoftwareVersions": scanner.software,
            "SeriesInstanceUID": visit.uid("series"),
            "FrameOfReferenceUID": visit.uid("frame"),
            "PositionReferenceIndicator": "",
            "SeriesNumber": 2,
            "SeriesDate": begun.strftime("%Y%m%d"),
            "SeriesTime": begun.strftime("%H%M%S"),
            "AcquisitionDate": begun.strftime("%Y%m%d"),
            "AcquisitionTime": begun.strftime("%H%M%S"),
            "ContentDate": begun.strftime("%Y%m%d"),
            "ContentTime": begun.strftime("%H%M%S"),
            "SeriesDescription": f"Chest {'+C ' if contrast else ''}{protocol.thickness:g} mm {protocol.kernel.name}",
            "ProtocolName": "Thorax routine",
            "BodyPartExamined": "CHEST",
            "PatientPosition": "HFS",
            "KVP": str(protocol.kvp),
            "XRayTubeCurrent": protocol.current,
            "ConvolutionKernel": protocol.kernel.name,
            "SliceThickness": f"{protocol.thickness:g}",
            "SpacingBetweenSlices": f"{protocol.thickness:g}",
            **({"ContrastBolusAgent": "IODINE"} if contrast else {}),
        }
    )


def _pixel_format(image: Image, signed: bool, intercept: int) -> Any:
    x, y, _ = image.geometry.spacing
    rows, columns = image.extent("Y"), image.extent("X")
    return _dataset(
        {
            "SamplesPerPixel": 1,
            "PhotometricInterpretation": "MONOCHROME2",
            "Rows": rows,
            "Columns": columns,
            "PixelSpacing": [f"{y:.6g}", f"{x:.6g}"],
            "ImageOrientationPatient": ["1", "0", "0", "0", "1", "0"],
            "ReconstructionDiameter": f"{x * columns:.1f}",
            "BitsAllocated": 16,
            "BitsStored": 16 if signed else 12,
            "HighBit": 15 if signed else 11,
            "PixelRepresentation": int(signed),
            "RescaleIntercept": str(intercept),
            "RescaleSlope": "1",
            "RescaleType": "HU",
            "WindowCenter": ["40", "-600"],
            "WindowWidth": ["400", "1500"],
        }
    )


def _slice(image: Image, visit: _Visit, pixels: NDArray[np.generic], *, number: int, index: int) -> Any:
    """What differs from slice to slice."""
    x, y, z = (float(value) for value in image.geometry.points((0, 0, index)))
    dataset = _dataset(
        {
            "SOPInstanceUID": visit.uid("slice", number),
            "InstanceNumber": number,
            "ImagePositionPatient": [f"{x:.4f}", f"{y:.4f}", f"{z:.4f}"],
            "SliceLocation": f"{z:.4f}",
            "PixelData": pixels.tobytes(),
        }
    )
    dataset["PixelData"].VR = "OW"
    return dataset


def _encoded(dataset: Any) -> dict[int, bytes]:
    """Each element as it stands in a file: what all slices share is encoded once, since a scan has thousands."""
    from pydicom.filebase import DicomBytesIO
    from pydicom.filewriter import write_data_element

    found = {}
    for element in dataset:
        stream = DicomBytesIO()
        stream.is_little_endian, stream.is_implicit_VR = True, False
        write_data_element(stream, element, "utf-8")
        found[int(element.tag)] = stream.getvalue()
    return found


def _preamble(instance: str) -> bytes:
    """How a file begins: who wrote it, and how the rest is encoded."""
    from pydicom.dataset import FileMetaDataset
    from pydicom.filebase import DicomBytesIO
    from pydicom.filewriter import write_file_meta_info

    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = _CT_IMAGE
    meta.MediaStorageSOPInstanceUID = instance
    meta.TransferSyntaxUID = _EXPLICIT_LITTLE
    meta.ImplementationClassUID = "2.25.302043790172249692526321623266752743501"
    meta.ImplementationVersionName = "ISOCENTER"
    stream = DicomBytesIO(b"\0" * 128 + b"DICM")
    stream.seek(0, 2)
    write_file_meta_info(stream, meta)
    return bytes(stream.getvalue())
