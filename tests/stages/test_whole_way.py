"""Every task in both dimensions goes from files to readings: ingested, learned well, judged, read and explained."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import isocenter as iso
from isocenter.core.geometry import Geometry
from isocenter.core.image import Image as Scan
from isocenter.core.reading import ClassFinding, NumberFinding
from isocenter.data.files import writer_for

CASES, SIDE = 60, 12
QUICK = (
    *("training.steps=60", "training.batch=16", "training.looks=1", "training.learning_rate=0.01"),
    *("model.settings.kernels=[8, 16]", "augmentation.in_turn=[0]", "augmentation.mixup=0"),
)


@dataclass(frozen=True)
class Way:
    """A question, how its answer is written in a table, and how well it must be answered at the least.

    Attributes:
        task: its name; asked for only where the label alone does not tell it.
        answers: the cell of a case whose square has this brightness (0, 1, 2) and stands above (1) or below (0).
        metric, least: on the test split.
    """

    task: str
    answers: Any
    metric: str
    least: float
    asked: bool = False


BITS = cycle(np.linspace(-0.5, 0.5, 41))
"""So that no two numbers are the same: a few that come again and again would be grades."""

WAYS = {
    "two classes": Way("classify", lambda bright, above: ("low", "high")[above], "auroc", 0.9),
    "three classes": Way("classify", lambda bright, above: "abc"[bright], "auroc", 0.9),
    "grades": Way("ordinal", lambda bright, above: "abc"[bright], "auroc", 0.9, asked=True),
    "findings": Way(
        "multilabel",
        lambda bright, above: "|".join(["bright"] * (bright > 0) + ["above"] * above) or "no finding",
        "auroc",
        0.85,
    ),
    "a number": Way("regress", lambda bright, above: f"{10 * bright + 3.5 * above + next(BITS):.3f}", "r2", 0.5),
}


def written(folder: Path, way: Way, dimensions: int) -> Path:
    """Images with a square in them, and a table of answers."""
    folder.mkdir()
    rows = []
    for number in range(CASES):
        rng = np.random.default_rng([7, number])
        bright, above = number % 3, number // 3 % 2
        array = rng.integers(90, 110, (SIDE,) * dimensions).astype(np.uint8)
        top = 1 if above else SIDE - 5
        array[..., top : top + 4, 3 + number % 4 : 8 + number % 4] = (30, 160, 230)[bright]
        name = f"{number:03d}.png" if dimensions == 2 else f"{number:03d}.nii.gz"
        if dimensions == 2:
            Image.fromarray(array).save(folder / name)
        else:
            geometry = Geometry.from_parts(origin=(0, 0, 0), spacing=(1, 1, 1), direction=np.eye(3))
            form = writer_for(folder / name)
            assert form.write is not None
            form.write(Scan(array=array[None], axes="CZYX", geometry=geometry, modality="MR"), folder / name)
        rows.append((name, f"P{number:03d}", way.answers(bright, above)))
    with (folder / "labels.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("file", "patient", "answer"), *rows])
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("dimensions", [2, 3])
@pytest.mark.parametrize("name", WAYS)
def test_every_task_goes_from_files_to_readings(name: str, dimensions: int, tmp_path: Path) -> None:
    way = WAYS[name]
    source = written(tmp_path / "source", way, dimensions)
    iso.ingest(source, into=tmp_path / "cohort", label="answer")
    run = iso.train(
        tmp_path / "cohort",
        into=tmp_path / "run",
        task=way.task if way.asked else None,
        model="cnn",
        members=2,
        threads=1,
        set=QUICK,
    )
    assert run.report is not None
    assert run.report.task == way.task
    assert any(one.name == way.metric for one in run.report.metrics)
    judged = iso.evaluate(tmp_path / "run", language="en")
    value = next(one.value for one in judged.metrics if one.name == way.metric)
    assert value is not None
    assert value >= way.least
    image = sorted(source.glob("*.png") if dimensions == 2 else source.glob("*.nii.gz"))[0]
    readings = run.model.predict(image, into=tmp_path / "readings")
    (reading,) = readings.readings
    assert not reading.abstained
    kind = NumberFinding if way.task == "regress" else ClassFinding
    assert reading.findings
    assert all(isinstance(one, kind) for one in reading.findings)
    assert json.loads((tmp_path / "readings" / "readings.json").read_text())["readings"][0]["task"] == way.task
    explained = run.model.explain(image, into=tmp_path / "why", language="en")
    assert Path(explained.files["picture"]).is_file()
