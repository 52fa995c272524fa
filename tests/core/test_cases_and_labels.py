"""Absent, unknown and negative are three things; what is said keeps its reader."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import TypeAdapter, ValidationError

from isocenter.core.case import Case
from isocenter.core.cohort import Cohort, count_labels
from isocenter.core.labels import (
    Box,
    BoxesValue,
    ClassDefinition,
    ClassesValue,
    ClassValue,
    Kind,
    Label,
    LabelDefinition,
    LabelSchema,
    MaskValue,
    NumberValue,
    Point,
    PointsValue,
    TextValue,
    Unknown,
    Value,
)

GRADE = LabelDefinition(
    name="grade",
    kind=Kind.CLASS,
    classes=(ClassDefinition(name="low", value=0), ClassDefinition(name="high", value=255)),
)
FINDINGS = LabelDefinition(name="findings", kind=Kind.CLASSES)
SCHEMA = LabelSchema(labels=(GRADE, FINDINGS))

VALUES = [
    ClassValue(value="high"),
    ClassesValue(values=("nodule",), unknown=("effusion",)),
    MaskValue(format="raster", files=("/m.png",), mapping={255: "vessel"}),
    BoxesValue(boxes=(Box(label="cell", x=1, y=2, width=3, height=4),)),
    PointsValue(points=(Point(label="tip", x=1, y=2),)),
    NumberValue(value=1.5),
    TextValue(value="seen"),
    Unknown(),
]


def case(key: str, *labels: Label, split: str | None = None) -> Case:
    return Case(key=key, patient=key, labels=labels, split=split)


def test_a_case_answers_for_the_reader_who_is_asked() -> None:
    one = case(
        "a",
        Label(name="grade", value=ClassValue(value="low"), reader="anna"),
        Label(name="grade", value=Unknown(), reader="ben"),
    )
    assert one.label("grade") == ClassValue(value="low")
    assert one.label("grade", reader="ben") == Unknown()
    assert one.label("grade", reader="carla") is None
    assert one.label("findings") is None


def test_a_schema_finds_labels_by_name() -> None:
    assert SCHEMA.names == ("grade", "findings")
    assert "grade" in SCHEMA
    assert "teapot" not in SCHEMA
    assert SCHEMA["findings"] is FINDINGS
    with pytest.raises(KeyError, match="teapot"):
        SCHEMA["teapot"]
    assert GRADE.named(255) == "high"
    assert GRADE.named(128) is None


@pytest.mark.parametrize("value", VALUES, ids=lambda value: value.kind)
def test_a_value_comes_back_from_json_as_it_was(value: Value) -> None:
    adapter: TypeAdapter[Value] = TypeAdapter(Value)
    assert adapter.validate_json(adapter.dump_json(value)) == value


def test_every_kind_of_label_has_a_value() -> None:
    assert {value.kind for value in VALUES} == {str(kind) for kind in Kind} | {"unknown"}


def test_a_value_of_no_kind_and_a_surplus_word_are_refused() -> None:
    with pytest.raises(ValidationError, match="kind"):
        TypeAdapter(Value).validate_python({"kind": "teapot", "value": "x"})
    with pytest.raises(ValidationError, match="Extra inputs"):
        TypeAdapter(Value).validate_python({"kind": "class", "value": "x", "shade": "y"})


def test_counting_keeps_the_order_of_the_schema_and_counts_a_case_once() -> None:
    cases = [
        case("a", Label(name="grade", value=ClassValue(value="high"))),
        case(
            "b",
            Label(name="grade", value=ClassValue(value="low"), reader="anna"),
            Label(name="grade", value=ClassValue(value="high"), reader="ben"),
        ),
        case("c", Label(name="grade", value=ClassValue(value="strange"))),
        case("d", Label(name="grade", value=Unknown())),
        case("e", Label(name="findings", value=ClassesValue(values=("nodule", "effusion")))),
        case("f", Label(name="findings", value=NumberValue(value=3))),
        case("g"),
    ]
    counts = count_labels(cases, SCHEMA)
    assert counts == {
        "grade": {"low": 1, "high": 1, "strange": 1, "unknown": 1},
        "findings": {"effusion": 1, "given": 1, "nodule": 1},
    }
    assert list(counts["grade"]) == ["low", "high", "strange", "unknown"]


def test_a_cohort_counts_its_splits_in_the_usual_order() -> None:
    splits = ("test", "train", "holdout", "train", None, "val")
    cases = [case(str(number), split=split) for number, split in enumerate(splits)]
    cohort = Cohort(folder=Path("c"), name="c", schema=SCHEMA, cases=cases)
    assert len(cohort) == 6
    assert list(cohort.splits.items()) == [("train", 2), ("val", 1), ("test", 1), ("holdout", 1)]
    assert [one.key for one in cohort.split("train")] == ["1", "3"]
