"""What describing tells of files: who, what, when; and that one bad file never stops the rest."""

from __future__ import annotations

import contextlib
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dicom_phantoms import CT, base, described, item, only, plane, positions, read, save, write_series, write_slice

from isocenter.core.errors import IsocenterError, Unreadable
from isocenter.core.image import Image
from isocenter.data.formats._shared import ReadOptions
from isocenter.data.formats.dicom import FORMAT
from isocenter.data.formats.dicom.images import words_of
from isocenter.data.formats.dicom.subset import header_subset
from isocenter.data.formats.dicom.syntaxes import SYNTAXES, table

PROJECT = Path(__file__).resolve().parents[4]


def test_who_what_and_when(tmp_path: Path) -> None:
    write_series(
        tmp_path,
        positions(2),
        PatientSex="F",
        PatientAge="057Y",
        Manufacturer="GE MEDICAL SYSTEMS",
        ManufacturerModelName="Signa",
        SeriesDescription="T1 axial",
        BodyPartExamined="BRAIN",
        Laterality="L",
    )
    facts = only(tmp_path)
    assert (facts.format, facts.role, facts.modality) == ("dicom", "image", "MR")
    assert (facts.patient, facts.study, facts.series, facts.group) == ("P1", "1.2.3", "1.2.3.4", "1.2.3.4")
    assert (facts.date, facts.description, facts.device) == ("2024-02-29", "T1 axial", "GE MEDICAL SYSTEMS Signa")
    assert (facts.body_part, facts.laterality, facts.sex, facts.age) == ("BRAIN", "L", "F", 57.0)
    assert len(set(facts.instances)) == len(facts.files) == 2
    assert facts.key == "1.2.3.4"


@pytest.mark.parametrize(
    ("tags", "age"),
    [
        ({"PatientAge": "006M"}, 0.5),
        ({"PatientAge": "026W"}, 0.5),
        ({"PatientBirthDate": "19840301"}, 39.0),
        ({"PatientBirthDate": "20300301"}, None),
        ({}, None),
    ],
)
def test_ages(tmp_path: Path, tags: dict[str, str], age: float | None) -> None:
    assert only(write_slice(tmp_path / "a", (0, 0, 0), **tags)).age == age


def test_what_a_result_needs_to_be_put_back(tmp_path: Path) -> None:
    paths = write_series(
        tmp_path, positions(3), PatientName="Doe^Jane", AccessionNumber="A7", PatientBirthDate="19700101"
    )
    image = read(only(tmp_path))
    origin = image.origin
    assert origin.format == "dicom"
    assert origin.files == tuple(path.as_posix() for path in paths)
    assert origin.uids["study"] == "1.2.3"
    assert origin.uids["frame_of_reference"] == "1.2.3.5"
    assert [frame for _, frame in origin.slices] == [1, 1, 1]
    assert tuple(uid for uid, _ in origin.slices) == only(tmp_path).instances
    assert origin.header["PatientName"] == "Doe^Jane"
    assert origin.header["PixelSpacing"] == (2.0, 1.5)
    assert origin.header["Rows"] == 5
    assert type(origin.header["Rows"]) is int
    assert "PatientSex" not in origin.header


def test_slices_of_time_points_follow_depth_first(tmp_path: Path) -> None:
    for time in range(2):
        for depth, place in enumerate(positions(2)):
            write_slice(tmp_path / f"{depth}{time}", place, TriggerTime=time, SOPInstanceUID=f"1.{time}.{depth}")
    image = read(only(tmp_path))
    assert [uid for uid, _ in image.origin.slices] == ["1.0.0", "1.0.1", "1.1.0", "1.1.1"]


def test_headers_that_cannot_be_carried_are_left_out() -> None:
    class Stubborn:
        def get(self, keyword: str) -> Any:
            if keyword == "Rows":
                raise ValueError(keyword)
            return {"Columns": 3, "PatientWeight": 71.5, "SoftwareVersions": ["a", "b"]}.get(keyword)

    found = header_subset(Stubborn())
    assert found == {"Columns": 3, "PatientWeight": 71.5, "SoftwareVersions": ("a", "b")}


@pytest.mark.parametrize(
    ("sop_class", "words"),
    [
        ("1.2.840.10008.5.1.4.1.1.88.33", "a Comprehensive SR object"),
        ("1.2.840.10008.5.1.4.1.1.481.5", "an RT Plan object"),
        ("1.2.840.10008.5.1.4.1.1.11.1", "a Grayscale Softcopy Presentation State object"),
        ("1.2.840.10008.1.3.10", "a DICOMDIR, the index of other files"),
        ("1.2.3.4.5", "of an unknown class (1.2.3.4.5)"),
        (None, ""),
    ],
)
def test_what_holds_no_pixels_is_called_by_its_name(tmp_path: Path, sop_class: str | None, words: str) -> None:
    assert words_of(sop_class) == words
    if sop_class is not None:
        base(sop_class).save_as(tmp_path / "a", enforce_file_format=True)
        assert described(tmp_path).refused[0].reason == f"is {words}, which holds no pixels."


def test_pixels_without_rows_are_refused(tmp_path: Path) -> None:
    save(base(), tmp_path / "a", np.zeros((5, 7)))
    assert "rows and columns" in described(tmp_path).refused[0].reason


def test_bad_files_do_not_stop_the_rest(tmp_path: Path) -> None:
    good = write_series(tmp_path, positions(3))
    chance = random.Random(5)
    for number in range(20):
        raw = bytearray(good[number % 3].read_bytes())
        for _ in range(10):
            raw[chance.randrange(132, len(raw))] = chance.randrange(256)
        (tmp_path / f"zz{number}").write_bytes(raw)
    (tmp_path / "zz-empty").touch()
    (tmp_path / "zz-text").write_text("DICOM it is not")
    (tmp_path / "zz-short").write_bytes(good[0].read_bytes()[:200])
    found = FORMAT.describe([*sorted(tmp_path.iterdir()), tmp_path / "gone", tmp_path])
    taken = {path for facts in found.images for path in facts.files}
    assert {path.as_posix() for path in good} <= taken
    refused = {Path(one.path).name for one in found.refused}
    assert {"zz-empty", "zz-text", "zz-short", "gone"} <= refused
    for facts in found.images:
        with contextlib.suppress(IsocenterError):
            assert isinstance(FORMAT.read(facts, ReadOptions()), Image)


def test_a_file_that_changed_since_is_refused(tmp_path: Path) -> None:
    paths = write_series(tmp_path, positions(3))
    facts = only(tmp_path)
    write_slice(paths[0], (0, 0, 0), SeriesInstanceUID="9", ImageOrientationPatient=[0.0, 1.0, 0, 0, 0, -1.0])
    with pytest.raises(Unreadable, match="has changed since"):
        FORMAT.read(facts, ReadOptions())
    paths[1].unlink()
    with pytest.raises(Unreadable, match="is gone"):
        FORMAT.read(facts, ReadOptions())


def test_parts_are_found_again_by_name(tmp_path: Path) -> None:
    """One file of several images: each is read by its own name."""
    from dicom_phantoms import frame_groups, write_enhanced

    places = positions(4)
    frames = [frame_groups(place, stack="12"[index // 2]) for index, place in enumerate(places)]
    write_enhanced(tmp_path / "e", frames, np.stack([plane(place) for place in places]))
    first, second = described(tmp_path).images
    assert first.part != second.part
    assert read(first).geometry.origin != read(second).geometry.origin


def test_masks_are_described_after_the_images_that_they_refer_to(tmp_path: Path) -> None:
    write_series(tmp_path, positions(3), sop_class=CT, RescaleSlope=1, RescaleIntercept=0)
    dataset = base("1.2.840.10008.5.1.4.1.1.481.3", Modality="RTSTRUCT", SeriesInstanceUID="1.2.9")
    square = [-8.0, 22.0, 8.0, -4.0, 22.0, 8.0, -4.0, 27.0, 8.0, -8.0, 27.0, 8.0]
    dataset.StructureSetROISequence = [item(ROINumber=1, ROIName="spot", ReferencedFrameOfReferenceUID="1.2.3.5")]
    contour = item(ContourGeometricType="CLOSED_PLANAR", NumberOfContourPoints=4, ContourData=square)
    dataset.ROIContourSequence = [item(ReferencedROINumber=1, ContourSequence=[contour])]
    dataset.ReferencedFrameOfReferenceSequence = [
        item(
            FrameOfReferenceUID="1.2.3.5",
            RTReferencedStudySequence=[item(RTReferencedSeriesSequence=[item(SeriesInstanceUID="1.2.3.4")])],
        )
    ]
    dataset.save_as(tmp_path / "0-before-the-others.dcm", enforce_file_format=True)
    found = {facts.role: facts for facts in described(tmp_path).images}
    assert set(found) == {"image", "mask"}
    mask = FORMAT.read(found["mask"], ReadOptions())
    assert mask.geometry.matches(FORMAT.read(found["image"], ReadOptions()).geometry)
    assert mask.array.any()


def test_broken_masks_are_refused_by_name(tmp_path: Path) -> None:
    for number, sop_class in enumerate(("1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.481.3")):
        base(sop_class, Modality="SEG").save_as(tmp_path / str(number), enforce_file_format=True)
    assert len(described(tmp_path).refused) == 2


@pytest.mark.parametrize("uid", [one.uid for one in SYNTAXES if one.decoder is None] + ["1.2.3.4.99"])
def test_syntaxes_without_a_decoder_are_named(tmp_path: Path, uid: str) -> None:
    path = write_slice(tmp_path / "a", (0, 0, 0))
    raw = path.read_bytes()
    padded = uid.encode() + b"\0" * (len(uid) % 2)
    old = b"UI\x14\x001.2.840.10008.1.2.1\0"
    raw = raw.replace(old, b"UI" + bytes([len(padded), 0]) + padded, 1)
    path.write_bytes(raw[:132] + raw[144:])  # without the group's length, which no longer fits
    reason = described(path).refused[0].reason
    assert uid in reason
    assert "nothing here decodes" in reason or "damaged" in reason


def test_every_decoder_of_pydicom_is_in_the_table() -> None:
    from pydicom.pixels.decoders.base import _PIXEL_DATA_DECODERS

    known = {one.uid: one.decoder for one in SYNTAXES}
    for uid, (decoder, _) in _PIXEL_DATA_DECODERS.items():
        assert known[str(uid)] is not None
        assert decoder.is_available, uid.name
    assert len(known) == len(SYNTAXES)


def test_the_table_in_the_docs_is_the_table_in_the_code() -> None:
    page = PROJECT / "docs" / "reference" / "transfer-syntaxes.md"
    assert page.read_text(encoding="utf-8") == table()
