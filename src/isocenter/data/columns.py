"""What the columns of a table mean, by their names and by what stands in them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from isocenter.core.case import Covariate
from isocenter.core.words import counted
from isocenter.data.formats._shared import Table
from isocenter.data.formats.table import MISSING
from isocenter.data.naming import SPLIT_NAMES, tokens

MOST_CLASSES = 20
"""A column with more different values than these is no class unless its name or the user says so."""

MOST_FINDINGS = 100
"""A column of lists with more different parts than these holds free text."""

_FEWEST_FINDINGS = 4
"""From so many columns of 0 and 1 on a table lists findings, one column each."""

_UNSURE = frozenset(
    ("uncertain", "unknown", "unsure", "indeterminate", "equivocal", "unclear", "not sure", "undetermined", "?")
)
_NOTHING_FOUND = frozenset(("no finding", "no findings", "nofinding"))

_LABEL = frozenset(
    (
        *("class", "classes", "classname", "label", "labels", "target", "targets", "diagnosis", "diagnoses", "dx"),
        *("finding", "findings", "category", "categories", "pathology", "grade", "grading", "outcome", "malignancy"),
    )
)
_LABEL_PERHAPS = frozenset(
    (
        *(
            "group",
            "disease",
            "condition",
            "status",
            "stage",
            "score",
            "response",
            "result",
            "type",
            "truth",
            "gt",
            "y",
        ),
        *("tumor", "tumour", "lesion", "abnormal", "abnormality", "severity", "cohort", "arm", "histology", "disorder"),
    )
)
_DESCRIBES_PERSON = frozenset(
    (
        *("sex", "gender", "m", "f", "age", "hand", "handedness", "side", "laterality", "view", "position", "race"),
        *("ethnicity", "site", "center", "centre", "hospital", "scanner", "manufacturer", "vendor", "device", "model"),
        *("fold", "visit", "session", "run", "width", "height", "rows", "columns", "has", "index", "source", "year"),
        *("male", "female", "ismale", "isfemale", "spacing", "pixel", "slice", "slices", "number", "order", "bmi"),
        *("thickness", "dose", "kvp", "row", "unnamed", "no", "nr", "num", "count"),
        *("education", "educ", "weight", "path", "url", "license", "licence", "modality", "sequence", "protocol"),
    )
)
_PATIENT = frozenset(
    (
        *("patient", "patientid", "patientnumber", "patientname", "patientnr", "subject", "subjectid", "subjectnumber"),
        *("participant", "participantid", "person", "personid", "pid", "mrn", "subj", "subjid", "sub", "ptid", "rid"),
    )
)
_VISIT = ("visit", "visitid", "session", "sessionid", "timepoint", "examination", "examid", "mriid")
_DATE = frozenset(
    ("date", "studydate", "scandate", "visitdate", "examdate", "acquisitiondate", "seriesdate", "acqtime")
)
_COUNTS = frozenset(("has", "n", "num", "number", "id"))
_READER = frozenset(("reader", "readerid", "rater", "raterid", "annotator", "annotatorid", "observer", "radid"))
_WHOLE = re.compile(r"^-?\d{1,15}\.0*$|^-?\d\.0+e[+]?0{1,2}$", re.IGNORECASE)
_DIGITS = re.compile(r"-?[0-9]{1,18}")
_DAY = re.compile(r"^\d{4}[-/.]?\d{2}[-/.]?\d{2}(?:[T ].*)?$|^\d{1,2}[-/.]\d{1,2}[-/.]\d{4}$")


@dataclass(frozen=True)
class Column:
    """One column: its cells, and what kind of values they are."""

    name: str
    cells: tuple[str, ...]

    @cached_property
    def values(self) -> tuple[str, ...]:
        """The cells without blanks, `1.0` as `1`, and empty where missing."""
        known = {cell: "" if is_missing(cell) else plain(cell) for cell in set(self.cells)}
        return tuple(known[cell] for cell in self.cells)

    @cached_property
    def counts(self) -> Counter[str]:
        """How often each value stands there, missing ones left out."""
        counts = Counter(self.values)
        counts.pop("", None)
        return counts

    @cached_property
    def numeric(self) -> bool:
        """Whether every value is a number, but for those that say that nobody could tell."""
        return bool(self._sure) and all(number(value) is not None for value in self._sure)

    @cached_property
    def graded(self) -> bool:
        """Whether the values measure something rather than name classes."""
        if not self.numeric:
            return False
        broken = any(not float(value).is_integer() for value in self._sure)
        return len(self.counts) > MOST_CLASSES or (broken and len(self.counts) > MOST_CLASSES // 2)

    @cached_property
    def _sure(self) -> list[str]:
        return [value for value in self.counts if value.lower() not in _UNSURE]

    @property
    def few(self) -> bool:
        """Whether the values could name classes: few, and none of them alone."""
        known = sum(self.counts.values())
        return 2 <= len(self.counts) <= MOST_CLASSES and known >= 3 * len(self.counts) and not self.graded

    @property
    def joined(self) -> str:
        """The name as one word in lower case."""
        return "".join(tokens(self.name))

    def covariates(self) -> list[Covariate]:
        """The cells as numbers where all are numbers, as words otherwise; None where missing."""
        if self.numeric and not any(re.match(r"0\d", value) for value in self.counts):
            return [number(value) for value in self.values]
        return [value or None for value in self.values]

    def words(self) -> str:
        """The values with their counts: `no (98), yes (155)`."""
        if self.graded or len(self.counts) > MOST_CLASSES:
            return f"{counted(len(self.counts), 'different value')}"
        return ", ".join(f"{value} ({count:,})" for value, count in sorted(self.counts.items()))


@dataclass(frozen=True, kw_only=True)
class Wished:
    """Which columns the user named; None or empty where the files have to tell."""

    label: tuple[str, ...] = ()
    patient: str | None = None
    split: str | None = None
    group: str | None = None
    date: str | None = None


@dataclass(frozen=True, kw_only=True)
class Roles:
    """What each column of a table is for.

    Attributes:
        patient, split, group, date, visit, reader: the column of that meaning, or None.
        labels: columns whose names say that they are the label.
        perhaps: columns that could be a label by their values.
        measured: columns of many numbers that could be a measured label.
        rest: every other column.
    """

    patient: str | None
    split: str | None
    group: str | None
    date: str | None
    visit: str | None
    reader: str | None
    labels: tuple[str, ...]
    perhaps: tuple[str, ...]
    measured: tuple[str, ...]
    rest: tuple[str, ...]


def columns_of(table: Table) -> dict[str, Column]:
    """The columns of a table by name."""
    by_column = zip(*table.rows, strict=True) if table.rows else [()] * len(table.columns)
    return {name: Column(name, tuple(cells)) for name, cells in zip(table.columns, by_column, strict=True)}


def roles(columns: Mapping[str, Column], wished: Wished, *, apart: Iterable[str] = ()) -> Roles:
    """What each column is for; `apart` are columns that are spoken for (the one that names the file)."""
    left = {name: column for name, column in columns.items() if name not in set(apart) and name not in wished.label}

    def taken(wish: str | None, fits: Sequence[str]) -> str | None:
        name = wish if wish in columns else next(iter(fits), None)
        if name is not None:
            left.pop(name, None)
        return name

    split = taken(wished.split, [name for name, column in left.items() if holds_splits(column)])
    patient = taken(wished.patient, [name for name, column in left.items() if names_patients(column)])
    group = taken(wished.group, [name for name, column in left.items() if names_groups(column)])
    date = taken(wished.date, [name for name, column in left.items() if _holds_dates(column)])
    visit = taken(None, [name for word in _VISIT for name, column in left.items() if column.joined == word])
    reader = taken(None, [name for name, column in left.items() if column.joined in _READER])
    labels = tuple(name for name in wished.label if name in columns)
    named = tuple(name for name, column in left.items() if _is_label(column))
    perhaps = tuple(name for name, column in left.items() if name not in named and _could_be_label(column))
    measured = tuple(name for name, column in left.items() if name not in named and _could_be_measured(column))
    if not labels and _is_list_of_findings(columns, named, perhaps):
        named, perhaps = (), (*named, *perhaps)
    return Roles(
        patient=patient,
        split=split,
        group=group,
        date=date,
        visit=visit,
        reader=reader,
        labels=labels or named,
        perhaps=perhaps,
        measured=measured,
        rest=tuple(left),
    )


def holds_splits(column: Column) -> bool:
    """Whether every value spells train, val or test, and at least two of them stand there."""
    found = {SPLIT_NAMES.get(value.lower()) for value in column.counts}
    return len(found) > 1 and None not in found


def names_patients(column: Column) -> bool:
    """Whether a column's name says that it names patients."""
    return column.joined in _PATIENT or column.joined.endswith(("patientid", "subjectid", "participantid"))


def names_groups(column: Column) -> bool:
    """Whether a column names many small groups of rows that belong together."""
    return "group" in tokens(column.name) and len(column.counts) > max(MOST_CLASSES // 2, 0.2 * len(column.cells))


def is_missing(cell: str) -> bool:
    """Whether a cell says that nobody knows the value."""
    return cell.strip().lower() in MISSING


def is_unsure(value: str, column: Column) -> bool:
    """Whether a value says that somebody looked and could not tell; -1 does so beside 0 and 1."""
    if value == "-1":
        return column.counts.keys() <= {"-1", "0", "1"}
    return value.lower() in _UNSURE


def found_nothing(value: str) -> bool:
    """Whether a list of findings says that there is none."""
    return value.strip().lower() in _NOTHING_FOUND


def separator(column: Column) -> str | None:
    """The sign between several classes in one cell (`effusion|mass`), or None where cells hold one class each."""
    for sign in ("|", ";"):
        together = [value for value in column.counts if sign in value]
        parts = {part.strip() for value in column.counts for part in value.split(sign)}
        if together and len(parts) <= MOST_FINDINGS:
            return sign
    return None


def plain(cell: str) -> str:
    """A cell without blanks, and whole numbers without their `.0` or exponent."""
    cell = cell.strip()
    return str(int(float(cell))) if _WHOLE.match(cell) else cell


def number(cell: str) -> float | None:
    """The finite number that a cell holds, or None."""
    try:
        value = float(cell)
    except ValueError:
        return None
    return value if abs(value) < float("inf") else None


def whole_number(text: str) -> int | None:
    """The whole number that a text spells in plain digits, or None; other signs count as digits for `str.isdigit`."""
    return int(text) if _DIGITS.fullmatch(text) else None


def tells(column: Column, label: Column) -> tuple[float, float]:
    """Share of rows whose label a column gives away by its commonest label per value, and that share without it."""
    pairs = [(value, said) for value, said in zip(column.values, label.values, strict=True) if value and said]
    if not pairs:
        return 0.0, 1.0
    by_value: dict[str, Counter[str]] = {}
    for value, said in pairs:
        by_value.setdefault(value, Counter())[said] += 1
    known = sum(counter.most_common(1)[0][1] for counter in by_value.values())
    blind = Counter(said for _, said in pairs).most_common(1)[0][1]
    return known / len(pairs), blind / len(pairs)


def gives_away(column: Column, label: Column) -> str | None:
    """A sentence where a column of few values tells a label almost perfectly, so that it may define it."""
    if column.name == label.name or not 2 <= len(column.counts) <= MOST_CLASSES or label.graded:
        return None
    known, blind = tells(column, label)
    if blind >= 1 or (known - blind) / (1 - blind) < 0.75:
        return None
    return (
        f"`{column.name}` tells `{label.name}` in {known:.0%} of the rows ({blind:.0%} by chance): it may define it, "
        "so do not let a model see it."
    )


def _is_label(column: Column) -> bool:
    words = tokens(column.name)
    if not any(word in _LABEL for word in words) or words[0] in _COUNTS or words[-1] == "id":
        return False
    if column.numeric or len(column.counts) <= max(0.5 * len(column.cells), 4):
        return len(column.counts) > 1
    sign = separator(column)
    parts = {part.strip() for value in column.counts for part in value.split(sign)} if sign else set()
    return 1 < len(parts) <= 0.5 * len(column.cells)


def _is_list_of_findings(columns: Mapping[str, Column], named: Sequence[str], perhaps: Sequence[str]) -> bool:
    """Whether a column such as `No Finding` is one of many findings of 0 and 1, none of which is the label alone."""
    decisive = any(set(tokens(name)) <= _LABEL for name in named)
    signs = [name for name in (*named, *perhaps) if columns[name].counts.keys() <= {"-1", "0", "1"}]
    return bool(named) and not decisive and set(named) < set(signs) and len(signs) >= _FEWEST_FINDINGS


def _could_be_label(column: Column) -> bool:
    words = set(tokens(column.name))
    if "id" in words:
        return False
    if sounds_like_label(column):
        repeated = 2 <= len(column.counts) <= MOST_CLASSES and sum(column.counts.values()) > len(column.counts)
        return repeated and not column.graded
    return column.few and not words & _DESCRIBES_PERSON


def sounds_like_label(column: Column) -> bool:
    """Whether a word of the name is one that labels often bear, though other columns do as well."""
    return bool(_LABEL_PERHAPS.intersection(tokens(column.name)))


def _could_be_measured(column: Column) -> bool:
    """Whether many numbers may be what is to be predicted: neither identifiers nor a count of the rows."""
    words = set(tokens(column.name))
    if not column.graded or words & (_DESCRIBES_PERSON | _COUNTS) or column.joined.endswith("id"):
        return False
    return not counts_rows(column)


def counts_rows(column: Column) -> bool:
    """Whether a column only counts the rows, from 0 or 1."""
    return list(column.values) in [[str(row + start) for row in range(len(column.values))] for start in (0, 1)]


def _holds_dates(column: Column) -> bool:
    named = column.joined in _DATE or column.joined.endswith("date")
    return named and bool(column.counts) and all(_DAY.match(value) for value in column.counts)
