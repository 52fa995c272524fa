"""How fast a finished model answers: beside torch in the same run, as a whole process; and how well in 8 bits."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from benchmarks._shared import SHARED, Bench, Measure, Result, measured, seconds
from isocenter import Cohort, ingest
from isocenter import train as train_on
from isocenter.core import registry
from isocenter.core.labels import ClassDefinition, Kind, LabelDefinition
from isocenter.core.machine import machine
from isocenter.core.optional import present
from isocenter.core.progress import Silent
from isocenter.core.recipe import InputRecipe, ModelRecipe, Recipe, StepRecipe
from isocenter.core.record import begin, now
from isocenter.data.phantoms import write_pictures
from isocenter.delivery import runtimes
from isocenter.delivery.check import Examples, checked_runtimes, quantise
from isocenter.delivery.modelfile.package import GRAPH, HEAD, INT8, Manifest, Package, Reference
from isocenter.delivery.modelfile.read import read_model
from isocenter.delivery.modelfile.write import write_model
from isocenter.delivery.reader import Reader
from isocenter.delivery.runtimes._shared import Runtime
from isocenter.evidence.metrics._shared import Answers
from isocenter.evidence.statistics.bootstrap import measure
from isocenter.learning.build import build_model, input_form
from isocenter.learning.export import export_onnx
from isocenter.learning.models._shared import Network
from isocenter.pathway.tasks._shared import Decision
from isocenter.pathway.tasks.classify import TASK
from isocenter.stages._shared.material import gathered

CLASSES = ("benign", "malignant", "normal")
CHANNELS = ("red", "green", "blue")
TORCH = "torch eager, fp32"
CALIBRATED = 64
"""Training cases from which the ranges of the integers are learned."""


@dataclass(frozen=True, kw_only=True)
class Amount:
    """How much is done.

    Attributes:
        side: rows and columns of the images of the timed model.
        width: of its ResNet-18.
        calls: timed calls of each runtime, a few at a time in turns.
        files: pictures read by one process.
        processes: of one picture each.
        steps: that the small model learns for, which is judged in 8 bits.
        phantoms: pictures that are made where there are no real ones.
    """

    side: int = 224
    width: int = 64
    calls: int = 60
    files: int = 100
    processes: int = 5
    steps: int = 200
    phantoms: int = 240


FULL, QUICK = Amount(), Amount(side=64, width=16, calls=12, files=10, processes=2, steps=30)

IN_A_TURN = 6
"""Calls of one runtime before the next has its turn; the first is not timed, for the threads of the last still spin."""


def run(quick: bool) -> Result:
    """Single answers first, then processes, then the quality in 8 bits."""
    return answered(QUICK if quick else FULL)


def answered(amount: Amount) -> Result:
    """All of it, in a folder that goes away."""
    torch.manual_seed(0)
    torch.set_num_threads(machine().cores)
    with tempfile.TemporaryDirectory(prefix="isocenter-bench-") as place:
        home = Path(place)
        source = SHARED / "busi"
        if not source.is_dir():
            source = write_pictures(home / "source", cases=amount.phantoms, classes=CLASSES, size=128)
        cohort = ingest(source, into=home / "cohort")
        files = _pngs(cohort, home / "pngs", amount.files)
        network, package = _package(files, amount)
        measures = _latencies(network, package, files, amount)
        measures += _processes(write_model(home / "model.isomodel", package), home / "model.isomodel", files, amount)
        measures += _eight_bits(cohort, home / "run", amount)
    settings: dict[str, str | int | float] = {
        "torch": torch.__version__,
        "threads": machine().cores,
        "images": "busi" if source.name == "busi" else "phantoms",
        "network": f"ResNet-18, width {amount.width}, {amount.side} x {amount.side}, drawn weights",
        "in 8 bits": f"ResNet-18, width 16, 64 pixels, {amount.steps} steps",
    }
    return Result(measures=tuple(measures), settings=settings)


def _pngs(cohort: Cohort, folder: Path, count: int) -> list[Path]:
    """Pictures of the cohort as PNG files, evenly taken."""
    folder.mkdir()
    cases = [case for case in cohort.cases if case.images]
    chosen = np.unique(np.linspace(0, len(cases) - 1, min(count, len(cases))).round().astype(int))
    files = []
    for number in chosen:
        files.append(folder / f"{number:04d}.png")
        with Image.open(cases[number].first.files[0]) as image:
            image.convert("RGB").save(files[-1])
    return files


def _package(files: list[Path], amount: Amount) -> tuple[Network, Package]:
    """A ResNet-18 as it was drawn, packaged and checked as a trained one is; speed does not depend on the weights."""
    shape = (amount.side, amount.side)
    recipe = Recipe(
        task="classify",
        label="class",
        classes=CLASSES,
        preparation=(
            StepRecipe(step="orient", settings={"dimensions": 2}),
            StepRecipe(step="colour"),
            StepRecipe(step="resize", settings={"shape": list(shape)}),
        ),
        input=InputRecipe(channels=CHANNELS, shape=shape, stored="uint8", mean=(84.0,) * 3, deviation=(54.0,) * 3),
        model=ModelRecipe(name="resnet", settings={"depth": 18, "width": amount.width, "stem": "large"}),
    )
    network: Network = build_model(recipe.model, input_form(recipe), len(CLASSES)).eval()
    pixels = _pixels(files, amount.side)
    _settle(network, pixels)
    graph, head = export_onnx(network, input_form(recipe), recipe.input.stored)
    smaller = quantise(graph, pixels)
    graphs = {GRAPH: graph, HEAD: head} | ({INT8: smaller} if smaller else {})
    with torch.inference_mode():
        logits = network(torch.from_numpy(pixels).float())[0].numpy()
    decision = Decision(thresholds={})
    examples = Examples(
        pixels=pixels,
        logits=logits,
        decode=lambda given: TASK.decode(given, decision),
        call=lambda scores: scores.argmax(axis=1),
        holds=lambda given: bool(np.isfinite(given).all()),  # drawn weights have no quality; see the trained model
    )
    made = Package(
        manifest=Manifest(name="bench", made=now(), program="bench", runtimes=checked_runtimes(graphs, examples)),
        recipe=recipe,
        label=LabelDefinition(
            name="class", kind=Kind.CLASS, classes=tuple(ClassDefinition(name=name) for name in CLASSES)
        ),
        decision=decision,
        reference=Reference(),
        record=begin(),
        graphs=graphs,
    )
    return network, made


def _pixels(files: list[Path], side: int) -> NDArray[np.uint8]:
    """Up to 16 of the pictures as the model is given them."""
    images = [Image.open(path).resize((side, side)) for path in files[:16]]
    return np.stack([np.asarray(image).transpose(2, 0, 1) for image in images])


def _settle(network: Network, pixels: NDArray[np.uint8]) -> None:
    """Let the normalisations see pictures, so that numbers inside are of the size that they have after training."""
    network.train()
    with torch.no_grad():
        for _ in range(20):
            network(torch.from_numpy(pixels).float())
    network.eval()


def _latencies(network: Network, package: Package, files: list[Path], amount: Amount) -> list[Measure]:
    """One image at a time: torch, and every runtime that was checked, in turns."""
    pixels = _pixels(files, amount.side)
    tensors = torch.from_numpy(pixels)

    def eager(row: int) -> None:
        with torch.inference_mode():
            network(tensors[row : row + 1].float())

    works: dict[str, Callable[[int], object]] = {TORCH: eager}
    for name, precision in _offers(package):
        works[f"{name}, {precision}"] = _asking(package, name, precision, pixels)
    spent = _in_turns(works, len(pixels), amount.calls)
    middle = {name: median(values) for name, values in spent.items()}
    reader = Reader(package)
    picked = f"{reader.runtime}, {reader.precision}"
    quickest = min((name for name in middle if name != TORCH), key=middle.__getitem__)
    parts = [_latency(name, values, "(chosen)" if name == picked else "") for name, values in spent.items()]
    parts.append(_times_as_fast("the chosen runtime", middle, picked, least=2.5))
    parts.append(_times_as_fast("the quickest", middle, quickest))
    integers = [name for name in middle if name.endswith("int8")]
    if integers:
        parts.append(_times_as_fast("8 bits", middle, min(integers, key=middle.__getitem__), least=5))
    return parts


def _times_as_fast(told: str, middle: dict[str, float], name: str, *, least: float | None = None) -> Measure:
    ratio = middle[TORCH] / middle[name]
    return Measure(name=f"one image: torch eager / {told}", value=ratio, unit="x", least=least, note=f"({name})")


def _offers(package: Package) -> list[tuple[str, str]]:
    """Every runtime that is installed, in every arithmetic that it has here, whatever the check made of it."""
    engines: dict[str, Runtime] = {name: registry.get(runtimes, name) for name in registry.names(runtimes)}
    return [
        (name, precision)
        for name, engine in engines.items()
        if present(engine.package)
        for precision in engine.precisions()
        if precision != "int8" or INT8 in package.graphs
    ]


def _asking(package: Package, runtime: str, precision: str, pixels: NDArray[np.uint8]) -> Callable[[int], object]:
    reader = Reader(package, runtime=runtime, precision=precision)
    return lambda row: reader.logits(pixels[row : row + 1])


def _in_turns(works: dict[str, Callable[[int], object]], rows: int, calls: int) -> dict[str, list[float]]:
    """Milliseconds of each call, some calls of each in turn."""
    spent: dict[str, list[float]] = {name: [] for name in works}
    for turn in range(-(-calls // (IN_A_TURN - 1)) + 1):
        for name, work in works.items():
            times = [1000 * seconds(lambda row=call % rows, work=work: work(row)) for call in range(IN_A_TURN)]
            if turn:  # in the first turn everything is made ready
                spent[name] += times[1:]
    return spent


def _latency(name: str, milliseconds: list[float], note: str) -> Measure:
    late = float(np.percentile(milliseconds, 95))
    told = f"p95 {late:.1f} ms {note}".strip()
    return Measure(name=f"one image, {name}", value=median(milliseconds), unit="ms", all=tuple(milliseconds), note=told)


def _processes(package: Package, model: Path, files: list[Path], amount: Amount) -> list[Measure]:
    """`isocenter predict` from its start to its end, for one picture and for many."""
    _predict(model, files[:1])  # compiles the modules, as an installation has done
    single = [_predict(model, [files[turn % len(files)]]) for turn in range(amount.processes)]
    many = [_predict(model, files) for _ in range(max(amount.processes // 2, 1))]
    each = [1000 * one / len(files) for one, _ in many]
    further = 1000 * (median(one for one, _ in many) - median(one for one, _ in single)) / max(len(files) - 1, 1)
    reader = Reader(package)
    told = f"{reader.runtime}, {reader.precision}; {median(one for _, one in single):.2f} s of processors"
    shared = f"{1000 * median(one for _, one in many) / len(files):.1f} ms of processors"
    return [
        replace(
            measured("isocenter predict, one picture", [one for one, _ in single], "s"), most=1.5, note=f"({told})"
        ),
        replace(measured(f"isocenter predict, each of {len(files)} pictures", each, "ms"), note=f"({shared})"),
        Measure(name="isocenter predict, each further picture", value=further, unit="ms"),
    ]


def _predict(model: Path, files: list[Path]) -> tuple[float, float]:
    """Seconds by the clock and of processors that a whole process takes."""
    command = [sys.executable, "-m", "isocenter", "predict", str(model), *map(str, files)]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment["PYTHONPYCACHEPREFIX"] = str(model.parent / "compiled")
    before = os.times()
    clock = seconds(lambda: subprocess.run(command, check=True, capture_output=True, env=environment))
    after = os.times()
    return clock, after.children_user + after.children_system - before.children_user - before.children_system


def _eight_bits(cohort: Cohort, folder: Path, amount: Amount) -> list[Measure]:
    """A small model, briefly trained: what it says in 8-bit integers, against the interval of what it says without."""
    chosen = ("model.settings.width=16", "model.settings.stem=medium", "augmentation.in_turn=[0]")
    chosen += (f"training.steps={amount.steps}", "training.batch=32", "training.looks=1")
    train_on(cohort.folder, into=folder, size=64, members=1, set=chosen, checkpoints="1h")
    finished = read_model(folder / "model.isomodel")
    recipe = finished.recipe.changed("decision", views=("plain",))
    lot = gathered(cohort, recipe, ("train", "val"), Silent())
    learned, judged = lot.rows("train"), lot.rows("val")
    smaller = quantise(finished.graphs[GRAPH], lot.pixels[learned[:: max(len(learned) // CALIBRATED, 1)]])
    if smaller is None:
        return [Measure(name="AUROC in int8", value=None, unit="", note="cannot be quantised")]
    package = replace(finished, recipe=recipe, graphs={**finished.graphs, INT8: smaller})
    truth = lot.targets[judged].argmax(axis=1)
    pixels = np.ascontiguousarray(lot.pixels[judged])

    def answers(precision: str) -> Answers:
        scores = TASK.decode(Reader(package, precision=precision).logits(pixels), package.decision)
        return Answers(form="classes", truth=truth, scores=scores, called=scores.argmax(axis=1), classes=recipe.classes)

    names = ("auroc", "accuracy")
    patients = np.array([lot.cases[row].patient for row in judged])
    exact, coarse = answers("fp32"), answers("int8")
    found = []
    for one, other in zip(measure(exact, names, groups=patients), measure(coarse, names, repeats=0), strict=True):
        low, high = float(one.low or 0.0), float(one.high or 1.0)
        told = f"(95% interval {low:.4f} to {high:.4f})"
        found += [
            Measure(name=f"{one.name}, fp32", value=one.value, unit="", note=told),
            Measure(name=f"{one.name}, int8", value=other.value, unit="", least=round(low, 4), most=round(high, 4)),
        ]
    alike = float((exact.called == coarse.called).mean())
    told = f"of {len(truth)} validation cases"
    return [*found, Measure(name="called alike in fp32 and int8", value=alike, unit="", note=told)]


BENCH = Bench(title="answers of a finished model, beside torch", run=run)
