"""PET: uptake by body weight where the header suffices, and what is kept where it does not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dicom_phantoms import item, only, plane, positions, read, write_slice

from isocenter.core.image import Image, Intensity

PET = "1.2.840.10008.5.1.4.1.1.128"
HALF_LIFE = 6586.2
DOSE = 4.0e8


def tracer(**changes: Any) -> Any:
    """The injection, an hour before the scan."""
    known = {
        "RadionuclideTotalDose": DOSE,
        "RadionuclideHalfLife": HALF_LIFE,
        "RadiopharmaceuticalStartTime": "110000",
    }
    return item(**{name: value for name, value in {**known, **changes}.items() if value is not None})


def scan(folder: Path, **changes: Any) -> Image:
    """A PET series of two slices, read."""
    known: dict[str, Any] = {
        "sop_class": PET,
        "Modality": "PT",
        "Units": "BQML",
        "DecayCorrection": "START",
        "PatientWeight": 80.0,
        "SeriesDate": "20240229",
        "SeriesTime": "120000",
        "AcquisitionDate": "20240229",
        "AcquisitionTime": "120000",
        "RadiopharmaceuticalInformationSequence": [tracer()],
        "RescaleSlope": 10.0,
        "RescaleIntercept": 0.0,
    }
    for index, place in enumerate(positions(2)):
        write_slice(folder / str(index), place, **{**known, **changes})
    return read(only(folder))


def activity() -> Any:
    return np.stack([plane(place) for place in positions(2)]) * 10.0


def expected(passed: float) -> Any:
    return activity() * 80_000 / (DOSE * 2 ** (-passed / HALF_LIFE))


@pytest.mark.parametrize(
    ("changes", "passed"),
    [
        ({}, 3600),
        ({"DecayCorrection": "ADMIN"}, 0),
        ({"SeriesTime": "120500"}, 3600),  # the series was made after its first slice: that one counts
        ({"SeriesTime": "115500"}, 3300),
        ({"SeriesTime": None}, 3600),
        ({"AcquisitionTime": None}, 3600),
    ],
)
def test_uptake(tmp_path: Path, changes: dict[str, Any], passed: float) -> None:
    image = scan(tmp_path, **changes)
    assert image.intensity == Intensity.SUV
    assert image.array.dtype == np.float32
    np.testing.assert_allclose(image.array[0], expected(passed), rtol=1e-5)


def test_a_scan_past_midnight(tmp_path: Path) -> None:
    times = {
        "SeriesTime": "001000",
        "AcquisitionTime": "001000",
        "SeriesDate": "20240301",
        "AcquisitionDate": "20240301",
    }
    by_time = scan(
        tmp_path / "a", **times, RadiopharmaceuticalInformationSequence=[tracer(RadiopharmaceuticalStartTime="235000")]
    )
    injected = tracer(RadiopharmaceuticalStartDateTime="20240229235000.00")
    by_date = scan(tmp_path / "b", **times, RadiopharmaceuticalInformationSequence=[injected])
    for image in (by_time, by_date):
        np.testing.assert_allclose(image.array[0], expected(1200), rtol=1e-5)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"PatientWeight": None}, "weight"),
        ({"RadiopharmaceuticalInformationSequence": None}, "dose"),
        ({"RadiopharmaceuticalInformationSequence": [tracer(RadionuclideTotalDose=None)]}, "dose"),
        ({"RadiopharmaceuticalInformationSequence": [tracer(RadionuclideHalfLife=None)]}, "half-life"),
        ({"RadiopharmaceuticalInformationSequence": [tracer(RadiopharmaceuticalStartTime=None)]}, "time of injection"),
        ({"SeriesTime": None, "AcquisitionTime": None}, "time of injection or of the scan"),
        ({"DecayCorrection": "NONE"}, "decay correction is NONE"),
        ({"DecayCorrection": None}, "decay correction is not given"),
        (
            {
                "RadiopharmaceuticalInformationSequence": [
                    tracer(RadiopharmaceuticalStartDateTime="20240301000000", RadiopharmaceuticalStartTime=None)
                ]
            },
            "later than the scan",
        ),
    ],
)
def test_what_is_lacking_is_said_and_activity_kept(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    image = scan(tmp_path, **changes)
    assert image.intensity == Intensity.ACTIVITY
    assert any(said in note for note in image.notes)
    np.testing.assert_allclose(image.array[0], activity())


def test_other_units(tmp_path: Path) -> None:
    grams = scan(tmp_path / "a", Units="GML")
    counts = scan(tmp_path / "b", Units="CNTS")
    none = scan(tmp_path / "c", Units=None)
    assert [image.intensity for image in (grams, counts, none)] == [Intensity.SUV, Intensity.RAW, Intensity.RAW]
    np.testing.assert_allclose(grams.array[0], activity())
    assert any("no units" in note for note in none.notes)


def test_counts_of_philips_carry_their_factor(tmp_path: Path) -> None:
    from pydicom import dcmread

    scan(tmp_path, Units="CNTS", Manufacturer="Philips Medical Systems")
    for path in tmp_path.iterdir():
        dataset = dcmread(path)
        dataset.private_block(0x7053, "Philips PET Private Group", create=True).add_new(0x00, "DS", "0.002")
        dataset.save_as(path)
    image = read(only(tmp_path))
    assert image.intensity == Intensity.SUV
    np.testing.assert_allclose(image.array[0], activity() * 0.002, rtol=1e-6)
