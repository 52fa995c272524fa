"""Whose a mask is: the identifiers and the few words of a data set that tie it to a patient, a study and a series."""

from __future__ import annotations

from typing import Any

_WORDS = {
    "patient": "PatientID",
    "study": "StudyInstanceUID",
    "series": "SeriesInstanceUID",
    "description": "SeriesDescription",
    "body_part": "BodyPartExamined",
    "laterality": "Laterality",
    "sex": "PatientSex",
}
_UIDS = {
    "study": "StudyInstanceUID",
    "series": "SeriesInstanceUID",
    "frame_of_reference": "FrameOfReferenceUID",
    "sop_class": "SOPClassUID",
}


def known_of(dataset: Any) -> dict[str, Any]:
    """Patient, study, series, date and the like, under the names that `ImageFacts` uses."""
    known: dict[str, Any] = {name: _text(dataset, keyword) for name, keyword in _WORDS.items()}
    known["date"] = iso_date(_text(dataset, "StudyDate"))
    makers = [_text(dataset, keyword) for keyword in ("Manufacturer", "ManufacturerModelName")]
    known["device"] = " ".join(word for word in makers if word) or None
    return known


def uids_of(dataset: Any) -> dict[str, str]:
    """The identifiers of study, series, frame of reference and class, under the names that `Origin` uses."""
    found = {name: _text(dataset, keyword) for name, keyword in _UIDS.items()}
    return {name: text for name, text in found.items() if text}


def iso_date(text: str | None) -> str | None:
    """A DICOM date (YYYYMMDD, also the old YYYY.MM.DD) as YYYY-MM-DD, or None."""
    digits = (text or "").replace(".", "")
    return f"{digits[:4]}-{digits[4:6]}-{digits[6:]}" if len(digits) == 8 and digits.isdigit() else None


def _text(dataset: Any, keyword: str) -> str | None:
    value = dataset.get(keyword)
    return (str(value).strip() or None) if value is not None else None
