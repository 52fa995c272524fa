"""Tables: CSV, TSV, columns of numbers in a text file, and the first sheet of an Excel file."""

from __future__ import annotations

import csv
import io
import re
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import chain, islice
from pathlib import Path
from typing import NoReturn

from isocenter.core.errors import IsocenterError, Unreadable
from isocenter.core.image import ImageFacts
from isocenter.core.optional import require
from isocenter.core.words import listed, sized
from isocenter.data.formats._shared import (
    HEAD_BYTES,
    Collected,
    Described,
    Format,
    ReadOptions,
    Table,
    absolute,
    guarded,
)

MISSING = frozenset({"", "na", "n/a", "nan", "<na>", "null", "nil", "-", "--", ".", "#n/a"})
"""How people write that a value is missing, in lower case; `?` says that somebody looked and could not tell."""

_MISSING_AS_WRITTEN = frozenset({"None", "NONE"})
"""What programs write for it; `none` in small letters is a finding that people write."""

_MOST_BYTES = 200 * 1000**2
_MOST_CELLS = 10_000_000
_MOST_UNPACKED = 1000**3
_ENCODINGS = ("utf-8-sig", "gb18030", "latin-1")
_DELIMITERS = ",;\t|"
_SAMPLE = 1 << 16
_EXCEL = (".xlsx", ".xlsm")
_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?$")
_ZIP = b"PK\x03\x04"


def _sniff(head: bytes, name: str) -> bool:
    if head.startswith(_ZIP):
        return name.endswith(_EXCEL)
    if not name.endswith((".csv", ".tsv", ".tab", ".txt", ".dat")) or not head.strip():
        return False
    wide = head[:2] in {b"\xff\xfe", b"\xfe\xff"}
    if wide:
        return name.endswith((".csv", ".tsv", ".tab"))
    if b"\0" in head or head.startswith((b"%PDF", b"{", b"<")):
        return False
    return name.endswith((".csv", ".tsv", ".tab")) or _looks_tabular(head)


def _looks_tabular(head: bytes) -> bool:
    """Whether a text file holds columns, and not prose or one name per line."""
    lines = [line for line in head.decode("latin-1").splitlines() if line.strip()]
    cut = len(head) >= HEAD_BYTES
    if cut and len(lines) > 1:
        lines, cut = lines[:-1], False
    if _is_numeric(lines, cut=cut):
        return not _is_boxes(lines)
    if len(lines) < 3:
        return False
    counts = {delimiter: {line.count(delimiter) for line in lines} for delimiter in "\t;,"}
    return any(len(found) == 1 and min(found) > 0 for found in counts.values())


def _is_numeric(lines: Sequence[str], *, cut: bool = False) -> bool:
    """Whether every line holds the same number, at least two, of numbers between blanks."""
    rows = [line.split() for line in lines]
    if cut:  # the last number of a line that goes on may itself be cut
        rows = [row[:-1] for row in rows]
    return len({len(row) for row in rows}) == 1 and len(rows[0]) > 1 and all(map(_NUMBER.match, chain(*rows)))


def _is_boxes(lines: Sequence[str]) -> bool:
    """YOLO's boxes and outlines are lines of numbers too: a class, then fractions of the image's size."""
    rows = [line.split() for line in lines]
    return all(
        row[0].isdigit() and len(row) >= 5 and len(row) % 2 == 1 and all(0 <= float(word) <= 1 for word in row[1:])
        for row in rows
    )


def _describe(paths: Sequence[Path]) -> Described:
    collected = Collected()
    for path in paths:
        try:
            with guarded(path):
                collected.tables.append(_excel(path) if path.suffix.lower() in _EXCEL else _text(path))
        except IsocenterError as error:
            collected.refuse(path, error)
    return collected.done()


def _text(path: Path) -> Table:
    size = path.stat().st_size
    if size > _MOST_BYTES:
        raise Unreadable(f"{path}", why=f"has {sized(size)}; tables of at most {sized(_MOST_BYTES)} are read")
    text = _decoded(path.read_bytes())
    sample = text[:_SAMPLE]
    lines = [line for line in sample.splitlines()[:50] if line.strip()]
    if not lines:
        raise Unreadable(f"{path}", why="is empty")
    if path.suffix.lower() not in {".csv", ".tsv"} and _is_numeric(lines[:-1] or lines):
        rows: Iterator[list[str]] = (line.split() for line in text.splitlines())
        return _table(path, enumerate(rows, 1))
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(sample, lines), skipinitialspace=True)
    return _table(path, ((reader.line_num, row) for row in reader))


def _decoded(data: bytes) -> str:
    """Text in whichever of the usual encodings fits; the last of them fits anything."""
    encodings = ("utf-16",) if data[:2] in {b"\xff\xfe", b"\xfe\xff"} else _ENCODINGS
    for encoding in encodings[:-1]:
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    return data.decode(encodings[-1])


def _delimiter(sample: str, lines: Sequence[str]) -> str:
    """The character between cells: the one that occurs equally often in every line, else what `csv` thinks."""
    for delimiter in _DELIMITERS:
        counts = {len(row) for row in csv.reader(lines[:-1] or lines, delimiter=delimiter)}
        if len(counts) == 1 and min(counts) > 1:
            return delimiter
    try:
        return csv.Sniffer().sniff(sample[:4096], delimiters=_DELIMITERS).delimiter
    except csv.Error:
        return ","


def _table(path: Path, rows: Iterable[tuple[int, Sequence[str]]]) -> Table:
    """A table out of numbered rows: header found or made, missing values empty, every row as long as the header."""
    filled = ((number, [_cell(value) for value in row]) for number, row in rows)
    filled = ((number, row) for number, row in filled if any(row))
    first = next(filled, None)
    if first is None:
        raise Unreadable(f"{path}", why="holds no values")
    named = not all(_NUMBER.match(value) for value in first[1] if value)
    width = len(first[1])
    if named:
        while width > 1 and not first[1][width - 1]:
            width -= 1
    columns = _columns(first[1][:width]) if named else tuple(f"column{number + 1}" for number in range(width))
    most = max(_MOST_CELLS // width, 1)
    body = [] if named else [tuple(first[1])]
    body += [_fitted(path, number, row, width) for number, row in islice(filled, most + 1)]
    if len(body) > most:
        raise Unreadable(
            f"{path}", why=f"has more than {_MOST_CELLS:,} cells", remedy="Split it, or keep fewer columns"
        )
    notes = () if named else ("its first row is numbers, so its columns have no names: they are called column1, ...",)
    return Table(absolute(path), columns, tuple(body), notes)


def _cell(value: object) -> str:
    """One cell as text; empty where it is missing."""
    text = "" if value is None else str(value).strip()
    return "" if text.lower() in MISSING or text in _MISSING_AS_WRITTEN else text


def _fitted(path: Path, number: int, row: list[str], width: int) -> tuple[str, ...]:
    """A row of the header's length; empty cells at its end may be too many."""
    if len(row) > width and not any(row[width:]):
        row = row[:width]
    if len(row) != width:
        raise Unreadable(
            f"{path}",
            why=f"line {number} has {len(row)} cells where the header has {width}",
            remedy="Put values that contain the delimiter in quotes",
        )
    return tuple(row)


def _columns(names: Sequence[str]) -> tuple[str, ...]:
    """Column names, each different: a second `age` becomes `age_2`, one without a name `column3`."""
    found: dict[str, None] = {}
    for position, name in enumerate(names, 1):
        wanted = unique = name or f"column{position}"
        number = 2
        while unique in found:
            unique = f"{wanted}_{number}"
            number += 1
        found[unique] = None
    return tuple(found)


def _excel(path: Path) -> Table:
    """The first sheet; a formula is read as the value it had when the file was saved, never computed."""
    openpyxl = require("openpyxl")
    with zipfile.ZipFile(path) as archive:
        unpacked = sum(member.file_size for member in archive.infolist())
        if unpacked > _MOST_UNPACKED:
            raise Unreadable(
                f"{path}", why=f"would unpack to {sized(unpacked)}; at most {sized(_MOST_UNPACKED)} are read"
            )
    book = openpyxl.load_workbook(path, read_only=True, data_only=True, keep_links=False)
    try:
        sheet = book.worksheets[0]
        rows = sheet.iter_rows(values_only=True)
        table = _table(path, ((number, _trimmed(row)) for number, row in enumerate(rows, 1)))
        others = [one.title for one in book.worksheets[1:]]
        told = (f"only its first sheet, {sheet.title}, is read; not {listed(others)}",) if others else ()
        return replace(table, notes=(*table.notes, *told))
    finally:
        book.close()


def _trimmed(row: Sequence[object]) -> list[str]:
    return ["" if value is None else _spelled(value) for value in row]


def _spelled(value: object) -> str:
    """A cell as a person would write it: 3 for 3.0, a date without midnight."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).removesuffix(" 00:00:00")


def _read(facts: ImageFacts, _: ReadOptions) -> NoReturn:
    raise Unreadable(facts.files[0], why="is a table, not an image", remedy="Ingest it beside the images it describes")


FORMAT = Format(
    title="Table (CSV, TSV, Excel)",
    suffixes=(".csv", ".tsv", ".txt", ".xlsx"),
    sniff=_sniff,
    describe=_describe,
    read=_read,
    rank=90,
)
