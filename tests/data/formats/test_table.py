"""Tables: which text is one, headers, missing values, encodings, Excel, and what is refused."""

from __future__ import annotations

import datetime
import sys
from pathlib import Path

import openpyxl
import pytest

from isocenter.core.errors import Unreadable
from isocenter.core.image import ImageFacts
from isocenter.data import files
from isocenter.data.formats import table
from isocenter.data.formats._shared import ReadOptions, Table
from isocenter.data.formats.table import FORMAT


def read(path: Path, content: str | bytes, *, encoding: str = "utf-8") -> Table:
    path.write_bytes(content if isinstance(content, bytes) else content.encode(encoding))
    found = files.describe([path])
    assert not found.refused, found.refused
    (only,) = found.tables
    return only


def refusal(path: Path) -> str:
    found = FORMAT.describe([path])
    assert not found.tables
    return found.refused[0].reason


def is_table(name: str, text: str) -> bool:
    return FORMAT.sniff(text.encode()[:1024], name)


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_delimiters_are_found(tmp_path: Path, delimiter: str) -> None:
    text = "\n".join(delimiter.join(row) for row in (["file", "label"], ["a.png", "1"], ["b.png", "0"]))
    found = read(tmp_path / "x.csv", text)
    assert found.columns == ("file", "label")
    assert found.rows == (("a.png", "1"), ("b.png", "0"))
    assert found.column("label") == ["1", "0"]
    assert found.path == (tmp_path / "x.csv").as_posix()


def test_quotes_hold_delimiters_and_line_breaks(tmp_path: Path) -> None:
    found = read(tmp_path / "x.csv", 'file,remark\r\na.png,"early, ""soft""\r\nlesion"\r\nb.png,none\r\n')
    assert found.rows == (("a.png", 'early, "soft"\r\nlesion'), ("b.png", "none"))


def test_missing_values_become_empty(tmp_path: Path) -> None:
    spellings = ["", "NA", "n/a", "NaN", "null", "None", "-", " ", "<NA>", "."]
    found = read(
        tmp_path / "x.csv", "file,age\n" + "".join(f"{n},{word}\n" for n, word in enumerate([*spellings, "?"]))
    )
    assert found.column("age") == [*[""] * len(spellings), "?"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16"])
def test_chinese_is_read_in_every_usual_encoding(tmp_path: Path, encoding: str) -> None:
    found = read(tmp_path / "x.csv", "文件,标签\na.png,正常\n", encoding=encoding)
    assert found.columns == ("文件", "标签")
    assert found.rows == (("a.png", "正常"),)


def test_latin_letters_that_are_nothing_else_are_read(tmp_path: Path) -> None:
    assert read(tmp_path / "x.csv", b"file,name\na,Andr\xe9\nb,\xff\n").rows[0] == ("a", "André")


def test_a_header_is_made_where_there_is_none(tmp_path: Path) -> None:
    found = read(tmp_path / "x.csv", "1,2.5,\n3,-4e2,7\n")
    assert found.columns == ("column1", "column2", "column3")
    assert found.rows == (("1", "2.5", ""), ("3", "-4e2", "7"))
    assert any("no names" in note for note in found.notes)


def test_columns_get_different_names(tmp_path: Path) -> None:
    found = read(tmp_path / "x.csv", "age,age,,age_2,\n1,2,3,4,\n")
    assert found.columns == ("age", "age_2", "column3", "age_2_2")
    assert found.rows == (("1", "2", "3", "4"),)


def test_columns_of_numbers_between_blanks_are_a_table(tmp_path: Path) -> None:
    text = "".join(f"   {row}.0e+00  -1.5   2.25\n" for row in range(300))
    assert is_table("beats.txt", text)
    found = read(tmp_path / "beats.txt", text)
    assert (found.columns, len(found.rows), found.rows[2]) == (
        ("column1", "column2", "column3"),
        300,
        ("2.0e+00", "-1.5", "2.25"),
    )


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("README.txt", "This folder holds scans.\nThey were made in 2019, in Paris; see below.\nEnjoy.\n"),
        ("README.txt", "One line, with a comma."),
        ("train.txt", "BloodImage_00001\nBloodImage_00002\nBloodImage_00003\n"),
        ("0001.txt", "0 0.5 0.5 0.25 0.125\n2 0.1 0.2 0.3 0.4\n"),
        ("0002.txt", "1 0.5 0.5 0.25 0.125 0.1 0.9\n"),
        ("x.txt", ""),
        ("x.csv", "\0\1\2"),
        ("x.csv", "<html><table>"),
        ("x.csv", '{"a": 1}'),
        ("x.png", "a,b\n1,2\n"),
    ],
)
def test_prose_names_and_boxes_are_not_tables(name: str, text: str) -> None:
    assert not is_table(name, text)


def test_text_with_a_constant_delimiter_is_a_table() -> None:
    assert is_table("labels.txt", "file\tlabel\na\t1\nb\t2\n")
    assert is_table("numbers.txt", "1 2 3")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a,b\n1,2\n1,2,3\n", "line 3 has 3 cells where the header has 2"),
        ("a,b\n1,2\n\n1\n", "line 4 has 1 cells"),
        ("\n \n", "is empty"),
        (",,\n,,\n", "holds no values"),
        ('a,b\n"' + "x" * 200_000, "damaged"),
    ],
)
def test_crooked_tables_are_refused_by_line(tmp_path: Path, text: str, reason: str) -> None:
    (tmp_path / "x.csv").write_text(text)
    assert reason in refusal(tmp_path / "x.csv")


def test_limits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.csv"
    path.write_text("a,b\n" + "1,2\n" * 10)
    monkeypatch.setattr(table, "_MOST_CELLS", 10)
    assert "more than 10 cells" in refusal(path)
    monkeypatch.setattr(table, "_MOST_BYTES", 10)
    assert "at most 10 B" in refusal(path)


def workbook(path: Path, *sheets: list[list[object]]) -> Path:
    book = openpyxl.Workbook()
    for number, rows in enumerate(sheets):
        sheet = book.active if number == 0 else book.create_sheet(f"more{number}")
        for row in rows:
            sheet.append(row)
    book.save(path)
    return path


def test_the_first_sheet_of_excel_is_read_and_the_others_named(tmp_path: Path) -> None:
    rows = [["file", "age", "seen"], ["a.png", 61.0, datetime.date(2024, 5, 1)], ["b.png", None, "NA"]]
    path = workbook(tmp_path / "x.xlsx", rows, [["other"]])
    assert files.identify(path) == "table"
    (found,) = files.describe([path]).tables
    assert found.columns == ("file", "age", "seen")
    assert found.rows == (("a.png", "61", "2024-05-01"), ("b.png", "", ""))
    assert any("more1" in note for note in found.notes)


def test_a_formula_is_never_computed(tmp_path: Path) -> None:
    path = workbook(tmp_path / "x.xlsx", [["a", "b"], [1, "=1+1"]])
    assert files.describe([path]).tables[0].rows == (("1", ""),)
    assert read(tmp_path / "x.csv", "a,b\n1,=1+1\n").rows == (("1", "=1+1"),)


def test_excel_bombs_and_damage_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = workbook(tmp_path / "x.xlsx", [["a"], [1]])
    (tmp_path / "y.xlsx").write_bytes(path.read_bytes()[:500])
    assert refusal(tmp_path / "y.xlsx")
    monkeypatch.setattr(table, "_MOST_UNPACKED", 10)
    assert "would unpack" in refusal(path)


def test_without_openpyxl_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = workbook(tmp_path / "x.xlsx", [["a"], [1]])
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    assert "isocenter[excel]" in refusal(path)


def test_a_table_is_not_an_image(tmp_path: Path) -> None:
    facts = ImageFacts(format="table", files=(str(tmp_path / "x.csv"),), axes="CYX", shape=(1, 1, 1))
    with pytest.raises(Unreadable, match="is a table, not an image"):
        FORMAT.read(facts, ReadOptions())


@pytest.mark.needs_shared
def test_real_tables(shared: Path) -> None:
    paths = [shared / "ecg5000" / "ECG5000_TRAIN.txt", *sorted((shared / "oasis_longitudinal").glob("*.csv"))]
    beats, _, visits = files.describe(paths).tables
    assert (len(beats.columns), len(beats.rows)) == (141, 500)
    assert (len(visits.rows), visits.column("SES").count(""), visits.column("MMSE").count("")) == (373, 19, 2)
