"""Written DICOM: every value at its place in the patient, read back by our own reader, pydicom, ITK and highdicom."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from writing_samples import OBLIQUE, again, volume

from isocenter.core.errors import StorageProblem, UsageError
from isocenter.core.geometry import Geometry
from isocenter.core.image import Image, Intensity, Origin
from isocenter.data import files
from isocenter.data.formats.dicom.stored import stored_values
from isocenter.data.formats.dicom.writing import write

# Series.


@pytest.mark.parametrize("dtype", ["int16", "uint16", "uint8"])
def test_a_volume_comes_back_exactly(tmp_path: Path, dtype: str) -> None:
    image = volume(dtype)
    found = again(tmp_path / "series", image)
    np.testing.assert_array_equal(found.array, image.array)
    np.testing.assert_allclose(found.geometry.affine, image.geometry.affine, atol=1e-9)
    assert found.modality == "MR"


def test_a_left_handed_volume_keeps_every_voxel_in_its_place(tmp_path: Path) -> None:
    direction = OBLIQUE.direction * [1, 1, -1]
    geometry = Geometry.from_parts(origin=OBLIQUE.origin, spacing=OBLIQUE.spacing, direction=direction)
    image = volume(geometry=geometry)
    found = again(tmp_path / "series", image)
    np.testing.assert_array_equal(found.array, image.array[:, ::-1])
    np.testing.assert_allclose(found.geometry.points((0, 0, 3)), geometry.origin, atol=1e-9)
    numbers = [pydicom.dcmread(path).ImagePositionPatient[2] for path in sorted((tmp_path / "series").iterdir())]
    assert numbers == sorted(numbers)


def test_hounsfield_units_are_a_ct(tmp_path: Path) -> None:
    image = volume(modality=None, intensity=Intensity.HU)
    found = again(tmp_path / "series", image)
    assert (found.intensity, found.modality) == (Intensity.HU, "CT")
    dataset = pydicom.dcmread(tmp_path / "series" / "00001.dcm")
    assert dataset.SOPClassUID.name == "CT Image Storage"
    assert (dataset.RescaleType, dataset.SliceThickness, dataset.SpacingBetweenSlices) == ("HU", 2.5, 2.5)


def test_other_modalities_are_captures(tmp_path: Path) -> None:
    image = replace(volume("float32"), modality="PT", intensity=Intensity.SUV)
    found = again(tmp_path / "series", image)
    assert (found.intensity, found.modality) == (Intensity.SUV, "PT")
    assert pydicom.dcmread(tmp_path / "series" / "00001.dcm").SOPClassUID.name == "Secondary Capture Image Storage"
    np.testing.assert_allclose(found.array, image.array, atol=0.01)


def test_volumes_over_time_keep_their_times(tmp_path: Path) -> None:
    image = volume("uint16", axes="CTZYX", times=(0.0, 2.5, 6.0))
    found = again(tmp_path / "series", image)
    assert (found.axes, found.times) == ("CTZYX", (0.0, 2.5, 6.0))
    np.testing.assert_array_equal(found.array, image.array)


def test_frames_without_a_place_are_a_film(tmp_path: Path) -> None:
    for dtype, times in (("uint8", (0.0, 0.1, 0.4)), ("int16", None)):
        image = volume(dtype, axes="CTYX", times=times, geometry=Geometry.sized((0.2, 0.3)), modality="US")
        found = again(tmp_path / f"{dtype}.dcm", image)
        assert (found.axes, found.times, found.spacing) == ("CTYX", times, (0.2, 0.3, 1.0))
        np.testing.assert_array_equal(found.array, image.array)


def test_colours_stay_colours(tmp_path: Path) -> None:
    array = np.random.default_rng(1).integers(0, 256, (3, 3, 5, 7)).astype(np.uint8)
    photograph = Image(array=array[:, 0], axes="CYX", geometry=Geometry.unknown(), intensity=Intensity.RGB)
    found = again(tmp_path / "photo.dcm", photograph)
    np.testing.assert_array_equal(found.array, photograph.array)
    assert (found.intensity, found.spacing) == (Intensity.RGB, None)
    film = replace(photograph, array=array, axes="CTYX")
    np.testing.assert_array_equal(again(tmp_path / "film.dcm", film).array, array)
    with pytest.raises(UsageError, match="Colours must be"):
        write(replace(photograph, array=array[:, 0] / 3), tmp_path / "bad.dcm")


def test_a_single_slice_is_a_file_or_a_folder_of_one(tmp_path: Path) -> None:
    image = volume(axes="CYX")
    assert write(image, tmp_path / "one.dcm") == [tmp_path / "one.dcm"]
    assert write(image, tmp_path / "folder") == [tmp_path / "folder" / "00001.dcm"]
    assert (tmp_path / "one.dcm").read_bytes() == (tmp_path / "folder" / "00001.dcm").read_bytes()
    [found] = files.read(tmp_path / "one.dcm")
    np.testing.assert_allclose(found.geometry.affine, OBLIQUE.affine, atol=1e-9)


def test_the_same_image_gives_the_same_files(tmp_path: Path) -> None:
    first, second = (write(volume(), tmp_path / name) for name in "ab")
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]
    other = write(volume(seed=6), tmp_path / "c")
    instances = {pydicom.dcmread(path).SOPInstanceUID for path in (*first, *other)}
    assert len(instances) == 8
    assert all(uid.startswith("2.25.") and uid.is_valid for uid in instances)


def test_the_patient_is_carried_over_only_from_dicom(tmp_path: Path) -> None:
    header = {"PatientName": "Müller^Eva", "PatientID": "7", "StudyDate": "20200102", "Modality": "XX"}
    uids = {"study": "1.2.3", "frame_of_reference": "1.2.4", "series": "1.2.5"}
    known = replace(volume(), origin=Origin(format="dicom", header=header, uids=uids))
    dataset = pydicom.dcmread(write(known, tmp_path / "known")[0])
    assert (str(dataset.PatientName), dataset.PatientID, dataset.StudyDate) == ("Müller^Eva", "7", "20200102")
    assert (dataset.StudyInstanceUID, dataset.FrameOfReferenceUID) == ("1.2.3", "1.2.4")
    assert dataset.SeriesInstanceUID != "1.2.5"
    assert dataset.Modality == "MR"
    foreign = replace(volume(), origin=Origin(format="nifti", header=header))
    dataset = pydicom.dcmread(write(foreign, tmp_path / "foreign")[0])
    assert str(dataset.PatientName) == "Isocenter^converted"
    assert dataset.PatientID.startswith("ISOCENTER-")


def test_what_is_misspelt_is_left_out_and_long_words_are_kept(tmp_path: Path) -> None:
    header = {"PatientAge": "62", "StudyDate": "yesterday", "PatientWeight": "heavy", "PatientID": "7" * 70}
    known = replace(volume(), origin=Origin(format="dicom", header=header))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydicom says of the identifier that it is too long
        dataset = pydicom.dcmread(write(known, tmp_path / "known")[0])
        assert dataset.PatientID == "7" * 70
    assert (dataset.StudyDate, "PatientAge" in dataset, "PatientWeight" in dataset) == ("", False, False)


def test_itk_sees_the_same_volume(tmp_path: Path) -> None:
    image = volume()
    write(image, tmp_path / "series")
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(tmp_path / "series")))
    theirs = reader.Execute()
    np.testing.assert_array_equal(sitk.GetArrayFromImage(theirs), image.array[0])
    for index in ((0, 0, 0), (5, 4, 3), (2, 0, 1)):
        point = theirs.TransformIndexToPhysicalPoint(index)
        np.testing.assert_allclose(point, image.geometry.points(index), atol=1e-6)


# Values.


@pytest.mark.parametrize(
    ("values", "slope", "intercept"),
    [
        (np.array([0, 1], bool), 1, 0),
        (np.array([-5, 127], np.int8), 1, 0),
        (np.array([-5.0, 1000.0]), 1, 0),
        (np.array([0, 65535]), 1, 0),
        (np.array([-40000, 20000]), 1, -40000),
        (np.array([0, 300, 9_000_000]), 300, 0),
        (np.array([2.5, 2.5]), 1, 2.5),
        (np.array([0.0, 0.25, 1.75]), 0.25, 0),
        (np.float32(0.0173) * np.arange(40, dtype=np.float32), None, 0),
    ],
)
def test_values_on_even_steps_are_exact(values: np.ndarray, slope: float | None, intercept: float) -> None:
    stored = stored_values(values, exact=False)
    assert stored.error <= 1e-7
    if slope is not None:
        assert (stored.slope, stored.intercept) == (slope, intercept)
        np.testing.assert_array_equal(stored.numbers * stored.slope + stored.intercept, values)


def test_fractions_are_rounded_and_the_file_says_by_how_much(tmp_path: Path) -> None:
    image = volume("float32", modality="OT")
    found = again(tmp_path / "series", image)
    dataset = pydicom.dcmread(tmp_path / "series" / "00001.dcm")
    said = float(dataset.DerivationDescription.rsplit(" ", 1)[1])
    worst = float(np.abs(found.array.astype(float) - image.array).max())
    span = float(image.array.max() - image.array.min())
    assert 0 < worst <= said * 1.01
    assert said <= span / 65535
    with pytest.raises(UsageError, match=r"would change values by up to .*Write \.nii\.gz"):
        write(image, tmp_path / "exact", exact=True)
    assert not (tmp_path / "exact").exists()


def test_whole_numbers_beyond_16_bits_are_rounded_or_refused() -> None:
    values = np.array([0, 1, 10_000_001])
    assert 0 < stored_values(values).error <= 10_000_001 / 65535
    with pytest.raises(UsageError):
        stored_values(values, exact=True)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"array": np.full((1, 4, 5, 6), np.nan)}, "not numbers"),
        ({"array": np.zeros((1, 4, 5, 6), complex)}, "kind complex"),
        ({"array": np.zeros((2, 4, 5, 6)), "channels": ("t1", "t2")}, "one channel or three colours"),
        ({"array": np.zeros((1, 0, 5, 6))}, "without pixels"),
        ({"geometry": Geometry.sized((1, 1, 1))}, "place in the patient"),
        ({"geometry": Geometry(np.eye(4) + np.eye(4, k=2) * [0, 0, 0.2, 0])}, "lean by 11 degrees"),
    ],
)
def test_what_a_series_cannot_hold_is_refused(tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        write(replace(volume(), **changes), tmp_path / "series")
    assert list(tmp_path.iterdir()) == []


def test_a_taken_place_is_refused_and_left_alone(tmp_path: Path) -> None:
    folder = tmp_path / "series"
    folder.mkdir()
    write(volume(), folder)
    before = sorted(path.read_bytes() for path in folder.iterdir())
    with pytest.raises(UsageError, match="new or empty folder"):
        write(volume(seed=6), folder)
    assert sorted(path.read_bytes() for path in folder.iterdir()) == before
    (tmp_path / "file").write_text("mine")
    with pytest.raises(UsageError, match="must be a folder"):
        write(volume(), tmp_path / "file")
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["file", "series"]


def test_a_full_disk_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("isocenter.storage.atomic.free_bytes", lambda path: 0)
    with pytest.raises(StorageProblem, match="Free some space"):
        write(volume(), tmp_path / "series")
    assert list(tmp_path.iterdir()) == []
