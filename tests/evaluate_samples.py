"""A cohort of grey squares, and models that look at nothing but their brightness."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from onnx import TensorProto, helper
from PIL import Image as Picture

import isocenter as iso
from isocenter.core.progress import Silent
from isocenter.core.reading import Measure
from isocenter.core.recipe import Recipe
from isocenter.core.run import RECORD_FILE
from isocenter.data.catalogue.store import open_cohort
from isocenter.delivery.modelfile.package import GRAPH, Reference
from isocenter.delivery.modelfile.write import write_model
from isocenter.pathway.tasks._shared import Decision
from isocenter.stages._shared.marks import marks, written
from model_samples import graph_bytes, tiny_package

SIDE = 8
CLASSES = ("clear", "dim", "bright")


def squares(
    root: Path, *, classes: tuple[str, ...] = ("clear", "bright"), test: int = 16, column: str = "class", **options: Any
) -> Path:
    """Pictures whose class shows in their brightness, with two cases of each patient; one of the test is unlabelled."""
    rng = np.random.default_rng(0)
    rows = []
    (root / "pictures").mkdir(parents=True)
    for number in range(test + 24):
        split = "test" if number < test else "val" if number < test + 8 else "train"
        place = number // 2 % len(classes)
        level = 60 + 130 * place / max(len(classes) - 1, 1) + rng.normal(0, 45)
        pixels = np.clip(rng.normal(level, 8, (SIDE, SIDE)), 0, 255).astype(np.uint8)
        Picture.fromarray(pixels).save(root / "pictures" / f"p{number:02}.png")
        said = "" if number == 0 else f"{level:.1f}" if column == "level" else classes[place]
        rows.append([f"pictures/p{number:02}.png", f"patient{number // 2}", said, split])
    with (root / "list.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["file", "patient", column, "split"])
        writer.writerows(rows)
    cohort = root.with_name(f"{root.name}-cohort")
    iso.ingest(root, into=cohort, name="squares", label=column, **options)
    return cohort


def brightness_model(
    path: Path,
    *,
    cohort: Path | str = "",
    outputs: tuple[tuple[float, float], ...] = ((-6.0, 3.0), (6.0, -3.0)),
    changes: dict[str, Any] | None = None,
    thresholds: dict[str, float] | None = None,
    started: str | None = None,
    **given: Any,
) -> Path:
    """A model whose logits are a slope and a constant of the mean brightness (0 to 1), with a record beside it."""
    package = tiny_package(**{"classes": ("clear", "bright"), "shape": (SIDE, SIDE), **given})
    record = package.record.model_copy(update={"cohort": str(cohort), **({"started": started} if started else {})})
    recipe: Recipe = package.recipe.model_copy(update={"reasons": {"model.name": "It is enough."}, **(changes or {})})
    validation = [Measure(name="auroc", value=0.9, n=8), Measure(name="sensitivity", value=0.95, n=8)]
    finished = replace(
        package,
        recipe=recipe,
        label=package.label.model_copy(update={"name": recipe.label}),
        record=record,
        graphs={GRAPH: _graph(outputs)},
        decision=Decision(thresholds=thresholds or {}, scale=255.0 if recipe.task == "regress" else 1.0),
        reference=Reference(validation=validation, prevalence={"clear": 0.5, "bright": 0.5}),
        learned=_learned(cohort),
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    write_model(path, finished)
    (path.parent / RECORD_FILE).write_text(record.model_dump_json(), encoding="utf-8")
    return path


def _learned(place: Path | str) -> bytes:
    """The marks of the training and validation cases of a cohort that is there."""
    if not place or not Path(place).is_dir():
        return b""
    cohort = open_cohort(place)
    cases = [case for case in cohort.cases if case.split in ("train", "val")]
    return written(marks(cohort, cases, Silent()))


def _graph(outputs: tuple[tuple[float, float], ...]) -> bytes:
    nodes = [
        helper.make_node("Cast", ["pixels"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("Div", ["float", "scale"], ["scaled"]),
        helper.make_node("GlobalAveragePool", ["scaled"], ["mean"]),
        helper.make_node("Flatten", ["mean"], ["embedding"]),
        helper.make_node("Gemm", ["embedding", "weight", "bias"], ["logits"], transB=1),
    ]
    constants = {
        "scale": np.float32(255),
        "weight": np.array([[slope] for slope, _ in outputs], np.float32),
        "bias": np.array([constant for _, constant in outputs], np.float32),
    }
    pixels = ("pixels", TensorProto.UINT8, ["batch", 1, SIDE, SIDE])
    logits = ("logits", TensorProto.FLOAT, ["batch", len(outputs)])
    embedding = ("embedding", TensorProto.FLOAT, ["batch", 1])
    return graph_bytes(nodes, [pixels], [logits, embedding], constants)
