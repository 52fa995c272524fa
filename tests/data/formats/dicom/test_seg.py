"""DICOM segmentations: every frame lands where its position says, or the file is refused with the reason."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import highdicom
import numpy as np
import pytest
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate

from isocenter.core.errors import GeometryRefused, Unreadable
from isocenter.core.image import Image, ImageFacts
from isocenter.data.formats._shared import ReadOptions
from isocenter.data.formats.dicom import seg, seg_layout

SEGMENTATION = "1.2.840.10008.5.1.4.1.1.66.4"
LABELMAP = "1.2.840.10008.5.1.4.1.1.66.7"
EXPLICIT = "1.2.840.10008.1.2.1"
FOLDER = "dicom/seg_sm_sr/data/test_files"


def read(path: Path) -> tuple[ImageFacts, Image]:
    """Facts and image, which must agree."""
    [facts] = seg.describe_file(path)
    image = seg.read(facts, ReadOptions())
    assert (image.array.shape, str(image.array.dtype)) == (facts.shape, facts.dtype)
    assert facts.role == "mask"
    return facts, image


# Against highdicom, which reads by other code.


@pytest.mark.needs_shared
@pytest.mark.parametrize(
    "name", ["binary", "binary_fractional", "binary_overlap", "binary_single_frame", "true_fractional"]
)
def test_a_volume_agrees_with_highdicom(shared: Path, name: str) -> None:
    path = shared / FOLDER / f"seg_image_ct_{name}.dcm"
    facts, image = read(path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        volume = highdicom.seg.segread(path).get_volume(allow_missing_positions=True)
    theirs = np.moveaxis(volume.array, -1, 0)
    assert image.array.shape == theirs.shape
    columns = volume.affine[:, [2, 1, 0, 3]]  # highdicom counts slice, row, column
    corner = np.array([theirs.shape[3] - 1, theirs.shape[2] - 1, theirs.shape[1] - 1])
    if columns[:3, 2] @ image.geometry.affine[:3, 2] < 0:
        theirs = theirs[:, ::-1]
        columns[:3, 3] += columns[:3, 2] * corner[2]
        columns[:3, 2] *= -1
    np.testing.assert_allclose(image.geometry.affine, columns, atol=1e-6)
    if facts.intensity == "quantity":
        np.testing.assert_allclose(image.array, theirs, atol=1e-6)
    else:
        np.testing.assert_array_equal(image.array > 0, theirs > 0)


@pytest.mark.needs_shared
@pytest.mark.parametrize(
    "name", ["control", "control_labelmap", "control_labelmap_palette_color", "dots", "dots_tiled_full", "numbers"]
)
def test_a_slide_agrees_with_highdicom(shared: Path, name: str) -> None:
    path = shared / FOLDER / f"seg_image_sm_{name}.dcm"
    facts, image = read(path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = highdicom.seg.segread(path).get_total_pixel_matrix(combine_segments=True)
    np.testing.assert_array_equal(image.array[0], theirs)
    assert facts.axes == "CYX"
    assert facts.affine is None  # a slide lies in no patient
    assert facts.spacing is not None
    assert set(np.unique(image.array)) - {0} <= set(facts.classes)


@pytest.mark.needs_shared
def test_a_radiograph_has_no_place(shared: Path) -> None:
    facts, image = read(shared / FOLDER / "seg_image_cr_binary.dcm")
    assert (facts.axes, facts.affine, facts.spacing) == ("CYX", None, None)
    assert int(image.array.sum()) == 151
    assert facts.refers_to[-1] == "1.3.6.1.4.1.5962.1.1.0.0.0.1196527414.5534.0.11"


@pytest.mark.needs_shared
def test_every_coding_of_one_liver_is_the_same_liver(shared: Path) -> None:
    odd = shared / "dicom_odd"
    whole = [read(odd / f"liver_{name}.dcm")[1].array for name in ("deflate", "j2k")]
    cropped = [read(odd / f"liver_nonbyte_aligned_{name}.dcm")[1].array for name in ("deflate", "rle")]
    np.testing.assert_array_equal(*whole)
    np.testing.assert_array_equal(*cropped)
    assert whole[0].sum() == cropped[0].sum() == 107098


def test_byte_order_does_not_matter() -> None:
    little, big = (read(Path(str(get_testdata_file(name)))) for name in ("liver_1frame.dcm", "liver_expb_1frame.dcm"))
    np.testing.assert_array_equal(little[1].array, big[1].array)
    assert little[0].classes == {1: "Liver"}
    assert little[1].origin.uids["sop_class"] == SEGMENTATION


# Made here, frame by frame.

Frame = dict[str, Any]


def frame(segment: int | None, z: float | None, pixels: Any, **more: Any) -> Frame:
    """One frame: its segment, its slice in millimetres and its pixels."""
    return {"segment": segment, "z": z, "pixels": np.asarray(pixels), **more}


def dot(row: int, column: int, value: int = 1, shape: tuple[int, int] = (3, 5)) -> np.ndarray:
    """A frame with one pixel set."""
    pixels = np.zeros(shape, np.uint8)
    pixels[row, column] = value
    return pixels


def item(**elements: Any) -> Dataset:
    """A sequence item."""
    made = Dataset()
    for keyword, value in elements.items():
        setattr(made, keyword, value)
    return made


def groups(one: Frame) -> Dataset:
    """The functional groups of a frame."""
    made = Dataset()
    if one["segment"] is not None:
        made.SegmentIdentificationSequence = [item(ReferencedSegmentNumber=one["segment"])]
    if one["z"] is not None:
        made.PlanePositionSequence = [item(ImagePositionPatient=[one.get("x", 10), -20, one["z"]])]
    if "direction" in one:
        made.PlaneOrientationSequence = [item(ImageOrientationPatient=one["direction"])]
    if "tile" in one:
        row, column = one["tile"]
        place = item(RowPositionInTotalImagePixelMatrix=row, ColumnPositionInTotalImagePixelMatrix=column)
        made.PlanePositionSlideSequence = [place]
    if "source" in one:
        source = item(ReferencedSOPInstanceUID=one["source"][0], ReferencedFrameNumber=one["source"][1])
        made.DerivationImageSequence = [item(SourceImageSequence=[source])]
    return made


def segmentation(path: Path, frames: Sequence[Frame], *, names: Sequence[str] = ("a", "b"), **elements: Any) -> Path:
    """A small segmentation file."""
    spacing = elements.pop("spacing", None)
    measures = item(PixelSpacing=[0.5, 0.25], SliceThickness=9)
    if spacing:
        measures.SpacingBetweenSlices = spacing
    shared = item(PixelMeasuresSequence=[measures])
    if "direction" not in frames[0]:
        shared.PlaneOrientationSequence = [item(ImageOrientationPatient=[1, 0, 0, 0, 1, 0])]
    pixels = np.stack([one["pixels"] for one in frames])
    bits = elements.pop("bits", 1)
    stored = np.packbits(pixels.ravel(), bitorder="little") if bits == 1 else pixels.astype(f"<u{bits // 8}")
    data = stored.tobytes()
    dataset = item(
        SOPClassUID=SEGMENTATION,
        SOPInstanceUID="1.2.3.4",
        SeriesInstanceUID="1.2.3",
        StudyInstanceUID="1.2",
        PatientID="P1",
        StudyDate="20200131",
        Manufacturer="Maker",
        ManufacturerModelName="Model",
        Modality="SEG",
        SegmentationType="BINARY",
        NumberOfFrames=len(frames),
        SamplesPerPixel=1,
        PhotometricInterpretation="MONOCHROME2",
        Rows=pixels.shape[1],
        Columns=pixels.shape[2],
        BitsAllocated=bits,
        BitsStored=bits,
        HighBit=bits - 1,
        PixelRepresentation=0,
        SegmentSequence=[item(SegmentNumber=n, SegmentLabel=name) for n, name in enumerate(names, 1)],
        SharedFunctionalGroupsSequence=[shared],
        PerFrameFunctionalGroupsSequence=[groups(one) for one in frames],
        PixelData=data + b"\0" * (len(data) % 2),
    )
    dataset["PixelData"].VR = "OB" if bits < 16 else "OW"
    for keyword, value in elements.items():
        setattr(dataset, keyword, value)
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = EXPLICIT
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.save_as(path, enforce_file_format=True)
    return path


def test_frames_land_by_position_not_by_order(tmp_path: Path) -> None:
    frames = [frame(1, 30, dot(0, 4)), frame(1, 24, dot(2, 1)), frame(1, 27, dot(1, 2))]
    facts, image = read(segmentation(tmp_path / "a.dcm", frames, names=["liver"], spacing=3))
    assert [tuple(place) for place in np.argwhere(image.array)] == [(0, 0, 2, 1), (0, 1, 1, 2), (0, 2, 0, 4)]
    np.testing.assert_allclose(image.geometry.points((4, 0, 2)), (11, -20, 30))
    assert image.geometry.spacing == (0.25, 0.5, 3)
    assert (facts.patient, facts.date, facts.device) == ("P1", "2020-01-31", "Maker Model")
    assert (facts.channels, facts.classes, facts.notes) == (("liver",), {1: "liver"}, ())


def test_slices_without_frames_stay_empty(tmp_path: Path) -> None:
    frames = [frame(1, 0, dot(0, 0)), frame(1, 9, dot(0, 0))]
    facts, image = read(segmentation(tmp_path / "a.dcm", frames, spacing=3.0001))
    assert facts.shape == (1, 4, 3, 5)
    assert [int(plane.sum()) for plane in image.array[0]] == [1, 0, 0, 1]
    assert facts.notes == ()


def test_a_spacing_taken_from_gaps_is_said(tmp_path: Path) -> None:
    frames = [frame(1, z, dot(0, 0)) for z in (0, 2, 8)]
    facts, _ = read(segmentation(tmp_path / "a.dcm", frames))
    assert facts.shape[1] == 5
    assert "slice spacing is not stated" in facts.notes[0]


def test_one_frame_is_as_thick_as_it_says(tmp_path: Path) -> None:
    facts, _ = read(segmentation(tmp_path / "a.dcm", [frame(1, 5, dot(0, 0))]))
    assert (facts.shape, facts.spacing) == ((1, 1, 3, 5), (0.25, 0.5, 9))


def test_segments_that_may_overlap_have_channels_of_their_own(tmp_path: Path) -> None:
    frames = [frame(1, 0, dot(1, 1)), frame(2, 0, dot(1, 1)), frame(2, 1, dot(0, 0))]
    facts, image = read(segmentation(tmp_path / "a.dcm", frames, names=["same", "same"]))
    assert facts.channels == ("same 1", "same 2")
    assert image.array[:, 0, 1, 1].tolist() == [1, 2]
    assert facts.classes == {1: "same", 2: "same"}


def test_segments_that_share_no_place_make_one_label_map(tmp_path: Path) -> None:
    frames = [frame(1, 0, dot(1, 1)), frame(2, 1, dot(1, 1))]
    facts, image = read(segmentation(tmp_path / "a.dcm", frames))
    assert facts.channels == ("segmentation",)
    assert image.array[0, :, 1, 1].tolist() == [1, 2]


def test_an_overlap_that_the_header_rules_out_is_refused(tmp_path: Path) -> None:
    frames = [frame(1, 0, dot(1, 1)), frame(2, 0, dot(1, 1))]
    path = segmentation(tmp_path / "a.dcm", frames, SegmentsOverlap="NO")
    with pytest.raises(Unreadable, match="`b` and `a` overlap"):
        read(path)


def test_very_many_organs_make_one_label_map(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seg_layout, "MOST_PIXEL_BYTES", 29)
    frames = [frame(1, 0, dot(1, 1)), frame(2, 0, dot(1, 2))]
    facts, image = read(segmentation(tmp_path / "a.dcm", frames))
    assert facts.shape == (1, 1, 3, 5)
    assert image.array[0, 0, 1].tolist() == [0, 1, 2, 0, 0]


@pytest.mark.parametrize(("kind", "word"), [("OCCUPANCY", "part of the voxel"), ("PROBABILITY", "probability")])
def test_fractions_stay_fractions(tmp_path: Path, kind: str, word: str) -> None:
    frames = [frame(1, 0, dot(1, 1, 50)), frame(2, 0, dot(1, 1, 100))]
    path = segmentation(
        tmp_path / "a.dcm",
        frames,
        bits=8,
        SegmentationType="FRACTIONAL",
        MaximumFractionalValue=100,
        SegmentationFractionalType=kind,
    )
    facts, image = read(path)
    assert image.array[:, 0, 1, 1].tolist() == [0.5, 1.0]
    assert (facts.intensity, facts.channels, facts.classes) == ("quantity", ("a", "b"), {})
    assert word in facts.notes[0]


def test_a_label_map_keeps_its_values(tmp_path: Path) -> None:
    pixels = np.array([[7, 7, 1], [2, 300, 7]])
    path = segmentation(
        tmp_path / "a.dcm", [frame(None, 0, pixels)], bits=16, SOPClassUID=LABELMAP, PixelPaddingValue=7
    )
    facts, image = read(path)
    assert facts.dtype == "uint16"
    assert image.array[0, 0].tolist() == [[0, 0, 1], [2, 300, 0]]
    assert image.notes == ("values that no segment describes: 300",)


def test_a_segment_named_background_is_no_class(tmp_path: Path) -> None:
    named = [item(SegmentNumber=0, SegmentLabel="Background"), item(SegmentNumber=1, SegmentLabel="")]
    elements = {"bits": 8, "SOPClassUID": LABELMAP, "SegmentSequence": named}
    facts, _ = read(segmentation(tmp_path / "a.dcm", [frame(None, 0, dot(0, 0))], **elements))
    assert facts.classes == {1: "segment 1"}
    path = segmentation(tmp_path / "b.dcm", [frame(None, 0, dot(0, 0))], PixelPaddingValue=9, **elements)
    with pytest.raises(Unreadable, match="value 0 to the segment `Background`"):
        read(path)


def test_frames_of_a_film_keep_their_numbers(tmp_path: Path) -> None:
    frames = [frame(1, None, dot(0, 0), source=("1.9", 4)), frame(1, None, dot(1, 1), source=("1.9", 2))]
    facts, image = read(segmentation(tmp_path / "a.dcm", frames))
    assert (facts.axes, facts.shape) == ("CTYX", (1, 4, 3, 5))
    assert np.argwhere(image.array[0]).tolist() == [[1, 1, 1], [3, 0, 0]]
    assert facts.spacing == (0.25, 0.5, 1.0)


def test_tiles_are_cut_at_the_edge_of_the_slide(tmp_path: Path) -> None:
    frames = [frame(1, None, np.ones((3, 5), np.uint8), tile=(4, 6)), frame(1, None, dot(2, 4), tile=(1, 1))]
    matrix = {"TotalPixelMatrixRows": 5, "TotalPixelMatrixColumns": 7}
    _, image = read(segmentation(tmp_path / "a.dcm", frames, **matrix))
    assert np.argwhere(image.array[0]).tolist() == [[2, 4], [3, 5], [3, 6], [4, 5], [4, 6]]


def test_references_are_gathered_from_everywhere(tmp_path: Path) -> None:
    instance = item(ReferencedSOPInstanceUID="1.5.1")
    series = item(SeriesInstanceUID="1.5", ReferencedInstanceSequence=[instance])
    study = item(ReferencedSeriesSequence=[item(SeriesInstanceUID="1.6", ReferencedInstanceSequence=[])])
    path = segmentation(
        tmp_path / "a.dcm",
        [frame(1, 0, dot(0, 0))],
        ReferencedSeriesSequence=[series],
        StudiesContainingOtherReferencedInstancesSequence=[study],
        SourceImageSequence=[instance, item(ReferencedSOPInstanceUID="1.5.2")],
    )
    facts, image = read(path)
    assert facts.refers_to == image.origin.header["references"] == ("1.5", "1.6", "1.5.1", "1.5.2")


@pytest.mark.parametrize(
    ("frames", "elements", "words"),
    [
        ([frame(1, 0, dot(0, 0)), frame(1, 1, dot(0, 0)), frame(1, 2.5, dot(0, 0))], {}, "lie unevenly"),
        ([frame(1, 0, dot(0, 0)), frame(1, 1, dot(0, 0), x=12)], {}, "shifted sideways"),
        (
            [frame(1, z, dot(0, 0), direction=[1, 0, 0, *down]) for z, down in ((0, (0, 1, 0)), (1, (0, 0, 1)))],
            {},
            "differ in ImageOrientationPatient",
        ),
        ([frame(1, 0, dot(0, 0)), frame(1, 0, dot(0, 0))], {}, "another frame of segment 1"),
        ([frame(5, 0, dot(0, 0))], {}, "segment 5, which is not described"),
        ([frame(None, 0, dot(0, 0))], {}, "does not say which segment"),
        ([frame(1, 0, dot(0, 0))], {"SegmentSequence": []}, "describes no segment"),
        ([frame(1, 0, dot(0, 0))], {"SegmentationType": "SPLINE"}, "unknown type `SPLINE`"),
        ([frame(1, 0, dot(0, 0))], {"SharedFunctionalGroupsSequence": []}, "no ImageOrientationPatient"),
        ([frame(1, None, dot(0, 0), source=(uid, 1)) for uid in ("1.1", "1.2")], {}, "drawn on several images"),
        ([frame(1, None, dot(0, 0))], {"TotalPixelMatrixRows": 3, "TotalPixelMatrixColumns": 5}, "where it lies"),
        (
            [frame(1, None, dot(0, 0), tile=(9, 1))],
            {"TotalPixelMatrixRows": 3, "TotalPixelMatrixColumns": 5},
            "outside the pixel matrix of 5 x 3",
        ),
        (
            [frame(1, None, dot(0, 0))],
            {
                "TotalPixelMatrixRows": 4,
                "TotalPixelMatrixColumns": 5,
                "DimensionOrganizationType": "TILED_FULL",
            },
            "2 segments of 2 tiles",
        ),
        ([frame(1, 0, dot(0, 0)), frame(1, 1, dot(0, 0))], {"PixelData": b"\0\0"}, "cut short"),
        ([frame(1, 0, dot(0, 0))], {"NumberOfFrames": 2}, "announces 2 frames and says of 1"),
        ([frame(1, 0, dot(0, 0))], {"Rows": 60000, "Columns": 60000, "NumberOfFrames": 9}, "announces"),
        ([frame(1, z, dot(0, 0)) for z in (0, 1, 1e9)], {}, "announces"),
    ],
)
def test_what_is_unsound_is_refused_with_the_reason(
    tmp_path: Path, frames: list[Frame], elements: dict[str, Any], words: str
) -> None:
    path = segmentation(tmp_path / "a.dcm", frames, **elements)
    with pytest.raises(Unreadable, match=words):
        read(path)


def test_a_refused_geometry_is_of_its_own_kind(tmp_path: Path) -> None:
    frames = [frame(1, z, dot(0, 0)) for z in (0, 1, 2.5)]
    with pytest.raises(GeometryRefused):
        seg.describe_file(segmentation(tmp_path / "a.dcm", frames))


@pytest.mark.parametrize(
    ("syntax", "coded", "words"),
    [
        ("1.2.840.10008.1.2.5", bytes(64) + b"\x00\xff\x80\x81", "decodes to only 1"),
        ("1.2.840.10008.1.2.8.1", b"\x03\x00", "decodes to only 0"),
        ("1.2.840.10008.1.2.8.1", b"\xff\xff", "is damaged"),
    ],
)
def test_damaged_frames_are_refused(tmp_path: Path, syntax: str, coded: bytes, words: str) -> None:
    import pydicom

    path = segmentation(tmp_path / "a.dcm", [frame(1, 0, dot(0, 0))])
    dataset = pydicom.dcmread(path)
    dataset.PixelData = encapsulate([coded])
    dataset["PixelData"].is_undefined_length = True
    dataset.file_meta.TransferSyntaxUID = syntax
    # pydicom does not know the deflated syntax, so it is told how to write.
    dataset.save_as(path, implicit_vr=False, little_endian=True, force_encoding=True)
    with pytest.raises(Unreadable, match=words):
        read(path)
