"""Which row of a table belongs to which case: found by path, file name, patient or DICOM identifier."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from isocenter.core.image import ImageFacts
from isocenter.data.columns import Column, counts_rows, whole_number
from isocenter.data.naming import tokens

KINDS = ("path", "file name", "SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID", "PatientID", "folder")
"""Ways in which a cell may name a case, the most exact first."""

_NUMBERED = frozenset(("file name", "PatientID", "folder"))
"""Kinds whose names may be numbers with leading zeros, which spreadsheets drop."""

_MANY = frozenset(("StudyInstanceUID", "PatientID", "folder"))
"""Kinds that may name several cases at once."""

_ENDING = re.compile(r"\.(nii\.gz|[a-z][a-z0-9]{1,4})$")
_ENOUGH = 0.5
_NAMES = frozenset(("file", "filename", "image", "img", "scan", "path", "id", "patient", "subject", "participant"))

_MOST_TIES = 20
"""A column whose cells tie every case to so many rows names something else than cases, such as their classes."""


@dataclass(frozen=True)
class Match:
    """The column that names the cases, and the rows of every case.

    Attributes:
        column: its name.
        kind: how its cells name a case, one of `KINDS`.
        rows: case key to the numbers of its rows.
        matched: how many rows name a case.
        rivals: columns that name as many cases in the same way, but other ones, so that nobody can tell which is meant.
    """

    column: str
    kind: str
    rows: Mapping[str, Sequence[int]]
    matched: int
    rivals: tuple[str, ...] = ()
    by_number: tuple[str, str] | None = None
    """A cell and the name that it stands for, where cells were matched by their number: leading zeros are lost."""

    @property
    def how(self) -> str:
        """How the cells name the cases, in words."""
        if self.by_number is None:
            return self.kind
        cell, name = self.by_number
        return f"{self.kind}, as numbers, since leading zeros are lost (`{cell}` is `{name}`)"


class _Found(NamedTuple):
    """A column that may name the cases: how many and how exactly, and how far its name and cells are trusted."""

    score: tuple[int, bool, int, int]
    trust: int
    match: Match


@dataclass
class Index:
    """Cases by everything that a cell may call them."""

    by_kind: dict[str, dict[str, list[str]]] = field(
        default_factory=lambda: {kind: defaultdict(list) for kind in KINDS}
    )
    size: int = 0

    def add(self, key: str, images: Iterable[ImageFacts], places: Iterable[str], patient: str | None) -> None:
        """Take in a case; `places` are the paths of its files below the root."""
        self.size += 1
        names: dict[str, set[str]] = {kind: set() for kind in KINDS}
        for place in places:
            whole = place.lower()
            for path in (whole, _ENDING.sub("", whole)):
                parts = path.split("/")
                names["path"].update("/".join(parts[start:]) for start in range(len(parts) - 1))
                names["path"].add(path)
                names["file name"].add(parts[-1])
            names["folder"].update(whole.split("/")[-2:-1])
        for image in images:
            names["SOPInstanceUID"].update(image.instances)
            names["SeriesInstanceUID"].update(filter(None, (image.series,)))
            names["StudyInstanceUID"].update(filter(None, (image.study,)))
            names["PatientID"].update(filter(None, (image.patient,)))
        names["PatientID"].update(filter(None, (patient,)))
        for kind, found in names.items():
            for name in found:
                self.by_kind[kind][name.lower()].append(key)

    def match(self, columns: Iterable[Column], folder: str) -> Match | None:
        """The column that names most cases, the most exact way of naming first; None where no column does.

        Args:
            columns: of the table.
            folder: where the table lies below the root, since paths may start there.
        """
        found: list[_Found] = []
        for column in columns:
            spelled = {value: value.replace("\\", "/").lower() for value in column.counts}
            cells = [spelled.get(value, "") for value in column.values]
            whole = any("/" in cell for cell in spelled.values())
            for place, kind in enumerate(KINDS):
                if not self.by_kind[kind] or (kind == "path" and not whole):
                    continue
                match = self._match(column, cells, kind, folder)
                if match is not None:
                    score = (len(match.rows), match.by_number is None, -place, match.matched)
                    found.append(_Found(score, _trust(column), match))
        return _best(found)

    def _match(self, column: Column, cells: Sequence[str], kind: str, folder: str) -> Match | None:
        known = self.by_kind[kind]
        spelled = {cell: _spellings(cell, kind, folder) for cell in set(cells) if cell}
        keys = {
            cell: next(
                (known[name] for name in names if name in known and (kind in _MANY or len(known[name]) == 1)), []
            )
            for cell, names in spelled.items()
        }
        by_number = self._by_number(column, kind, keys)
        keys |= {cell: known[name] for cell, name in by_number.items()}
        named_rows = Counter(cells)
        ties = sum(len(named) * named_rows[cell] for cell, named in keys.items())
        if not ties or ties > _MOST_TIES * (self.size + len(cells)):
            return None
        rows: dict[str, list[int]] = defaultdict(list)
        matched = 0
        for number, cell in enumerate(cells):
            named = keys.get(cell, [])
            matched += bool(named)
            for key in named:
                rows[key].append(number)
        if not self._enough(column, cells, kind, len(rows), matched):
            return None
        return Match(column.name, kind, dict(rows), matched, by_number=next(iter(by_number.items()), None))

    def _by_number(self, column: Column, kind: str, keys: Mapping[str, Sequence[str]]) -> dict[str, str]:
        """Cells that name nothing as they stand, to the one name of the same number: Excel drops leading zeros."""
        if kind not in _NUMBERED or not _trust(column) or any("." in cell or "/" in cell for cell in keys):
            return {}
        lost = [cell for cell, named in keys.items() if not named and whole_number(cell) is not None]
        if not lost:
            return {}
        names: dict[int, set[str]] = defaultdict(set)
        for name, cases in self.by_kind[kind].items():
            if (value := whole_number(name)) is not None and (kind in _MANY or len(cases) == 1):
                names[value].add(name)
        cells = Counter(whole_number(cell) for cell in keys)
        found = {cell: names[int(cell)] for cell in lost if int(cell) in names}
        if any(len(meant) > 1 or cells[int(cell)] > 1 for cell, meant in found.items()):
            return {}
        return {cell: min(meant) for cell, meant in found.items()}

    def _enough(self, column: Column, cells: Sequence[str], kind: str, cases: int, matched: int) -> bool:
        """Whether so many matches can be no accident; bare numbers are held to more."""
        filled = sum(1 for cell in cells if cell)
        share_of_cases, share_of_rows = cases / self.size, matched / max(filled, 1)
        unique = len(set(cells)) >= 0.95 * len(cells)
        if kind == "folder" and not unique:
            return False
        if column.numeric and kind in ("file name", "path", "folder"):
            return unique and share_of_cases >= _ENOUGH and share_of_rows >= _ENOUGH
        return share_of_cases >= _ENOUGH or share_of_rows >= _ENOUGH


def _trust(column: Column) -> int:
    """2 for a column named for files or people, 0 for one that only counts the rows, 1 for both or neither."""
    return bool(_NAMES.intersection(tokens(column.name))) + (not counts_rows(column))


def _best(found: Sequence[_Found]) -> Match | None:
    """The best column; with its rivals where several are as good and name different cases."""
    if any(one.trust == 2 for one in found):
        found = [one for one in found if one.trust > 0]
    if not found:
        return None
    best = max(found, key=lambda one: (one.score, one.trust))
    equal = [one.match for one in found if (one.score, one.trust) == (best.score, best.trust)]
    rivals = tuple(one.column for one in equal if one.rows != best.match.rows)
    return replace(best.match, rivals=rivals)


def _spellings(cell: str, kind: str, folder: str) -> list[str]:
    """How a cell may be found in the index: as it stands, below the table's folder, by ever shorter tails."""
    if kind == "path":
        path = re.sub(r"^(\./|/)+", "", cell)
        parts = path.split("/")
        tails = ["/".join(parts[start:]) for start in range(len(parts) - 1)] or [path]
        below = [f"{folder.lower()}/{path}"] if folder else []
        names = [*below, *tails]
        return [*names, *(_ENDING.sub("", name) for name in names)]
    if kind == "file name":
        name = cell.rsplit("/", 1)[-1]
        return [name, _ENDING.sub("", name)]
    return [cell]
