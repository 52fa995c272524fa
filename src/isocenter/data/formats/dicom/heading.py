"""What a written DICOM file says beside its pixels: whose it is, what it is, and which identifiers it carries."""

from __future__ import annotations

import hashlib
import json
import uuid
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from isocenter.core.image import Image, Intensity
from isocenter.data.formats.dicom.stored import Stored, short_decimal

CT = "1.2.840.10008.5.1.4.1.1.2"
MR = "1.2.840.10008.5.1.4.1.1.4"
CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
FILM_BYTES = "1.2.840.10008.5.1.4.1.1.7.2"
FILM_WORDS = "1.2.840.10008.5.1.4.1.1.7.3"
FILM_COLOUR = "1.2.840.10008.5.1.4.1.1.7.4"

_EXPLICIT_LITTLE = "1.2.840.10008.1.2.1"

CARRIED = (
    "PatientName",
    "PatientID",
    "IssuerOfPatientID",
    "PatientBirthDate",
    "PatientSex",
    "PatientAge",
    "PatientSize",
    "PatientWeight",
    "PatientIdentityRemoved",
    "DeidentificationMethod",
    "StudyDate",
    "StudyTime",
    "StudyID",
    "AccessionNumber",
    "StudyDescription",
    "ReferringPhysicianName",
    "SeriesDescription",
    "BodyPartExamined",
    "Laterality",
    "PatientPosition",
    "PositionReferenceIndicator",
    "Manufacturer",
    "ManufacturerModelName",
    "InstitutionName",
)
"""What a written file takes over from the DICOM file that the image came from."""

_EMPTY_WHERE_UNKNOWN = (
    "PatientBirthDate",
    "PatientSex",
    "StudyDate",
    "StudyTime",
    "StudyID",
    "AccessionNumber",
    "ReferringPhysicianName",
)

_OF_ITS_CLASS: dict[str, dict[str, Any]] = {
    CT: {
        "ImageType": ["DERIVED", "SECONDARY", "AXIAL"],
        "KVP": "",
        "AcquisitionNumber": "",
    },
    MR: {
        "ImageType": ["DERIVED", "SECONDARY", "OTHER"],
        "ScanningSequence": "RM",  # research mode: the true one is not known any more
        "SequenceVariant": "NONE",
        "ScanOptions": "",
        "MRAcquisitionType": "",
        "EchoTime": "",
        "EchoTrainLength": "",
    },
    CAPTURE: {"ImageType": ["DERIVED", "SECONDARY"], "ConversionType": "WSD"},
}


@dataclass(frozen=True, slots=True)
class Heading:
    """Everything but place, time and pixels, the same for all files of a series."""

    elements: dict[str, Any]
    digest: str

    def dataset(self, number: int) -> Any:
        """A data set for the file of this number, from 1."""
        from pydicom.dataset import Dataset, FileMetaDataset

        dataset = Dataset()
        with warnings.catch_warnings():
            # pydicom warns of words that are too long; they were so in the file that they came from.
            warnings.simplefilter("ignore")
            for keyword, value in self.elements.items():
                setattr(dataset, keyword, value)
        dataset.InstanceNumber = number
        dataset.SOPInstanceUID = uid_of(self.digest, "instance", str(number))
        dataset.file_meta = FileMetaDataset()
        dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
        dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
        dataset.file_meta.TransferSyntaxUID = _EXPLICIT_LITTLE
        dataset.file_meta.ImplementationClassUID = uid_of("isocenter", "implementation")
        dataset.file_meta.ImplementationVersionName = "ISOCENTER"
        return dataset


def heading_of(image: Image, stored: Stored) -> Heading:
    """The heading of a series for this image."""
    kind = _class_of(image, stored)
    digest = digest_of(image)
    elements: dict[str, Any] = {"SpecificCharacterSet": "ISO_IR 192", "SOPClassUID": kind}
    elements |= dict.fromkeys(_EMPTY_WHERE_UNKNOWN, "")
    elements |= {
        "PatientName": "Isocenter^converted",
        "PatientID": f"ISOCENTER-{digest[:12].upper()}",  # an empty one would make all such patients one in an archive
        "StudyDescription": "Isocenter converted",
        "Manufacturer": "Isocenter",
        **_OF_ITS_CLASS.get(kind, _OF_ITS_CLASS[CAPTURE]),
        **carried(image),
        "Modality": {CT: "CT", MR: "MR"}.get(kind, image.modality or "OT"),
        "StudyInstanceUID": image.origin.uids.get("study") or uid_of(digest, "study"),
        "SeriesInstanceUID": uid_of(digest, "series"),
        "SeriesNumber": "",
    }
    elements |= _pixels(image, stored) | _place(image, digest) | _values(image, stored)
    return Heading(elements, digest)


def carried(image: Image) -> dict[str, Any]:
    """What is known of patient, study and device, where the image came from DICOM.

    Words are taken over as they are: a name that is too long is still the name. A date, an age or a code that is not
    of its form says nothing and is left out.
    """
    if image.origin.format != "dicom":
        return {}
    header = image.origin.header
    found = {keyword: header[keyword] for keyword in CARRIED if header.get(keyword) not in (None, "")}
    return {keyword: value for keyword, value in found.items() if _is_sound(keyword, value)}


def _is_sound(keyword: str, value: Any) -> bool:
    from pydicom.config import RAISE
    from pydicom.datadict import dictionary_VR
    from pydicom.valuerep import validate_value

    kind = dictionary_VR(keyword)
    if kind in ("LO", "PN", "SH"):
        return True
    try:
        validate_value(kind, str(value), RAISE)
    except ValueError:
        return False
    return True


def digest_of(image: Image) -> str:
    """A fingerprint of the image: the same image written twice gets the same identifiers."""
    told = [
        image.axes,
        image.array.dtype.str,
        image.array.shape,
        image.geometry.affine.tolist(),
        str(image.intensity),
        image.modality,
        image.times,
        dict(image.origin.uids),
        image.origin.slices,
        dict(image.classes),
        image.channels,
    ]
    content = hashlib.sha256(json.dumps(told, sort_keys=True, default=str).encode())
    content.update(np.ascontiguousarray(image.array).data)
    return content.hexdigest()


def uid_of(*parts: str) -> str:
    """An identifier made from words, under the root 2.25 that needs no registration."""
    digest = hashlib.sha256("\0".join(parts).encode()).digest()
    return f"2.25.{uuid.UUID(bytes=digest[:16], version=5).int}"


def save(dataset: Any, path: Path) -> None:
    """Write one data set as a DICOM file."""
    dataset.save_as(path, enforce_file_format=True)


def is_colour(image: Image) -> bool:
    """Whether the channels are red, green and blue."""
    return image.intensity == Intensity.RGB and image.extent("C") == 3


def is_film(image: Image) -> bool:
    """Whether these are frames over time without a place: they belong into one file."""
    return image.axes == "CTYX" and not image.geometry.placed


def scanner_class(image: Image) -> str | None:
    """CT or MR Image Storage, or None for what is written as a secondary capture."""
    if not image.geometry.placed or image.extent("C") > 1:
        return None
    if image.intensity == Intensity.HU and image.modality in ("CT", None):
        return CT  # a CT whose values are no Hounsfield units would be taken for one
    return MR if image.modality == "MR" else None


def _class_of(image: Image, stored: Stored) -> str:
    if is_film(image):
        if is_colour(image):
            return FILM_COLOUR
        return FILM_BYTES if stored.numbers.dtype == np.uint8 else FILM_WORDS
    return scanner_class(image) or CAPTURE


def _pixels(image: Image, stored: Stored) -> dict[str, Any]:
    colour = is_colour(image)
    bits = stored.numbers.dtype.itemsize * 8
    elements: dict[str, Any] = {
        "SamplesPerPixel": 3 if colour else 1,
        "PhotometricInterpretation": "RGB" if colour else "MONOCHROME2",
        "Rows": image.extent("Y"),
        "Columns": image.extent("X"),
        "BitsAllocated": bits,
        "BitsStored": bits,
        "HighBit": bits - 1,
        "PixelRepresentation": int(stored.numbers.dtype.kind == "i"),
    }
    return elements | ({"PlanarConfiguration": 0} if colour else {})


def _place(image: Image, digest: str) -> dict[str, Any]:
    geometry = image.geometry
    if not geometry.spacing_known:
        return {}
    right, down, step = (short_decimal(value) for value in geometry.spacing)
    elements: dict[str, Any] = {"PixelSpacing": [down, right]}
    if not geometry.placed:
        return elements
    rows, columns = geometry.direction[:, 0], geometry.direction[:, 1]
    elements |= {
        "ImageOrientationPatient": [short_decimal(value) for value in (*rows, *columns)],
        "FrameOfReferenceUID": image.origin.uids.get("frame_of_reference") or uid_of(digest, "frame of reference"),
        "PositionReferenceIndicator": carried(image).get("PositionReferenceIndicator", ""),
        "PatientPosition": carried(image).get("PatientPosition", ""),
        "SliceThickness": step,
    }
    return elements | ({"SpacingBetweenSlices": step} if image.extent("Z") > 1 else {})


def _values(image: Image, stored: Stored) -> dict[str, Any]:
    elements: dict[str, Any] = {}
    if stored.rescaled or image.intensity == Intensity.HU:
        kind = "HU" if image.intensity == Intensity.HU else "US"
        elements = {"RescaleIntercept": stored.intercept, "RescaleSlope": stored.slope, "RescaleType": kind}
    units = {Intensity.SUV: "GML", Intensity.ACTIVITY: "BQML"}.get(image.intensity)
    if units:
        elements["Units"] = units
    if stored.error:
        elements["DerivationDescription"] = (
            f"Values rounded to 16 bits on writing; they differ from the original by at most {stored.error:.6g}"
        )
    return elements
