"""What a person reads of a result."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from isocenter.cli.commands import convert, demo, doctor, ingest, show
from isocenter.cli.commands._shared import MOST_CLASSES, MOST_REASONS, show_labels, show_refusals
from isocenter.cli.commands.show import MOST_ITEMS, MOST_ROWS
from isocenter.core.cohort import Cohort, IngestReport, Refusal
from isocenter.core.labels import LabelSchema
from isocenter.core.reading import Measure
from isocenter.data.summary import Item, Summary
from isocenter.stages.convert import Conversion, Converted
from isocenter.stages.doctor import Examination, Finding
from isocenter.stages.evaluate import Evaluation
from isocenter.workflows.demo import Demonstration
from isocenter.workflows.demo.cases import Example

REFUSED = [Refusal(path="z.dcm", reason="is [cut] short.")]


@pytest.fixture
def console() -> Console:
    """A page to print on."""
    return Console(file=io.StringIO(), width=100, soft_wrap=True)


def printed(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def report(**other: Any) -> IngestReport:
    known: dict[str, Any] = {
        "cohort": "my/cohort",
        "layout": "class_folders",
        "cases": 2000,
        "images": 2001,
        "patients": 1,
        "labels": {"class": {"benign": 1500, "malignant": 500}},
        "splits": {"train": 1600, "test": 400},
        "added": 2000,
    }
    return IngestReport.model_validate({**known, **other})


def cohort(report: IngestReport) -> Cohort:
    return Cohort(folder=Path("my/cohort"), name="Mine", schema=LabelSchema(), cases=[], report=report)


def item(number: int, **other: Any) -> Item:
    known: dict[str, Any] = {
        "name": f"{number}.png",
        "format": "raster",
        "axes": "CYX",
        "shape": [1, 5, 4],
        "spacing": None,
        "intensity": "raw",
        "modality": None,
        "patient": None,
        "description": None,
        "role": "image",
        "notes": [],
    }
    return Item.model_validate({**known, **other})


def summary(**other: Any) -> Summary:
    known: dict[str, Any] = {"kind": "folder", "name": "scans", "cases": 0, "patients": 0, "images": 2}
    return Summary.model_validate({**known, **other})


def test_an_ingest_shows_counts_labels_changes_and_how_to_go_on(console: Console) -> None:
    ingest.show(cohort(report(refused=REFUSED, unchanged=3)), console)
    out = printed(console)
    for words in (
        "Cohort Mine: 2,000 cases, 1 patient, 2,001 images",
        "Layout: class_folders",
        "benign",
        "Splits: train 1,600, test 400",
        "2,000 new, 3 as before",
        "z.dcm: is [cut] short.",
        "Next: isocenter show my/cohort",
    ):
        assert words in out


def test_a_dry_run_says_that_nothing_was_written(console: Console) -> None:
    ingest.show(cohort(report(dry_run=True, layout="", added=0)), console)
    out = printed(console)
    assert "Would be catalogued" in out
    assert "none recognised" in out
    assert "Files: none" in out
    assert "Next:" not in out


def test_a_conversion_shows_each_image_and_what_was_refused(console: Console) -> None:
    written = [
        Converted(
            source=["a"], files=["a.nii"], shape=[1, 2, 3, 4], axes="CZYX", spacing=[0.5, 0.5, 2.0], notes=["[x]"]
        ),
        Converted(source=["b"], files=["b/1.dcm", "b/2.dcm"], shape=[1, 3, 4], axes="CYX", spacing=None, notes=[]),
    ]
    convert.show(Conversion(written=written, refused=REFUSED), console)
    assert printed(console).splitlines() == [
        "a.nii: CZYX 1x2x3x4, 0.5 x 0.5 x 2 mm",
        "  [x]",
        "b/1.dcm and 1 more: CYX 1x3x4, spacing unknown",
        "Not taken: 1 file",
        "  z.dcm: is [cut] short.",
    ]


def test_a_folder_is_shown_image_by_image(console: Console) -> None:
    items = [
        item(0, spacing=[0.5, 0.5, 3.0], modality="CT", patient="P1", notes=["[tilted]"]),
        item(1, role="mask"),
    ]
    show.show_summary(
        summary(items=items, patients=1, formats={"raster": 2}, notes=["Look."], files=["a.html"]), console
    )
    out = printed(console)
    for words in (
        "scans (folder): 2 images, 1 patient",
        "0.png: raster, CYX 1x5x4, 0.5 x 0.5 x 3 mm, CT, raw, P1",
        "    [tilted]",
        "1.png (mask): raster, CYX 1x5x4, spacing unknown, raw",
        "Note: Look.",
        "Drawn: a.html",
    ):
        assert words in out
    assert "more" not in out


def test_a_large_folder_is_shown_in_parts(console: Console) -> None:
    sizes = {f"{number} x 5": 1 for number in range(4, 5 + MOST_ROWS)}
    show.show_summary(
        summary(
            items=[item(number) for number in range(MOST_ITEMS + 3)],
            sizes=sizes,
            extents={"x": [4.0, 5.0, 9.0], "y": [5.0, 5.0, 5.0], "z": []},
            spacings={**sizes, "unknown": 7},
            steps={"x": [0.5, 0.7]},
            devices={f"device {number}": 1 for number in range(MOST_ROWS + 2)},
            modalities={"not said": 3},
        ),
        console,
    )
    out = printed(console)
    assert "and 3 more" in out
    assert "x  4 to 9, median 5" in out
    assert "z " not in out.split("Spacing")[0].split("Size")[1]
    assert "unknown for 7" in out
    assert "2 others" in out
    assert "Modality" not in out


def test_a_cohort_names_its_readers_only_where_there_are_several(console: Console) -> None:
    show.show_summary(summary(kind="cohort", cases=2, readers={"reference": 2}), console)
    assert "Readers" not in printed(console)
    show.show_summary(summary(kind="cohort", cases=2, readers={"anna": 2, "ben": 1}), console)
    assert "scans (cohort): 2 cases, 2 images" in printed(console)
    assert "Readers: anna 2, ben 1" in printed(console)


def test_the_demonstration_ends_with_a_page_to_open_and_how_to_go_on(console: Console) -> None:
    judged = Evaluation(
        model="d/run/model.isomodel",
        digest="0" * 64,
        cohort="d/cohort",
        split="test",
        task="classify",
        label="class",
        look=1,
        seen=False,
        cases=36,
        patients=36,
        metrics=[Measure(name="auroc", value=0.9, low=0.8, high=0.96, n=36), Measure(name="brier", value=0.1, n=36)],
        runtime="onnxruntime fp32",
        folder="d/run/evidence",
        report="d/run/evidence/report.html",
        seconds=1.0,
    )
    example = Example(
        kind="right",
        case="1.2",
        patient="P1",
        source="d/scans/P1",
        truth="nodule",
        called="nodule",
        asked="nodule",
        probability=0.996,
        threshold=0.5,
        pictures={"en": "d/cases/en/P1.png", "zh": "d/cases/zh/P1.png"},
        words={"en": [], "zh": []},
    )
    made = Demonstration(
        scans="d/scans",
        cohort="d/cohort",
        run="d/run",
        model="d/run/model.isomodel",
        pages=["d/index.html", "d/index.zh.html"],
        report=report(),
        summary=summary(),
        evaluation=judged,
        examples=[example],
        missing=["wrong"],
    )
    demo.show(made, console)
    out = printed(console)
    assert "2,000 phantom scans of 1 patient" in out
    assert "36 test cases" in out
    assert "0.900  (0.800 – 0.960)" in out
    assert "Brier" not in out
    assert "true nodule, called nodule, nodule >0.99  d/cases/en/P1.png" in out
    assert "No reading of the test cases was wrong" in out
    assert "d/index.html" in out
    assert "isocenter predict d/run/model.isomodel d/scans/P1" in out


@pytest.mark.parametrize(
    ("state", "words"), [("good", "All is well."), ("missing", "All is well."), ("bad", "attention")]
)
def test_an_examination_ends_with_a_verdict(console: Console, state: Any, words: str) -> None:
    findings = [Finding(what="disk", state=state, detail="9 GB free", remedy="Free some space")]
    doctor.show(Examination(isocenter="1", findings=findings), console)
    assert words in printed(console)
    assert "9 GB free" in printed(console)


def test_labels_of_very_many_classes_are_cut(console: Console) -> None:
    show_labels({"part": {f"c{number:02}": number for number in range(MOST_CLASSES + 4)}, "empty": {}}, {}, console)
    out = printed(console)
    assert "and 4 more classes" in out
    assert "c23" in out
    assert "c03" not in out
    assert "none" in out


def test_refusals_are_counted_by_reason_with_the_first_file_of_each(console: Console) -> None:
    show_refusals([], console)
    assert printed(console) == ""
    refused = [Refusal(path=f"{number}.png", reason="is gone.") for number in range(3)]
    show_refusals([*refused, *REFUSED], console)
    assert printed(console).splitlines() == [
        "Not taken: 4 files",
        "  0.png and 2 more: is gone.",
        "  z.dcm: is [cut] short.",
    ]


def test_many_reasons_end_with_how_to_see_all(console: Console) -> None:
    show_refusals([Refusal(path=f"{n}.png", reason=f"reason {n}.") for n in range(MOST_REASONS + 2)], console)
    assert printed(console).splitlines()[-1] == "  and 2 more reasons; `--json` lists every file"
