"""What is said of a case and of a number comes back from its text as it was."""

from __future__ import annotations

import pytest

from isocenter.core.reading import ClassFinding, Measure, NumberFinding, Reading

SAID = [
    Measure(name="auroc", value=0.9, low=0.8, high=0.95, n=40, level=0.95, method="percentile bootstrap"),
    Measure(name="precision", value=None, n=4, rule="Not defined where nothing is called."),
    Reading(
        case="a",
        source="a.png",
        task="classify",
        model="0",
        findings=(ClassFinding(label="nodule", probability=0.2), NumberFinding(label="age", value=61.0, unit="years")),
        warnings=("One channel is missing.",),
    ),
    Reading(case="b", source="b.png", task="classify", model="0", abstained=True, reason="no number"),
]


@pytest.mark.parametrize("said", SAID, ids=lambda said: getattr(said, "name", None) or said.case)
def test_it_comes_back_from_its_text(said: Measure | Reading) -> None:
    assert type(said).model_validate_json(said.model_dump_json()) == said


def test_what_does_not_apply_is_absent() -> None:
    assert SAID[1].model_dump() == {"name": "precision", "n": 4, "rule": "Not defined where nothing is called."}
