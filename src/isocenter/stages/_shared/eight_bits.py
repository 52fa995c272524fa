"""A finished network in 8-bit integers: made from training cases, judged on validation cases, kept where faster."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from isocenter.core.progress import Progress
from isocenter.data.catalogue.store import open_cohort
from isocenter.delivery.check import Examples, checked_runtimes, quantise
from isocenter.delivery.modelfile.package import GRAPH, INT8, Package, RuntimeChoice
from isocenter.delivery.reader import Reader
from isocenter.evidence.metrics._shared import Answers
from isocenter.evidence.statistics.bootstrap import measure
from isocenter.pathway import decide
from isocenter.pathway.tasks._shared import Floats
from isocenter.stages._shared.material import Lot, gathered, task_named

CALIBRATED, JUDGED = 64, 500
"""Cases from which the ranges of the integers are learned, and on which the outcome is judged, at most."""


def quantised(package: Package, progress: Progress) -> tuple[bytes | None, list[RuntimeChoice]]:
    """The 8-bit graph and the runtimes in their new order; None where it is slower or worse, which is told."""
    recipe = package.recipe.changed("decision", views=("plain",))
    plain = replace(package, recipe=recipe)
    lot = gathered(open_cohort(package.record.cohort), recipe, ("train", "val"), progress)
    progress.say("Trying 8-bit integers.")
    graph = quantise(package.graphs[GRAPH], lot.pixels[_spread(_rows(lot, "train"), CALIBRATED)])
    if graph is None:
        progress.say("Not used: 8-bit integers: an operation of the network does not exist in them.")
        return None, package.manifest.runtimes
    rows = _spread(_rows(lot, "val"), JUDGED)
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
    truth = task.truth(task.encode(lot.targets[rows], decision), decision)
    patients = np.array([lot.cases[row].patient for row in rows])
    name = task.metrics(recipe)[0]
    standard = replace(decision, offset=0.0, scale=1.0)

    def answers(said: Floats) -> Answers:
        scores = task.decode(said, decision)
        called = decide.called(scores, recipe, decision, task.form)
        shown = scores[:, 0] if task.form == "number" else scores
        positive = decide.positive_index(recipe) if len(recipe.classes) == 2 else 1
        return Answers(
            form=task.form, truth=truth, scores=shown, called=called, positive=positive, classes=recipe.classes
        )

    interval = measure(answers(logits), [name], groups=patients)[0]

    def holds(said: Floats) -> bool:
        value = measure(answers(said), [name], repeats=0)[0].value
        if value is None or interval.low is None or interval.high is None:
            return False
        return interval.low <= value <= interval.high

    return Examples(
        pixels=pixels,
        logits=logits,
        decode=lambda said: task.decode(said, standard),
        call=lambda scores: decide.called(scores, recipe, standard, task.form),
        holds=holds,
    )


def _rows(lot: Lot, split: str) -> NDArray[np.int64]:
    """The rows of a split; all of them where it has none."""
    rows = lot.rows(split)
    return rows if len(rows) else np.arange(len(lot.cases))


def _spread(rows: NDArray[np.int64], most: int) -> NDArray[np.int64]:
    """At most so many rows, spread evenly over those at hand."""
    taken: NDArray[np.int64] = rows[np.unique(np.linspace(0, len(rows) - 1, min(most, len(rows))).round().astype(int))]
    return taken
