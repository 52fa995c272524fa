"""How fast a network learns here, beside the loop that every tutorial teaches, taking turns in the same run."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from benchmarks._shared import SHARED, Bench, Measure, Result, measured
from benchmarks.peers.plain_loop import Pictures, PlainLoop, ResNet18, plain, varied
from isocenter.core.fingerprint import ChannelFacts, Fingerprint, Spread
from isocenter.core.machine import machine
from isocenter.core.progress import Silent
from isocenter.core.recipe import AugmentationRecipe, Recipe
from isocenter.learning.build import build_model, input_form
from isocenter.learning.planning.rules import plan
from isocenter.learning.planning.wishes import Wishes
from isocenter.learning.training import augment
from isocenter.learning.training.batches import Material, Order
from isocenter.learning.training.log import Log
from isocenter.learning.training.loop import Judge, Lesson, step_once, train
from isocenter.learning.training.members import Part, School
from isocenter.pathway.tasks._shared import LossSettings
from isocenter.pathway.tasks.classify import TASK

VARIED = AugmentationRecipe(rotation=15, shift=0.08, scaling=0.15, mirrored=("x",), brightness=0.2, contrast=0.25)
"""The variations of the plain loop, told in our words."""

BATCH = 128
JUDGED = 524
CLASSES = ("normal", "pneumonia")


@dataclass(frozen=True, kw_only=True)
class Amount:
    """How much is done.

    Attributes:
        cases: training cases.
        width: of the ResNet-18.
        steps: in one turn.
        turns: of each of the two.
        epochs: that the plain loop trains for.
        our_epochs: that ours has from beginning to end of its schedule.
    """

    cases: int = 4708
    width: int = 64
    steps: int = 6
    turns: int = 7
    epochs: int = 20
    our_epochs: int = 6


FULL, QUICK = Amount(), Amount(cases=800, width=16, steps=4, turns=3, epochs=20, our_epochs=8)


@dataclass(frozen=True)
class Data:
    """Grey pictures of 28 x 28 pixels (cases, rows, columns) and whether each is of the second class."""

    name: str
    images: NDArray[np.uint8]
    classes: NDArray[np.int64]
    judged: int

    @property
    def learned(self) -> int:
        """How many come first and are learned from; those after them are judged."""
        return len(self.images) - self.judged


@dataclass
class Course:
    """How good one of the two was after so many seconds of its own."""

    seconds: float = 0.0
    points: list[tuple[float, float]] = field(default_factory=list)

    def at(self, accuracy: float) -> float | None:
        """The seconds after which it was first so good; None where it never was."""
        return next((seconds for seconds, found in self.points if found >= accuracy), None)

    @property
    def best(self) -> float:
        """How good it was at its best."""
        return max(found for _, found in self.points)


def run(quick: bool) -> Result:
    """Steps, then the data path alone, then the time to an accuracy."""
    return compared(QUICK if quick else FULL)


def compared(amount: Amount) -> Result:
    """Both loops on the same pictures."""
    threads = machine().cores
    torch.set_num_threads(threads)
    data = pictures(amount.cases)
    found = data.images[: data.learned]
    mean, deviation = round(float(found.mean()), 3), round(float(found.std()), 3)
    recipe = _recipe(data, amount, mean, deviation, threads)
    _require_one_network(recipe, amount)
    measures = [*_steps(data, recipe, amount), *_data_path(data, recipe, amount), *_race(data, recipe, amount)]
    settings: dict[str, str | int | float] = {
        "torch": torch.__version__,
        "threads": threads,
        "pictures": data.name,
        "training cases": data.learned,
        "judged cases": data.judged,
        "network": f"ResNet-18, width {amount.width}, torchvision's stem",
        "arithmetic of ours": recipe.training.precision,
        "turns": f"{amount.turns} of {amount.steps} steps",
        "epochs": f"{amount.epochs} and {amount.our_epochs}",
    }
    return Result(measures=tuple(measures), settings=settings)


def pictures(cases: int) -> Data:
    """Radiographs from beside the project, or phantoms where there are none."""
    place = SHARED / "medmnist" / "pneumoniamnist.npz"
    judged = JUDGED
    if not place.is_file():
        return _phantoms(cases, judged)
    with np.load(place) as file:
        parts = [(file[f"{split}_images"], file[f"{split}_labels"][:, 0]) for split in ("train", "val")]
    images = np.concatenate([one[:count] for (one, _), count in zip(parts, (cases, judged), strict=True)])
    classes = np.concatenate([one[:count] for (_, one), count in zip(parts, (cases, judged), strict=True)])
    return Data("pneumoniamnist", images, classes.astype(np.int64), len(parts[1][0][:judged]))


def _phantoms(cases: int, judged: int) -> Data:
    from isocenter.data.phantoms import write_pictures

    with tempfile.TemporaryDirectory(prefix="isocenter-bench-") as place:
        made = write_pictures(Path(place), cases=cases + judged, classes=CLASSES)
        # In the order of their numbers, in which the classes take turns.
        paths = sorted(made.rglob("*.png"), key=lambda path: path.name)
        images = np.stack([np.asarray(Image.open(path)) for path in paths])
    return Data("phantoms", images, np.arange(len(images)) % len(CLASSES), judged)


def _recipe(data: Data, amount: Amount, mean: float, deviation: float, threads: int) -> Recipe:
    """What the plan gives for these cases, with the plain loop's network and its kinds of variation."""
    channel = ChannelFacts(name="intensity", intensity="raw", dtypes=("uint8",), present=len(data.images))
    side = Spread(low=28, middle=28, high=28)
    known = Fingerprint(
        label="class",
        kind="class",
        classes=CLASSES,
        counts={name: int((data.classes == place).sum()) for place, name in enumerate(CLASSES)},
        cases={"train": data.learned, "val": data.judged},
        patients={"train": data.learned, "val": data.judged},
        dimensions=2,
        sizes={"x": side, "y": side},
        channels=(channel,),
        machine=machine(),
    )
    given = plan(known, Wishes(members=1, threads=threads))
    batch = given.training.batch
    return (
        given.changed("model", settings={"depth": 18, "width": amount.width, "stem": "large"})
        .changed("input", mean=(mean,), deviation=(deviation,))
        .changed("training", steps=-(-amount.our_epochs * data.learned // batch))
        .model_copy(update={"augmentation": VARIED})
    )


def _require_one_network(recipe: Recipe, amount: Amount) -> None:
    """Both loops must train the same network: one's weights in the other give the same answers."""
    ours = build_model(recipe.model, input_form(recipe), len(CLASSES)).eval()
    theirs = ResNet18(len(CLASSES), amount.width).eval()
    weights = {name: value for name, value in ours.state_dict().items() if not name.startswith("normalise")}
    theirs.load_state_dict(weights)
    pixels = torch.randint(0, 256, (4, 1, 28, 28)).float()
    with torch.no_grad():
        if not torch.allclose(ours(pixels)[0], theirs(ours.normalise(pixels)), atol=1e-4):
            raise SystemExit("the two networks answer differently: nothing was measured")


def _school(data: Data, recipe: Recipe, judge: Judge) -> School:
    targets = np.eye(len(CLASSES), dtype=np.float32)[data.classes]
    rows = np.arange(len(data.images))
    weights = TASK.weights(targets[: data.learned], recipe.training.balance)
    loss = LossSettings(class_weights=weights, smoothing=recipe.training.smoothing)
    return School(
        material=Material(pixels=data.images[:, None], targets=targets),
        parts=[Part(learned=rows[: data.learned], judged=rows[data.learned :])],
        recipe=recipe,
        outputs=len(CLASSES),
        combine=TASK.combine,
        loss=lambda logits, given: TASK.loss(logits, given, loss),
        judge=judge,
        log=Log(),
    )


def _lesson(data: Data, recipe: Recipe, judge: Judge) -> Lesson:
    school = _school(data, recipe, judge)
    part = school.parts[0]
    return Lesson(
        material=school.material,
        learned=part.learned,
        judged=part.judged,
        recipe=recipe,
        loss=school.loss,
        judge=judge,
    )


def _plain_loop(data: Data, recipe: Recipe, amount: Amount, cases: int, workers: int) -> PlainLoop:
    mean, deviation = recipe.input.mean[0], recipe.input.deviation[0]
    training = Pictures(data.images[:cases], data.classes[:cases], varied(mean, deviation))
    return PlainLoop(ResNet18(len(CLASSES), amount.width), training, batch=BATCH, workers=workers)


def _steps(data: Data, recipe: Recipe, amount: Amount) -> list[Measure]:
    """Whole steps, pictures included, in turns."""
    torch.manual_seed(0)
    lesson = _lesson(data, recipe.changed("training", batch=BATCH), lambda *_: (0.0, {}))
    state = lesson.begin(build_model(recipe.model, input_form(recipe), len(CLASSES)))
    cases = min(amount.steps * BATCH, data.learned)
    steps = -(-cases // BATCH)

    def ours() -> None:
        for _ in range(steps):
            step_once(state, lesson)

    offered = (0, 2) if recipe.compute.threads > 1 else (0,)
    loops = {workers: _plain_loop(data, recipe, amount, cases, workers) for workers in offered}
    for work in (ours, loops[0].epoch):
        work()  # whatever is made at the first step is made for everybody
    workers = min(loops, key=lambda count: _spent(loops[count].epoch)[0])
    spent = _in_turns({"plain": loops[workers].epoch, "ours": ours}, amount.turns)
    told = f"({workers} workers, the fastest of {', '.join(map(str, offered))})"
    return [
        _part("a step of the plain loop", spent["plain"], steps, 0, "s", told),
        _part("a step of ours", spent["ours"], steps, 0, "s"),
        _ratio("step: plain / ours", spent, 0, least=1.8, note=f"batch {BATCH}, pictures included"),
        _ratio("step, processor time: plain / ours", spent, 1),
    ]


def _data_path(data: Data, recipe: Recipe, amount: Amount) -> list[Measure]:
    """Pictures alone, on one core, in turns: from the stored ones to varied batches."""
    cases = min(10 * BATCH, data.learned)
    loop = _plain_loop(data, recipe, amount, cases, 0)
    order = Order(np.arange(cases), batch=BATCH, seed=[0])
    normalise = build_model(recipe.model, input_form(recipe), len(CLASSES)).normalise
    pixels = data.images[:, None]

    def ours() -> None:
        for step in range(-(-cases // BATCH)):
            images = normalise(torch.from_numpy(pixels[order.at(step)]).float())
            rng = np.random.default_rng([0, step])
            augment.apply(augment.draw(recipe.augmentation, len(images), tuple(images.shape[1:]), rng), images)

    def theirs() -> None:
        for _ in loop.images():
            pass

    torch.set_num_threads(1)
    try:
        ours()
        theirs()
        spent = _in_turns({"plain": theirs, "ours": ours}, 2 * amount.turns)
    finally:
        torch.set_num_threads(recipe.compute.threads)
    return [
        _part("a picture of the plain loop", spent["plain"], cases, 0, "us", "(one core)"),
        _part("a picture of ours", spent["ours"], cases, 0, "us", "(one core)"),
        _ratio("picture: plain / ours", spent, 0, least=4),
        _ratio("picture, processor time: plain / ours", spent, 1),
    ]


def _race(data: Data, recipe: Recipe, amount: Amount) -> list[Measure]:
    """Time to the best accuracy of the plain loop's epochs; whenever ours is judged, the plain loop has its turn.

    The best, and not that of the last epoch, which may be an unlucky one.
    """
    torch.manual_seed(0)
    ours, theirs = Course(), Course()
    turns = _plain_course(data, recipe, amount, theirs)
    each = -(-amount.epochs // recipe.training.looks)
    begun = time.perf_counter()

    def judge(logits: NDArray[np.float32], targets: NDArray[np.float32]) -> tuple[float, dict[str, float]]:
        nonlocal begun
        accuracy = float((logits.argmax(1) == targets.argmax(1)).mean())
        ours.seconds += time.perf_counter() - begun
        ours.points.append((ours.seconds, accuracy))
        for _ in range(each):
            next(turns, None)
        begun = time.perf_counter()
        return accuracy, {"accuracy": accuracy}

    train(build_model(recipe.model, input_form(recipe), len(CLASSES)), _lesson(data, recipe, judge), Silent())
    for _ in turns:
        pass
    reached, first = ours.at(theirs.best), theirs.at(theirs.best)
    share = None if reached is None else reached / theirs.seconds
    ended = f"(in all {ours.seconds:.1f} s, at its best {ours.best:.4f}, in the end {ours.points[-1][1]:.4f})"
    return [
        Measure(
            name=f"best accuracy of the plain loop in {amount.epochs} epochs",
            value=theirs.best,
            unit="",
            note=f"(first after {first:.1f} s, in the end {theirs.points[-1][1]:.4f})",
        ),
        Measure(name="seconds of the plain loop", value=theirs.seconds, unit="s"),
        Measure(name="seconds of ours to that accuracy", value=reached, unit="s", note=ended),
        Measure(name="time to accuracy: ours / plain", value=share, unit="x", most=round(1 / 3, 3)),
    ]


def _plain_course(data: Data, recipe: Recipe, amount: Amount, course: Course) -> Iterator[None]:
    """The plain loop, an epoch at a time."""
    judged = slice(data.learned, None)
    given = Pictures(data.images[judged], data.classes[judged], plain(recipe.input.mean[0], recipe.input.deviation[0]))
    loop = _plain_loop(data, recipe, amount, data.learned, 0)
    for _ in range(amount.epochs):
        begun = time.perf_counter()
        loop.epoch()
        accuracy = loop.accuracy(given)
        course.seconds += time.perf_counter() - begun
        course.points.append((course.seconds, accuracy))
        yield


Spent = tuple[float, float]
"""Seconds by the clock, and seconds of processors."""


def _spent(work: Callable[[], object]) -> Spent:
    clock, processors = time.perf_counter(), sum(os.times()[:4])
    work()
    return time.perf_counter() - clock, sum(os.times()[:4]) - processors


def _in_turns(works: dict[str, Callable[[], object]], turns: int) -> dict[str, list[Spent]]:
    """Each in turn, over and over, so that a busy moment of the machine meets all alike."""
    found: dict[str, list[Spent]] = {name: [] for name in works}
    for _ in range(turns):
        for name, work in works.items():
            found[name].append(_spent(work))
    return found


def _part(name: str, spent: list[Spent], parts: int, which: int, unit: str, note: str = "") -> Measure:
    scale = 1e6 if unit == "us" else 1.0
    one = measured(name, [pair[which] / parts * scale for pair in spent], unit)
    return Measure(name=name, value=one.value, unit=unit, all=one.all, note=note)


def _ratio(name: str, spent: dict[str, list[Spent]], which: int, least: float | None = None, note: str = "") -> Measure:
    """The median over the turns of how many times as long the plain loop took in the same turn."""
    pairs = zip(spent["plain"], spent["ours"], strict=True)
    ratios = tuple(plain[which] / max(ours[which], 1e-9) for plain, ours in pairs)
    return Measure(name=name, value=median(ratios), unit="x", all=ratios, least=least, note=note)


BENCH = Bench(title="training steps, pictures, and time to an accuracy, beside a plain loop", run=run)
