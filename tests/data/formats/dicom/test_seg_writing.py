"""Masks go back as DICOM segmentations onto the very slices that they were drawn on."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import highdicom
import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from writing_samples import FOLDER, again, volume

from isocenter.core.errors import MissingExtra, UsageError
from isocenter.core.geometry import Geometry
from isocenter.core.image import Image, Intensity, Origin
from isocenter.data import files
from isocenter.data.formats.dicom.seg_writing import write_seg


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
            "SOPClassUID": "1.2.840.10008.5.1.4.1.1.4.1",
            "SOPInstanceUID": "1.2.3.4",
            "SeriesInstanceUID": "1.2.3",
            "StudyInstanceUID": "1.2",
            "FrameOfReferenceUID": "1.2.9",
            "PatientID": "P",
            "PatientName": "A",
            "PatientBirthDate": "",
            "PatientSex": "",
            "StudyID": "",
            "StudyDate": "",
            "StudyTime": "",
            "AccessionNumber": "",
            "ReferringPhysicianName": "",
            "Modality": "MR",
            "NumberOfFrames": 4,
            "Rows": 5,
            "Columns": 6,
            "SamplesPerPixel": 1,
            "PhotometricInterpretation": "MONOCHROME2",
            "BitsAllocated": 16,
            "BitsStored": 16,
            "HighBit": 15,
            "PixelRepresentation": 0,
            "PositionReferenceIndicator": "",
            "PixelData": np.arange(120, dtype="<u2").tobytes(),
        }
    )
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
