"""From a column of a table to a label: its classes and values, and whether two columns say the same."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from isocenter.core.errors import OpenQuestion
from isocenter.core.labels import (
    ClassDefinition,
    ClassesValue,
    ClassValue,
    Kind,
    LabelDefinition,
    NumberValue,
    Unknown,
    Value,
)
from isocenter.core.words import counted
from isocenter.data.columns import Column, found_nothing, is_unsure, number, separator, whole_number

_SAME = 0.9
"""From so large a share of agreeing rows on two columns name the same classes and the rest are contradictions."""

_SAME_WORDS = 0.6
"""The same for a table that uses the very words of the folders' names."""

_FOLLOWS = 0.995
"""From so large a share on a column follows from another: a coarser grouping of the same classes."""


@dataclass(frozen=True)
class ReadLabel:
    """A column as a label: the definition, and what each row says (None where nobody looked)."""

    definition: LabelDefinition
    values: tuple[Value | None, ...]

    @property
    def unsure(self) -> int:
        """Rows where somebody looked and could not tell."""
        return sum(isinstance(value, Unknown) for value in self.values)


@dataclass(frozen=True)
class Agreement:
    """How the values of one column go with those of another: the commonest partner of each, and exceptions."""

    partner: dict[str, str]
    share: float
    one_to_one: bool

    def same(self, *, folders: bool = False) -> bool:
        """Whether both name the same classes, in other words or numbers.

        Args:
            folders: one of them is the folders' names; a table that uses the very same words means the same classes,
                even where many rows differ.
        """
        words = all(one.lower() == other.lower() and number(one) is None for one, other in self.partner.items())
        enough = _SAME_WORDS if folders and words else _SAME
        return self.one_to_one and len(self.partner) > 1 and self.share >= enough


@dataclass
class Sifted:
    """Candidates for the label after those that repeat another are put aside.

    Attributes:
        kept: columns that stand for a question of their own.
        same: column to the kept one (or the anchor) whose classes it names again.
        follows: column to the kept one (or the anchor) from which it follows.
    """

    kept: list[Column] = field(default_factory=list)
    same: dict[str, Column] = field(default_factory=dict)
    follows: dict[str, Column] = field(default_factory=dict)


def read_label(column: Column, name: str | None = None, words: Mapping[str, str] | None = None) -> ReadLabel:
    """What a column says as a label.

    Args:
        column: the column.
        name: the label's name; the column's own unless given.
        words: cell to class name, where the cells are numbers for words that are known.
    """
    name = name or column.name
    words = words or {}
    sign = None if column.graded else separator(column)
    if column.graded:
        definition = LabelDefinition(name=name, kind=Kind.NUMBER)
    elif sign is not None:
        parts = {part for value in column.counts for part in _parts(value, sign, column)}
        definition = LabelDefinition(name=name, kind=Kind.CLASSES, classes=_classes(parts, {}))
    else:
        sure = [value for value in column.counts if not is_unsure(value, column)]
        definition = LabelDefinition(name=name, kind=Kind.CLASS, classes=_classes(sure, words))
    known = {value: _value(value, column, sign, words) for value in column.counts}
    return ReadLabel(definition, tuple(known.get(value) for value in column.values))


def with_numbers(definition: LabelDefinition, numbers: Mapping[str, str]) -> LabelDefinition:
    """The definition with the number that another column writes for each class, restored on output."""
    classes = tuple(
        one if (value := whole_number(numbers.get(one.name, ""))) is None else one.model_copy(update={"value": value})
        for one in definition.classes
    )
    return definition.model_copy(update={"classes": classes})


def agreement(one: Column, other: Column) -> Agreement:
    """How the values of `one` go with those of `other`, in rows where both are known and sure."""
    pairs = Counter(
        {
            (a, b): count
            for (a, b), count in Counter(zip(one.values, other.values, strict=True)).items()
            if a and b and not is_unsure(a, one) and not is_unsure(b, other)
        }
    )
    best: dict[str, tuple[int, str]] = {}
    for (a, b), count in pairs.items():
        best[a] = max(best.get(a, (0, "")), (count, b))
    agreed = sum(count for count, _ in best.values())
    partner = {a: b for a, (_, b) in best.items()}
    one_to_one = len(set(partner.values())) == len(partner) == len({b for _, b in pairs})
    return Agreement(partner, agreed / pairs.total() if pairs else 0.0, one_to_one)


def sift(candidates: Iterable[Column], anchor: Column | None = None) -> Sifted:
    """Put aside candidates that repeat, or follow from, the anchor (the folders' classes) or one another."""
    found = Sifted()
    # Words before numbers, fine before coarse: what is kept is what the others can be read from.
    for column in sorted(candidates, key=lambda one: (one.numeric, -len(one.counts))):
        for known in [*([anchor] if anchor is not None else []), *found.kept]:
            together = agreement(known, column)
            if together.same(folders=known is anchor):
                found.same[column.name] = known
                break
            if (
                together.share >= _FOLLOWS
                and len(together.partner) <= len(known.counts)
                and not (column.graded or known.graded)
            ):
                found.follows[column.name] = known
                break
        else:
            found.kept.append(column)
    return found


def ask_for_label(table: str, candidates: Sequence[Column], *, folder: bool = False) -> OpenQuestion:
    """The question which of several columns is the label."""
    choices = "; ".join(f"`{column.name}`: {column.words()}" for column in candidates)
    options = " or ".join(f"`--label {_quoted(column.name)}`" for column in candidates)
    none = ", `--label folder` for the folders' names," if folder else ""
    return OpenQuestion(
        f"{counted(len(candidates), 'column')} of {table} could be the label",
        why=choices,
        remedy=f"Say which with {options}{none} or `--label none`; several may be given",
    )


def _quoted(name: str) -> str:
    return name if name.replace("_", "").replace("-", "").isalnum() else f'"{name}"'


def _classes(names: Iterable[str], words: Mapping[str, str]) -> tuple[ClassDefinition, ...]:
    """Classes in the order of their numbers, or of the alphabet."""
    order = sorted(names, key=lambda name: (float(name), "") if number(name) is not None else (float("inf"), name))
    return tuple(ClassDefinition(name=words.get(name, name), value=whole_number(name)) for name in order)


def _parts(value: str, sign: str, column: Column) -> list[str]:
    if is_unsure(value, column):
        return []
    return [part.strip() for part in value.split(sign) if part.strip() and not found_nothing(part)]


def _value(value: str, column: Column, sign: str | None, words: Mapping[str, str]) -> Value:
    if is_unsure(value, column):
        return Unknown()
    if column.graded:
        return NumberValue(value=float(value))
    if sign is not None:
        return ClassesValue(values=tuple(_parts(value, sign, column)))
    return ClassValue(value=words.get(value, value))
