"""What a person reads of an evaluation, and how the command takes its two unnamed words."""

from __future__ import annotations

import io

import click
import pytest
from rich.console import Console

from isocenter.cli._command import given_values, parameters
from isocenter.cli.commands.evaluate import COMMAND, show
from isocenter.core.reading import Measure
from isocenter.stages.evaluate import Confusion, EvaluateSettings, Evaluation


def evaluation(**other: object) -> Evaluation:
    measures = [Measure(name=name, value=0.9, low=0.8, high=0.95, n=12) for name in ("auroc", "sensitivity")]
    known = {
        "model": "run/model.isomodel",
        "digest": "ab",
        "cohort": "lungs",
        "split": "test",
        "task": "classify",
        "label": "class",
        "look": 3,
        "seen": False,
        "cases": 12,
        "patients": 1,
        "metrics": measures,
        "per_class": {"[b]": measures, "a": measures},
        "confusion": Confusion(classes=["a", "[b]"], counts=[[5, 1], [2, 4]]),
        "thresholds": {"[b]": 0.25},
        "validation": measures[:1],
        "warnings": ["Beware [of] it."],
        "left_out": {"has no label class": 2},
        "runtime": "onnxruntime fp32",
        "folder": "run/evidence",
        "report": "run/evidence/report.html",
        "seconds": 1.0,
    }
    return Evaluation.model_validate({**known, **other})


def printed(result: Evaluation) -> str:
    stream = io.StringIO()
    show(result, Console(file=stream, width=100))
    return stream.getvalue()


def test_the_look_the_intervals_and_the_matrix_are_shown() -> None:
    out = printed(evaluation())
    for words in (
        "12 cases of 1 patient; look 3 at this test split",
        "Warning: Beware [of] it.",
        "0.900  0.800 – 0.950",
        "Validation",
        "[b] is called from 0.250 on: sensitivity 0.900 (0.800 – 0.950)",
        "Left out: 2 cases: has no label class",
        "Report  run/evidence/report.html",
    ):
        assert words in out
    assert "against the rest" not in out  # two classes need no such table


def test_many_classes_get_a_table_of_their_own_and_no_matrix() -> None:
    names = [f"organ {number}" for number in range(9)]
    measures = evaluation().metrics
    out = printed(
        evaluation(
            confusion=Confusion(classes=names, counts=[[1] * 9] * 9),
            per_class=dict.fromkeys(names, measures),
            thresholds={},
            validation=[],
        )
    )
    assert "Class against the rest" in out
    assert "True \\ called" not in out
    assert "Validation" not in out


@pytest.mark.parametrize(
    ("typed", "given"),
    [
        (["run"], {"model": "run"}),
        (["run", "lungs", "--split", "val"], {"model": "run", "cohort": "lungs", "split": "val"}),
    ],
)
def test_the_cohort_follows_the_model_without_a_name(typed: list[str], given: dict[str, str]) -> None:
    found: dict[str, object] = {}
    command = click.Command("e", params=parameters(EvaluateSettings), callback=lambda **values: found.update(values))
    command.main(args=typed, standalone_mode=False)
    del found["json_wanted"], found["debug"]
    assert given_values(EvaluateSettings, found) == given


def test_the_document_has_what_is_promised() -> None:
    document = COMMAND.document(evaluation())
    promised = {"model", "cohort", "split", "task", "look", "metrics", "per_class", "confusion", "left_out"}
    assert set(document) >= promised
    assert document["metrics"][0] == {"name": "auroc", "value": 0.9, "low": 0.8, "high": 0.95, "n": 12}
