"""Written DICOM: every value at its place in the patient, read back by our own reader, pydicom, ITK and highdicom."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import highdicom
import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from pydicom.dataset import Dataset, FileMetaDataset

from isocenter.core.errors import MissingExtra, StorageProblem, UsageError
from isocenter.core.geometry import Geometry
from isocenter.core.image import Image, Intensity, Origin
from isocenter.data import files
from isocenter.data.formats.dicom.seg_writing import write_seg
from isocenter.data.formats.dicom.stored import stored_values
from isocenter.data.formats.dicom.writing import write

TURN = np.radians(20)
OBLIQUE = Geometry.from_parts(
    origin=(-101.123456789, 55.5, -1 / 3),
    spacing=(0.7, 0.9, 2.5),
    direction=[[np.cos(TURN), -np.sin(TURN), 0], [np.sin(TURN), np.cos(TURN), 0], [0, 0, 1]],
)
FOLDER = "dicom/seg_sm_sr/data/test_files"


def volume(dtype: str = "int16", *, axes: str = "CZYX", seed: int = 5, **known: Any) -> Image:
    """A small volume of noise over the range of its kind of number."""
    sizes = {"C": 1, "T": 3, "Z": 4, "Y": 5, "X": 6}
    rng = np.random.default_rng(seed)
    shape = tuple(sizes[axis] for axis in axes)
    array: Any = rng.normal(size=shape) * 100
    if np.dtype(dtype).kind != "f":
        limits = np.iinfo(dtype)
        array = rng.integers(limits.min, limits.max, shape, endpoint=True)
    return Image(array=array.astype(dtype), axes=axes, **{"geometry": OBLIQUE, "modality": "MR", **known})


def again(path: Path, image: Image) -> Image:
    """Write and read back."""
    write(image, path)
    [found] = files.read(path)
    return found


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


# Masks.


def mask_on(image: Image, *, channels: int = 1, **known: Any) -> Image:
    """A lopsided mask on the grid of an image: class 1 on slice 1, class 2 on slice 2."""
    array = np.zeros((channels, *image.array.shape[-3:]), np.uint8)
    array[0, 1, 2, 3] = 1
    array[-1, 2, 1:3, 4] = 2
    if channels == 2:
        array[1, 1, 2, 3] = 2
    names = ("nodule", "vessel") if channels == 2 else ()
    return Image(
        array=array,
        axes="CZYX",
        geometry=image.geometry,
        intensity=Intensity.LABEL,
        channels=names,
        **{"classes": {1: "nodule", 2: "vessel"}, "origin": image.origin, **known},
    )


def at_points(image: Image) -> dict[tuple[float, ...], list[int]]:
    """What is drawn, by place in the patient."""
    places = np.argwhere(image.array.any(axis=0))
    points = np.round(image.geometry.points(places[:, ::-1]), 3)
    values = (image.array[:, z, y, x].tolist() for z, y, x in places)
    return dict(zip((tuple(point) for point in points.tolist()), values, strict=True))


@pytest.fixture
def source(tmp_path: Path) -> Image:
    return again(tmp_path / "source", volume(intensity=Intensity.HU, modality="CT"))


def test_a_mask_comes_back_where_it_was_drawn(tmp_path: Path, source: Image) -> None:
    mask = mask_on(source)
    assert files.write(mask, tmp_path / "mask.dcm") == [tmp_path / "mask.dcm"]
    [found] = files.read(tmp_path / "mask.dcm")
    assert at_points(found) == at_points(mask)
    assert found.classes == mask.classes
    assert found.array.shape[1] == 2  # the two empty slices are left out
    theirs = highdicom.seg.segread(tmp_path / "mask.dcm")
    assert theirs.number_of_segments == 2
    references = {uid for _, _, uid in theirs.get_source_image_uids()}
    assert references == {uid for uid, _ in source.origin.slices}
    volume_of_theirs = theirs.get_volume(combine_segments=True)
    places = np.argwhere(volume_of_theirs.array)
    points = np.round(places @ volume_of_theirs.affine[:3, :3].T + volume_of_theirs.affine[:3, 3], 3)
    values = ([int(volume_of_theirs.array[tuple(place)])] for place in places)
    assert dict(zip((tuple(point) for point in points.tolist()), values, strict=True)) == at_points(mask)


def test_overlapping_segments_come_back_apart(tmp_path: Path, source: Image) -> None:
    mask = mask_on(source, channels=2)
    write_seg(mask, tmp_path / "mask.dcm")
    [found] = files.read(tmp_path / "mask.dcm")
    assert found.channels == ("nodule", "vessel")
    assert at_points(found) == at_points(mask)
    with pytest.raises(UsageError, match=r"values \[1, 9\] in `nodule`"):
        array = mask.array.copy()
        array[0, 0, 0, 0] = 9
        write_seg(replace(mask, array=array), tmp_path / "bad.dcm")


def test_a_turned_mask_is_turned_back(tmp_path: Path, source: Image) -> None:
    mask = mask_on(source)
    write_seg(mask.oriented("SRA"), tmp_path / "mask.dcm", source=source)
    assert at_points(files.read(tmp_path / "mask.dcm")[0]) == at_points(mask)


def test_part_of_the_slices_is_enough(tmp_path: Path, source: Image) -> None:
    mask = mask_on(source)
    part = replace(mask, array=mask.array[:, 1:], geometry=mask.geometry.shifted((0, 0, 1)))
    write_seg(part, tmp_path / "mask.dcm", source=[Path(one) for one in reversed(source.origin.files)])
    assert at_points(files.read(tmp_path / "mask.dcm")[0]) == at_points(mask)


def test_a_mask_on_a_single_slice(tmp_path: Path) -> None:
    slice_ = again(tmp_path / "slice.dcm", volume(axes="CYX"))
    array = np.zeros((1, 5, 6), np.uint8)
    array[0, 1, 2] = 1
    mask = replace(slice_, array=array, intensity=Intensity.LABEL, channels=())
    write_seg(mask, tmp_path / "mask.dcm")
    [found] = files.read(tmp_path / "mask.dcm")
    np.testing.assert_array_equal(found.array[:, 0], array)


def test_gaps_in_the_numbering_are_closed_and_told(tmp_path: Path, source: Image) -> None:
    mask = mask_on(source)
    gappy = replace(mask, array=np.where(mask.array == 2, 40, mask.array), classes={1: "nodule"})
    write_seg(gappy, tmp_path / "mask.dcm", names={40: "rib"}, codes={40: "SCT:113197003"}, algorithm="unet")
    segments = pydicom.dcmread(tmp_path / "mask.dcm").SegmentSequence
    assert [(one.SegmentNumber, one.SegmentLabel) for one in segments] == [(1, "nodule"), (2, "rib")]
    assert segments[1].SegmentDescription == "value 40 in the mask"
    assert segments[1].SegmentedPropertyTypeCodeSequence[0].CodeValue == "113197003"
    assert segments[0].SegmentedPropertyTypeCodeSequence[0].CodingSchemeDesignator == "99ISOCENTER"
    assert {one.SegmentAlgorithmType for one in segments} == {"AUTOMATIC"}
    with pytest.raises(UsageError, match="SCHEME:VALUE"):
        write_seg(mask, tmp_path / "bad.dcm", codes={1: "113197003"})


def test_an_empty_mask_is_a_finding_too(tmp_path: Path, source: Image) -> None:
    empty = replace(mask_on(source), array=np.zeros((1, 4, 5, 6), np.uint8))
    write_seg(empty, tmp_path / "mask.dcm")
    [found] = files.read(tmp_path / "mask.dcm")
    assert (found.array.shape[1], int(found.array.sum()), len(found.classes)) == (4, 0, 2)
    with pytest.raises(UsageError, match="must have a segment"):
        write_seg(replace(empty, classes={}), tmp_path / "bad.dcm")


def test_the_same_mask_gives_the_same_file(tmp_path: Path, source: Image) -> None:
    for name in "ab":
        write_seg(mask_on(source), tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_mask_on_a_series_over_time_refers_to_the_first_visit(tmp_path: Path) -> None:
    over_time = again(tmp_path / "source", volume("uint16", axes="CTZYX", times=(0.0, 1.0, 2.0)))
    mask = mask_on(over_time)
    write_seg(mask, tmp_path / "mask.dcm")
    assert at_points(files.read(tmp_path / "mask.dcm")[0]) == at_points(mask)


@pytest.mark.parametrize(
    ("affine", "words"),
    [
        (np.eye(4) + np.eye(4, k=3) * 0.2, "0.2 mm from the nearest slice"),  # a shift by a quarter of a pixel
        (np.diag([1.1, 1, 1, 1]), "mm from the nearest slice"),
        (np.diag([1, 1, 1.1, 1]), "mm from the nearest slice"),
    ],
)
def test_a_mask_of_another_grid_is_refused(tmp_path: Path, source: Image, affine: np.ndarray, words: str) -> None:
    mask = mask_on(source)
    moved = replace(
        mask,
        geometry=Geometry(source.geometry.affine @ affine if affine[0, 3] == 0 else affine @ source.geometry.affine),
    )
    with pytest.raises(UsageError, match=words):
        write_seg(moved, tmp_path / "mask.dcm")
    assert not (tmp_path / "mask.dcm").exists()


def test_a_mask_of_another_size_or_kind_is_refused(tmp_path: Path, source: Image) -> None:
    mask = mask_on(source)
    cases: list[tuple[dict[str, Any], str]] = [
        ({"array": mask.array[..., :5]}, "5x5 pixels, those of the source 5x6"),
        ({"geometry": Geometry.sized((0.7, 0.9, 2.5))}, "no place in the patient"),
        ({"array": mask.array / 2}, "whole numbers"),
        ({"intensity": Intensity.RAW}, "whole numbers"),
        ({"array": mask.array[:, None], "axes": "CTZYX"}, "over time"),
        ({"origin": Origin(format="nifti")}, r"this mask names none\. Give the DICOM series"),
    ]
    for changes, words in cases:
        with pytest.raises(UsageError, match=words):
            write_seg(replace(mask, **changes), tmp_path / "mask.dcm")
    write_seg(mask, tmp_path / "mask.dcm")
    with pytest.raises(UsageError, match="not an image that a mask can be drawn on"):
        write_seg(files.read(tmp_path / "mask.dcm")[0], tmp_path / "other.dcm")


def test_two_series_are_refused(tmp_path: Path, source: Image) -> None:
    other = again(tmp_path / "other", volume(seed=9))
    both = [Path(one) for one in (*source.origin.files, *other.origin.files)]
    with pytest.raises(UsageError, match="one series"):
        write_seg(mask_on(source), tmp_path / "mask.dcm", source=both)


def test_without_highdicom_the_extra_is_named(tmp_path: Path, source: Image, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "highdicom", None)
    with pytest.raises(MissingExtra, match=r"isocenter\[segmentation\]"):
        write_seg(mask_on(source), tmp_path / "mask.dcm")


def test_a_mask_on_a_picture_must_name_it(tmp_path: Path) -> None:
    picture = again(tmp_path / "film.dcm", volume(axes="CYX", geometry=Geometry.unknown(), modality="CR"))
    array = np.zeros((1, 5, 6), np.uint8)
    array[0, 1, 2] = 1
    mask = Image(array=array, axes="CYX", geometry=picture.geometry, intensity=Intensity.LABEL, origin=picture.origin)
    write_seg(mask, tmp_path / "mask.dcm")
    [found] = files.read(tmp_path / "mask.dcm")
    np.testing.assert_array_equal(found.array, array)
    assert found.classes == {1: "class 1"}
    write_seg(found, tmp_path / "again.dcm", source=picture)  # a segmentation knows what it was drawn on
    with pytest.raises(UsageError, match="does not name it"):
        write_seg(replace(mask, origin=Origin(format="memory")), tmp_path / "bad.dcm", source=picture)
    with pytest.raises(UsageError, match="1x4x6 pixels"):
        write_seg(replace(mask, array=array[:, :4]), tmp_path / "bad.dcm")


def test_a_mask_on_a_film_is_refused(tmp_path: Path) -> None:
    film = again(tmp_path / "film.dcm", volume("uint8", axes="CTYX", geometry=Geometry.unknown()))
    array = np.ones((1, 5, 6), np.uint8)
    mask = Image(array=array, axes="CYX", geometry=film.geometry, intensity=Intensity.LABEL, origin=film.origin)
    with pytest.raises(UsageError, match="film"):
        write_seg(mask, tmp_path / "mask.dcm")


@pytest.mark.needs_shared
def test_a_mask_on_a_slide(tmp_path: Path, shared: Path) -> None:
    [mask] = files.read(shared / FOLDER / "seg_image_sm_control.dcm")
    write_seg(mask, tmp_path / "mask.dcm", source=[shared / FOLDER / "sm_image_control.dcm"])
    [found] = files.read(tmp_path / "mask.dcm")
    np.testing.assert_array_equal(found.array, mask.array)
    assert found.classes == mask.classes


def item(elements: Mapping[str, Any]) -> Dataset:
    """A data set or an item of a sequence."""
    made = Dataset()
    for keyword, value in elements.items():
        setattr(made, keyword, value)
    return made


def test_a_mask_on_one_file_of_many_slices(tmp_path: Path) -> None:
    heights = (7.5, 0.0, 2.5, 5.0)  # frames need not be in order
    dataset = item(
        {
            "SOPClassUID": "1.2.840.10008.5.1.4.1.1.4.1", "SOPInstanceUID": "1.2.3.4", "SeriesInstanceUID": "1.2.3",
            "StudyInstanceUID": "1.2", "FrameOfReferenceUID": "1.2.9", "PatientID": "P", "PatientName": "A",
            "PatientBirthDate": "", "PatientSex": "", "StudyID": "", "StudyDate": "", "StudyTime": "",
            "AccessionNumber": "", "ReferringPhysicianName": "", "Modality": "MR", "NumberOfFrames": 4, "Rows": 5,
            "Columns": 6, "SamplesPerPixel": 1, "PhotometricInterpretation": "MONOCHROME2", "BitsAllocated": 16,
            "BitsStored": 16, "HighBit": 15, "PixelRepresentation": 0, "PositionReferenceIndicator": "",
            "PixelData": np.arange(120, dtype="<u2").tobytes(),
        }
    )  # fmt: skip
    measures = item({"PixelSpacing": [0.9, 0.7], "SliceThickness": 2.5, "SpacingBetweenSlices": 2.5})
    direction = item({"ImageOrientationPatient": [1, 0, 0, 0, 1, 0]})
    shared_groups = item({"PixelMeasuresSequence": [measures], "PlaneOrientationSequence": [direction]})
    dataset.SharedFunctionalGroupsSequence = [shared_groups]
    dataset.PerFrameFunctionalGroupsSequence = [
        item({"PlanePositionSequence": [item({"ImagePositionPatient": [1, 2, height]})]}) for height in heights
    ]
    dataset["PixelData"].VR = "OW"
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.1"
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.save_as(tmp_path / "enhanced.dcm", enforce_file_format=True)
    [image] = files.read(tmp_path / "enhanced.dcm")
    mask = mask_on(image)
    write_seg(mask, tmp_path / "mask.dcm")
    assert at_points(files.read(tmp_path / "mask.dcm")[0]) == at_points(mask)
