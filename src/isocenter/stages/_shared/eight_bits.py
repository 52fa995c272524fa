"""A finished network in 8-bit integers: made from training cases, judged on validation cases, kept where worth it.

Where every case was learned from, as in folds, there are no others to judge on but the test cases, which nobody may
look at for this. Then 8 bits are judged on learned ones, and that is told.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from isocenter.core import registry
from isocenter.core.progress import Progress
from isocenter.core.reading import Measure
from isocenter.data.catalogue.splits import blocks_of
from isocenter.data.catalogue.store import open_cohort
from isocenter.delivery.check import Examples, checked_runtimes, quantise
from isocenter.delivery.modelfile.package import GRAPH, INT8, Package, RuntimeChoice
from isocenter.delivery.reader import Reader
from isocenter.evidence import metrics
from isocenter.evidence.metrics._shared import Metric
from isocenter.evidence.statistics.bootstrap import REPEATS, measure
from isocenter.pathway import decide
from isocenter.pathway.tasks._shared import Floats
from isocenter.stages._shared.deciding import Judged, answers
from isocenter.stages._shared.material import Lot, evenly, gathered, task_named

CALIBRATED, JUDGED = 64, 500
"""Cases from which the ranges of the integers are learned, and on which the outcome is judged, at most."""

LEARNED = "8-bit integers are judged on cases that the model has learned from: there are no others but the test cases."


def quantised(package: Package, home: Path, progress: Progress) -> tuple[bytes | None, list[RuntimeChoice]]:
    """The 8-bit graph and the runtimes in their new order; None where it is not worth it, which is told."""
    recipe = package.recipe.changed("decision", views=("plain",))
    plain = replace(package, recipe=recipe)
    lot = gathered(open_cohort(home), recipe, ("train", "val"), progress)
    if recipe.input.features:
        progress.say("Not used: 8-bit integers: features have scales that 8 bits do not hold.")
        return None, package.manifest.runtimes
    progress.say("Trying 8-bit integers.")
    learned = _rows(lot, "train")
    graph = quantise(package.graphs[GRAPH], lot.pixels[learned[evenly(len(learned), CALIBRATED)]])
    if graph is None:
        progress.say("Not used: 8-bit integers: an operation of the network does not exist in them.")
        return None, package.manifest.runtimes
    if recipe.validation.design == "folds" or not len(lot.rows("val")):
        progress.say(LEARNED)
    judged = _rows(lot, "val")
    rows = judged[evenly(len(judged), JUDGED)]
    pixels = np.ascontiguousarray(lot.pixels[rows])
    logits = Reader(plain, precision="fp32").logits(pixels)
    examples = _examples(plain, lot, rows, pixels, logits)
    runtimes = checked_runtimes({GRAPH: package.graphs[GRAPH], INT8: graph}, examples, progress=progress)
    kept = any(one.precision == "int8" for one in runtimes)
    return (graph, runtimes) if kept else (None, package.manifest.runtimes)


def _examples(
    package: Package, lot: Lot, rows: NDArray[np.int64], pixels: NDArray[np.generic], logits: Floats
) -> Examples:
    """The judged cases; 8 bits hold where the first metric stays inside the interval that it has without them."""
    recipe, decision = package.recipe, package.decision
    task = task_named(recipe.task)
    targets = task.encode(lot.targets[rows], decision)
    patients = blocks_of([lot.cases[row] for row in rows])
    name = task.metrics(recipe)[0]
    standard = replace(decision, offset=0.0, scale=1.0)

    def measured(said: Floats, repeats: int) -> Measure:
        judged = Judged(logits=said, targets=targets, patients=patients)
        return measure(answers(task, recipe, judged, decision), [name], groups=patients, repeats=repeats)[0]

    before = measured(logits, REPEATS)

    def holds(said: Floats) -> bool:
        return as_good(before, measured(said, 0).value)

    return Examples(
        pixels=pixels,
        logits=logits,
        decode=lambda said: task.decode(said, standard),
        call=lambda scores: decide.called(scores, recipe, standard, task.form),
        holds=holds,
    )


def as_good(before: Measure, value: float | None) -> bool:
    """Whether a metric stays inside the interval that it had, or where it had none is no worse."""
    if value is None or before.value is None:
        return False
    if before.low is not None and before.high is not None:
        return before.low <= value <= before.high
    metric: Metric = registry.get(metrics, before.name)
    return value >= before.value if metric.better == "higher" else value <= before.value


def _rows(lot: Lot, split: str) -> NDArray[np.int64]:
    """The rows of a split; all of them where it has none."""
    rows = lot.rows(split)
    return rows if len(rows) else np.arange(len(lot.cases))
