"""Headers: the fast walk says what pydicom says, and gives up where it would have to guess."""

from __future__ import annotations

import struct
import warnings
from pathlib import Path
from typing import Any

import pydicom
import pytest
from dicom_phantoms import CT, base, described, item, only, read, save, write_slice

from isocenter.core.errors import IsocenterError, Unreadable
from isocenter.data.formats.dicom.header import Headers, dataset_values, open_header, open_whole
from isocenter.data.formats.dicom.records import NEVER
from isocenter.data.formats.dicom.tags import (
    COMMON,
    WANTED,
    Wanted,
    decode,
    seconds_of_date,
    seconds_of_datetime,
    seconds_of_day,
)
from isocenter.data.formats.dicom.walker import BLOCK_BYTES, Unusual, walk

PYDICOM = Path(pydicom.__file__).parent / "data"


def dicom_files(folder: Path) -> list[Path]:
    """Files that may be DICOM."""
    endings = (".py", ".pyc", ".json", ".md", ".txt", ".gz", ".nii", ".dump", ".icc", ".jpeg")
    return [path for path in sorted(folder.rglob("*")) if path.is_file() and path.suffix not in endings]


def walked_and_opened(path: Path) -> tuple[Any, Any] | None:
    """The record of a file in both ways, or None where the walk gives up."""
    try:
        walked = Headers()._walked(str(path))
    except (Unusual, struct.error, IsocenterError):
        return None
    return walked, Headers().opened(open_header(path), str(path))


def test_the_walk_agrees_with_pydicom_on_its_own_files() -> None:
    compared = 0
    for path in dicom_files(PYDICOM):
        pair = walked_and_opened(path)
        if pair is not None:
            assert pair[0] == pair[1], path.name
            compared += 1
    assert compared > 100


@pytest.mark.needs_shared
def test_the_walk_agrees_with_pydicom_on_real_files(shared: Path) -> None:
    compared = 0
    for folder in ("dicom", "dicom_odd", "hippocampus_dicom", "dcm_qa_nih/In/20180918Si"):
        for path in dicom_files(shared / folder):
            pair = walked_and_opened(path)
            if pair is not None:
                assert pair[0] == pair[1], path.name
                compared += 1
    assert compared > 100


@pytest.mark.parametrize("name", ["CT_small.dcm", "MR_small_implicit.dcm", "examples_jpeg2k.dcm"])
def test_values_are_those_of_pydicom_itself(name: str) -> None:
    """Not only our own decoding, twice: the plain values of pydicom's data elements."""
    path = PYDICOM / "test_files" / name
    record = Headers()._walked(str(path))
    dataset = pydicom.dcmread(path)
    for tag, wanted in COMMON.items():
        known = getattr(record.common, wanted.name, None)
        if wanted.vr == "SQ" or tag not in dataset or known is None:
            continue
        value = dataset[tag].value
        theirs = tuple(value) if wanted.many and not isinstance(value, str | int | float) else value
        theirs = (theirs,) if wanted.many and not isinstance(theirs, tuple) else theirs
        assert known == theirs, wanted.name
    assert record.uid == dataset.SOPInstanceUID
    if "ImagePositionPatient" in dataset:
        assert record.position == tuple(dataset.ImagePositionPatient)


def implicit_and_explicit(path: Path, dataset: pydicom.Dataset, pixels: Any) -> list[Path]:
    """The same data set in both little-endian encodings."""
    paths = []
    for name, syntax in (("explicit", "1.2.840.10008.1.2.1"), ("implicit", "1.2.840.10008.1.2")):
        dataset.file_meta.TransferSyntaxUID = pydicom.uid.UID(syntax)
        paths.append(save(dataset, path / name, pixels))
    return paths


def rich_dataset() -> pydicom.Dataset:
    """Nested sequences, long values, private elements, and everything that the walk must step over."""
    deep = item(ReferencedSOPInstanceUID="1.2.3", PurposeOfReferenceCodeSequence=[item(CodeValue="X")])
    dataset = base(CT, Rows=2, Columns=2, RescaleSlope=1, RescaleIntercept=0, PatientName="Müller^Jürgen")
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.SeriesDescription = "Schädel nativ"
    dataset.ReferencedImageSequence = [deep, item(), deep]
    dataset.SourceImageSequence = []
    dataset.private_block(0x0009, "SOMEBODY", create=True).add_new(0x10, "OB", b"\xff" * (BLOCK_BYTES + 11))
    dataset.private_block(0x0029, "SOMEBODY", create=True).add_new(0x10, "SQ", [item(CodeValue="Y"), deep])
    dataset.private_block(0x0029, "SOMEBODY").add_new(0x11, "UN", b"12345678")
    return dataset


@pytest.mark.parametrize("undefined", [False, True])
def test_nested_and_long_elements_are_stepped_over(tmp_path: Path, undefined: bool) -> None:
    dataset = rich_dataset()
    for element in dataset.iterall():
        if element.VR == "SQ":
            element.is_undefined_length = undefined
            for inner in element.value:
                inner.is_undefined_length_sequence_item = undefined
    for path in implicit_and_explicit(tmp_path, dataset, [[1, 2], [3, 4]]):
        pair = walked_and_opened(path)
        assert pair is not None
        assert pair[0] == pair[1]
        assert pair[0].common.description == "Schädel nativ"
        assert pair[0].common.pixels == "integer"


def test_headers_longer_than_a_block(tmp_path: Path) -> None:
    dataset = base(CT, Rows=2, Columns=2)
    dataset.private_block(0x0019, "SOMEBODY", create=True).add_new(0x10, "OB", b"\x01" * (BLOCK_BYTES - 700))
    for length in range(0, 120, 6):
        dataset.ImageComments = "x" * length
        dataset.SeriesDescription = "behind the block"
        path = save(dataset, tmp_path / "a", [[1, 2], [3, 4]])
        pair = walked_and_opened(path)
        assert pair is not None
        assert pair[0] == pair[1]


@pytest.mark.parametrize(
    "damage",
    [
        lambda raw: raw[:20],
        lambda raw: b"\0" * 132 + raw[132:],
        lambda raw: raw.replace(b"\x28\x00\x10\x00US", b"\x28\x00\x10\x00UL"),
        lambda raw: raw.replace(b"\x28\x00\x10\x00US", b"\x08\x00\x10\x00US"),
        lambda raw: raw.replace(b"\x28\x00\x11\x00US", b"\x28\x00\x11\x00??"),
        lambda raw: raw.replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.2\0"),
        lambda raw: raw[: raw.index(b"\x28\x00\x10\x00US") + 6],
        lambda raw: raw[: raw.index(b"\x20\x00\x0e\x00UI") + 10],
    ],
)
def test_the_walk_gives_up_on_what_it_does_not_understand(tmp_path: Path, damage: Any) -> None:
    path = write_slice(tmp_path / "a", (0, 0, 0))
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises((Unusual, struct.error)):
        walk(path)


def test_unfinished_sequences_are_given_up(tmp_path: Path) -> None:
    path = tmp_path / "a"
    head = b"\0" * 128 + b"DICM" + b"\x02\x00\x10\x00UI\x14\x001.2.840.10008.1.2.1\0"
    sequence = b"\x08\x00\x40\x11SQ\0\0\xff\xff\xff\xff"
    opened = b"\xfe\xff\x00\xe0\xff\xff\xff\xff"
    for body in (
        sequence,
        sequence + b"\x08\x00\x18\x00" + b"\0" * 8,
        sequence + opened,
        (opened.join([sequence] * 40)),
    ):
        path.write_bytes(head + body)
        with pytest.raises(Unusual):
            walk(path)


def test_a_file_that_changes_its_mind_about_pixels(tmp_path: Path) -> None:
    path = write_slice(tmp_path / "a", (0, 0, 0))
    raw = path.read_bytes()
    path.write_bytes(raw[:-20])
    found = described(path)
    assert not found.images
    assert "is cut short: 70 bytes of pixels announced, 50 there" in found.refused[0].reason


def test_common_records_are_kept_once(tmp_path: Path) -> None:
    headers = Headers()
    records = [headers.read(str(write_slice(tmp_path / str(n), (0, 0, n), InstanceNumber=n))) for n in range(3)]
    assert records[0].common is records[2].common
    other = headers.read(str(write_slice(tmp_path / "other", (0, 0, 9), SeriesInstanceUID="9.9")))
    assert other.common is not records[0].common
    assert records[0].moment is NEVER or records[0].moment is records[1].moment


def test_character_sets(tmp_path: Path) -> None:
    for charset, text in (
        ("ISO_IR 100", "Zürich"),
        ("ISO_IR 192", "東京"),
        ("GB18030", "北京"),
        ("ISO_IR 144", "Люкceмбypг"),
    ):
        dataset = base(SpecificCharacterSet=charset, PatientID=text, Rows=1, Columns=2)
        for path in implicit_and_explicit(tmp_path / charset, dataset, [[1, 2]]):
            assert Headers()._walked(str(path)).common.patient == text
    japanese = PYDICOM / "charset_files" / "chrH32.dcm"
    assert walked_and_opened(japanese) is not None


def test_a_misspelt_character_set_is_no_reason_to_fail(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dataset = base(SpecificCharacterSet="ISO-IR 100", PatientID="x", Rows=1, Columns=2)
        path = save(dataset, tmp_path / "a", [[1, 2]])
    raw = path.read_bytes().replace(b"LO\x02\x00x ", b"LO\x02\x00\xfcx")
    path.write_bytes(raw)
    assert Headers().read(str(path)).common.patient == "üx"


def test_no_preamble_no_suffix(tmp_path: Path) -> None:
    from isocenter.data.formats.dicom import FORMAT

    path = write_slice(tmp_path / "a", (0, 0, 0))
    whole = path.read_bytes()
    bare = tmp_path / "bare"
    bare.write_bytes(whole[132:])
    assert FORMAT.sniff(bare.read_bytes()[:1024], "bare")
    assert read(only(bare)).geometry.placed
    dataset = pydicom.dcmread(path)
    old = tmp_path / "old"
    del dataset.file_meta
    dataset.save_as(old, implicit_vr=True, little_endian=True)
    assert FORMAT.sniff(old.read_bytes()[:1024], "old")
    assert read(only(old)).geometry.placed


def test_what_is_no_dicom() -> None:
    from isocenter.data.formats.dicom import FORMAT

    for head in (
        b"",
        b"DICM",
        b"hello world " * 80,
        b"\x08\x00" * 500,
        b"\x08\x00\x05\x00CS\x02\x00",
        b"\x02\0\0\0UL\4\0" * 9,
    ):
        assert not FORMAT.sniff(head, "a.dcm")


def test_numbers_that_are_none() -> None:
    assert decode(b"", Wanted("a", "DS")) is None
    assert decode(b"1A", Wanted("a", "IS")) is None
    assert decode(b"1\\x", Wanted("a", "DS", True)) is None
    assert decode(b"nan", Wanted("a", "DS")) is None
    assert decode(b"\x01", Wanted("a", "US")) is None
    assert decode(b"\x01\x00\x02\x00", Wanted("a", "US", True), vr="US") == (1, 2)
    assert decode(b"\x00\x01", Wanted("a", "US"), vr="US", little=False) == 1
    assert decode(b"\\ ", Wanted("a", "CS", True)) is None
    assert decode(b"4.0", Wanted("a", "IS")) == 4


def test_times_of_day_and_dates() -> None:
    assert seconds_of_day("101530.25") == 10 * 3600 + 15 * 60 + 30.25
    assert seconds_of_day("10:15:30") == 10 * 3600 + 15 * 60 + 30
    assert seconds_of_day("10") == 36000
    assert seconds_of_day("1015") == 36900
    assert seconds_of_day("noon") is None
    assert seconds_of_day("10xx") is None
    assert seconds_of_day(None) is None
    assert seconds_of_date("19000102") == 86400
    assert seconds_of_date("1900.01.02") == 86400
    assert seconds_of_date("20240230") is None
    assert seconds_of_date("2024") is None
    assert seconds_of_datetime("19000102000010.5-0500") == 86410.5
    assert seconds_of_datetime("19000102") is None


def test_broken_elements_count_as_missing(tmp_path: Path) -> None:
    path = PYDICOM / "test_files" / "badVR.dcm"
    values = dataset_values(open_header(path).dataset)
    assert "frames" not in values
    assert values["rows"] == 10
    assert set(values) <= {wanted.name for wanted in WANTED.values()}


def test_nothing_at_all_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"\0" * 128 + b"DICM")
    with pytest.raises(Unreadable, match="no DICOM elements"):
        open_header(path)
    assert len(open_whole(path)) == 0
