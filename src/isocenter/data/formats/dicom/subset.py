"""The part of a header that a result needs to be put back beside its image: patient, study, equipment, frame."""

from __future__ import annotations

from typing import Any

KEYWORDS = (
    "SpecificCharacterSet",
    "PatientName",
    "PatientID",
    "IssuerOfPatientID",
    "PatientBirthDate",
    "PatientSex",
    "PatientAge",
    "PatientSize",
    "PatientWeight",
    "StudyInstanceUID",
    "StudyDate",
    "StudyTime",
    "StudyID",
    "StudyDescription",
    "AccessionNumber",
    "ReferringPhysicianName",
    "SeriesInstanceUID",
    "SeriesNumber",
    "SeriesDate",
    "SeriesTime",
    "SeriesDescription",
    "Modality",
    "BodyPartExamined",
    "Laterality",
    "PatientPosition",
    "FrameOfReferenceUID",
    "PositionReferenceIndicator",
    "SOPClassUID",
    "Rows",
    "Columns",
    "NumberOfFrames",
    "Manufacturer",
    "ManufacturerModelName",
    "DeviceSerialNumber",
    "SoftwareVersions",
    "InstitutionName",
    "PixelSpacing",
    "SliceThickness",
    "SpacingBetweenSlices",
    "ImageOrientationPatient",
    "TotalPixelMatrixRows",
    "TotalPixelMatrixColumns",
    "ContainerIdentifier",
    "WindowCenter",
    "WindowWidth",
)


def header_subset(dataset: Any) -> dict[str, Any]:
    """Plain values by DICOM keyword; what the file does not say is left out."""
    found = {}
    for keyword in KEYWORDS:
        value = _value(dataset, keyword)
        if value is not None and value != "" and value != ():
            found[keyword] = value
    return found


def _value(dataset: Any, keyword: str) -> Any:
    try:
        value = dataset.get(keyword)
    except (ValueError, TypeError, KeyError, NotImplementedError):
        # A broken value in a field that is only carried along; the pixels do not depend on it.
        return None
    if value is None:
        return None
    if not isinstance(value, str) and hasattr(value, "__iter__") and not hasattr(value, "original_string"):
        return tuple(_plain(one) for one in value) if not hasattr(value, "family_name") else str(value)
    return _plain(value)


def _plain(value: Any) -> Any:
    if isinstance(value, bool | str):
        return str(value)
    if isinstance(value, int):
        return int(value)
    return float(value) if isinstance(value, float) else str(value)
