"""Show what a reading rests on: a map over the image, in words, and put to a test."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from pathlib import Path
from time import perf_counter
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from isocenter.core import registry
from isocenter.core.errors import IsocenterError, Unreadable, UsageError
from isocenter.core.image import Image, Intensity
from isocenter.core.progress import Progress
from isocenter.core.run import find_model
from isocenter.core.settings import Argument, Settings, Subject, verb
from isocenter.core.words import counted, language, listed, say
from isocenter.data.files import write
from isocenter.data.new_cases import NewCase, find_cases, read_case
from isocenter.delivery.modelfile.package import Package
from isocenter.delivery.modelfile.read import read_model
from isocenter.delivery.reader import Answer, Reader, chosen
from isocenter.drawing.look import drawable, share
from isocenter.drawing.montage import png
from isocenter.drawing.overlay import Legend, explained_image, explained_sheet, relative
from isocenter.evidence import explainers
from isocenter.evidence.deletion import Deletion, deletion
from isocenter.evidence.explainers._shared import Explained, Explainer
from isocenter.evidence.location import gathered, telling_thirds
from isocenter.pathway import decide, tasks
from isocenter.pathway.preparation import Prepared, channel_arrays
from isocenter.pathway.restore import restored
from isocenter.pathway.tasks._shared import Floats, Task
from isocenter.storage.atomic import atomic_write

BLANKED = 0.2
"""Share of the image that the test of a map blanks."""

STRONGEST = 0.25
"""Share of the image of which is told how much of the evidence it holds."""

SPREAD = 0.35
"""Evidence of which the strongest quarter of the image holds no more than this is spread over all of it."""

BORDER = 0.1
"""From this share on it is told that evidence lies beyond the edge of the image."""

_COUNTS = 0.01
"""A change of a probability, or of a share of a number, that counts in the test of a map."""

_NEVER = 1e-300
"""A probability that has a logarithm, where a class is held for impossible."""


class ExplainSettings(Settings):
    """What to explain, and how."""

    model: Subject[Path]
    """A model file (.isomodel), or the run that made it."""
    source: Argument[Path]
    """The image, or the folder of its slices."""
    method: str = "gradcam"
    """How: gradcam (fast, needs maps inside the model) or occlusion (slower, works with every model)."""
    class_: str | None = None
    """The class to ask about; the one that is called unless given, of several findings the likeliest of those."""
    into: Path | None = None
    """A folder for the picture, the overlay and the map; nothing is written unless given."""
    language: Literal["en", "zh"] | None = None
    """Language of the words: en or zh; that of the machine unless given."""


class MapTest(BaseModel):
    """What the model says without the part of the image that a map points at, and without as much elsewhere."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    share: float
    """Of the image that was blanked."""
    whole: float
    """Probability (or number) of the image as it is."""
    strongest: float
    """Without the strongest part."""
    elsewhere: float
    """Without parts of the same size and form at chance places; the mean."""
    repeats: int
    supported: bool | None
    """Whether it falls further without the strongest part than without each other one; none where no part counts."""


class Explanation(BaseModel):
    """What a reading rests on; the document that `explain --json` prints."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: int = 1
    case: str
    source: str
    model: str
    """SHA-256 of the model file."""
    task: str
    method: str
    label: str
    """The class, or the number, that is explained."""
    probability: float | None = None
    value: float | None = None
    places: tuple[str, ...] = ()
    """Where most of the evidence lies, the strongest first; empty where it is spread, or where there is none."""
    gathered: float | None = None
    """Share of the evidence that the strongest quarter of the image holds; 0.25 where it is spread evenly."""
    beyond: float = 0.0
    """Share of the evidence that lies in a border which the preparation added."""
    test: MapTest | None = None
    words: tuple[str, ...] = ()
    """The same for a person, with what to keep in mind."""
    warnings: tuple[str, ...] = ()
    files: dict[str, str] = {}
    seconds: float = 0.0


@verb(ExplainSettings)
def explain(settings: ExplainSettings, progress: Progress) -> Explanation:
    """Show what a reading rests on: a map over the image, in words, and put to a test."""
    begun = perf_counter()
    explainer: Explainer = registry.get(explainers, settings.method)
    package = read_model(find_model(settings.model))
    # the map is made of small differences, which coarser arithmetic would drown
    reader = Reader(package, precision="fp32")
    wanted = reader.package.recipe.input.channels
    case = _one_case(settings.source, wanted, progress)
    channels = read_case(case, wanted)
    prepared = reader.prepare(channels)
    speaking = _speaking(package, reader)
    asked = _asked(speaking, prepared, settings.class_)
    progress.start(f"Explaining {asked.label}")
    found = explainer.explain(_callables(reader, asked, progress), prepared.array, asked.output)
    image = _still(_drawn(channels, wanted))
    laid = restored(found, prepared.image.geometry, image.geometry, image.array.shape[1:])
    known = Explanation(
        case=case.key,
        source=case.source,
        model=reader.package.digest,
        task=reader.package.recipe.task,
        method=settings.method,
        label=asked.label,
        **{"value" if asked.form == "number" else "probability": asked.score},
        gathered=gathered(laid, share=STRONGEST),
        beyond=_beyond(found, prepared, image),
        test=_tested(speaking, prepared, found, asked),
        warnings=reader.warnings(prepared),
    )
    lang = language(settings.language)
    pictured = drawable(lang)
    legend = _legend(_worded(known, asked, image, laid, pictured), asked, pictured)
    known = _worded(known, asked, image, laid, lang)
    files = {} if settings.into is None else _written(known, image, laid, settings.into, legend)
    return known.model_copy(update={"files": files, "seconds": round(perf_counter() - begun, 3)})


@dataclass(frozen=True, slots=True)
class _Asked:
    """What is asked about: the place of the answer among the scores, its name, its score and their form."""

    output: int
    label: str
    score: float
    form: decide.Form


def _speaking(package: Package, exact: Reader) -> Reader:
    """The reader that `predict` uses: an explanation that gave another probability than the reading would confuse."""
    return exact if chosen(package, None, None)[1] == exact.precision else Reader(package)


def _one_case(source: Path, wanted: tuple[str, ...], progress: Progress) -> NewCase:
    found = find_cases([source], wanted, progress)
    if len(found.cases) == 1:
        return found.cases[0]
    if not found.cases:
        reasons = listed(sorted({one.reason for one in found.refused}), most=3)
        raise Unreadable(f"{source}", why=f"holds no image that can be explained: {reasons}")
    names = listed([case.key for case in found.cases], most=4)
    raise UsageError(
        f"{source} holds {counted(len(found.cases), 'case')}", why="one is explained at a time", remedy=f"Give {names}"
    )


def _asked(reader: Reader, prepared: Prepared, name: str | None) -> _Asked:
    """The class that was named, else the one that is called; a model of one number has but that."""
    package = reader.package
    task: Task = registry.get(tasks, package.recipe.task)
    logits = reader.logits(prepared.array[None])
    reason = decide.reasons_to_abstain(logits)[0]
    if reason:
        raise IsocenterError("There is no reading to explain", why=reason)
    scores = reader.scores(logits)[0]
    classes = package.recipe.classes
    if task.form == "number":
        if name is not None:
            raise UsageError(
                "`--class` is for models of classes", why=f"this one gives the number {package.label.name}"
            )
        return _Asked(0, package.label.name, float(scores[0]), task.form)
    if name is not None and name not in classes:
        raise registry.unknown("class", name, classes)
    output = _called(reader, scores, task.form) if name is None else classes.index(name)
    return _Asked(output, classes[output], float(scores[output]), task.form)


def _called(reader: Reader, scores: Floats, form: decide.Form) -> int:
    """The class that the reading calls; of several findings the likeliest called one, of all where none is called."""
    called = reader.called(scores[None])[0]
    if form == "classes":
        return int(called)
    return int(np.argmax(np.where(called == 1, scores, -1.0) if called.any() else scores))


def _callables(reader: Reader, asked: _Asked, progress: Progress) -> Explained:
    """The model as an explainer sees it: its outputs as evidence, and each answer told to who waits."""

    def run(pixels: NDArray[Any]) -> Answer:
        answer = dict(reader.run(pixels))
        progress.advance(len(pixels))
        return {**answer, "logits": _evidence(reader, asked.form, answer["logits"])}

    def head(features: NDArray[np.float32]) -> NDArray[np.floating[Any]]:
        return _evidence(reader, asked.form, reader.head(features))

    return Explained(run=run, head=head, blank=reader.package.recipe.input.mean)


def _evidence(reader: Reader, form: decide.Form, logits: Floats) -> Floats:
    """Log-odds of each class: what raises all outputs alike is evidence for none of several classes.

    An output of any number of findings is its log-odds already, and a number is explained as it is.
    """
    if form != "classes":
        return logits
    scores = reader.scores(logits.astype(np.float64))
    others = scores @ (1 - np.eye(scores.shape[1]))  # 1 - scores would lose a small rest beside a near certainty
    odds: Floats = np.log(np.maximum(scores, _NEVER)) - np.log(np.maximum(others, _NEVER))
    return odds


def _drawn(channels: Mapping[str, Image], wanted: tuple[str, ...]) -> Image:
    """The image that the map is laid over: of several, the one of the first channel, whose grid is prepared."""
    if len(channels) == 1:
        return next(iter(channels.values()))
    parts = channel_arrays(channels)
    return next(parts[name] for name in wanted if name in parts)


def _still(image: Image) -> Image:
    """The image without a time axis, and without a slice axis of one slice."""
    for axis in ("T", "Z"):
        if axis in image.axes and image.extent(axis) == 1:
            array = np.take(image.array, 0, axis=image.axes.index(axis))
            image = replace(image, array=array, axes=image.axes.replace(axis, ""), times=None)
    return image


def _beyond(found: NDArray[np.float32], prepared: Prepared, image: Image) -> float:
    """The share of the evidence that lies where the image that was given has no pixels."""
    positive = np.maximum(found, 0)
    total = float(positive.sum(dtype=np.float64))
    if not total:
        return 0.0
    there = np.ones(image.array.shape[1:], dtype=np.float32)
    inside = restored(there, image.geometry, prepared.image.geometry, found.shape)
    return round(max(0.0, 1 - float((positive * inside).sum(dtype=np.float64)) / total), 4)


def _tested(reader: Reader, prepared: Prepared, found: NDArray[np.float32], asked: _Asked) -> MapTest | None:
    """Whether the answer falls where the map says so; there is nothing to test where no place speaks for it."""
    if not (found > 0).any():
        return None
    result: Deletion = deletion(
        lambda pixels: reader.scores(reader.logits(pixels))[:, asked.output],
        prepared.array,
        found,
        blank=reader.package.recipe.input.mean,
        rng=np.random.default_rng(0),
        share=BLANKED,
    )
    return MapTest(
        share=BLANKED,
        whole=result.whole,
        strongest=result.strongest,
        elsewhere=float(np.mean(result.elsewhere)),
        repeats=len(result.elsewhere),
        supported=result.supports(_COUNTS if asked.form != "number" else _COUNTS * abs(result.whole)),
    )


def _worded(known: Explanation, asked: _Asked, image: Image, laid: NDArray[np.float32], lang: str) -> Explanation:
    """The same with its sentences."""
    kind = "number" if asked.form == "number" else "class"
    spread = known.gathered is not None and known.gathered <= SPREAD
    places = () if spread else _places(image, laid, lang)
    lead = "spread" if spread else "rests" if places else "nothing"
    said = [say(f"explain.{lead}_{kind}", lang, label=asked.label, places=_joined("places", places, lang))]
    if known.gathered is not None:
        said.append(say("explain.gathered", lang, share=_percent(known.gathered)))
    if known.beyond >= BORDER:
        said.append(say("explain.beyond", lang, share=_percent(known.beyond)))
    if known.test is not None:
        numbers = {name: _number(getattr(known.test, name), asked) for name in ("whole", "strongest", "elsewhere")}
        verdict = {True: "supported", False: "unsupported", None: "unmoved"}[known.test.supported]
        said.append(say(f"explain.test_{kind}", lang, label=asked.label, **numbers, so=say(f"explain.{verdict}", lang)))
    said.append(say("explain.caution", lang))
    return known.model_copy(update={"places": places, "words": tuple(said)})


def _places(image: Image, laid: NDArray[np.float32], lang: str) -> tuple[str, ...]:
    """Where most of the evidence lies; sides of the patient are named only where the image knows them."""
    kind = "image"
    if "Z" in image.axes:
        kind = "volume"
        if image.geometry.placed:
            kind = "patient"
            laid = replace(image, array=laid[None], intensity=Intensity.RAW, channels=("map",)).oriented("LPS").array[0]
    axes = ("rows", "columns") if laid.ndim == 2 else ("slices", "rows", "columns")
    return tuple(
        _joined("sides", [say(f"explain.{kind}_{axis}_{at}", lang) for axis, at in zip(axes, third, strict=True)], lang)
        for third in telling_thirds(laid)
    )


def _joined(how: str, parts: Sequence[str], lang: str) -> str:
    """Places, or the sides of one place, as one phrase."""
    return (
        reduce(lambda first, following: say(f"explain.{how}", lang, first=first, next=following), parts)
        if parts
        else ""
    )


def _written(
    known: Explanation, image: Image, laid: NDArray[np.float32], folder: Path, legend: Legend
) -> dict[str, str]:
    """The picture for a reader, the overlay pixel for pixel (of a flat image), and the map as numbers."""
    name = "_".join(_slug(part) for part in (known.case, known.label, known.method))
    strength = relative(laid)
    pictures = {"picture": (folder / f"{name}.png", png(explained_sheet(image, strength, legend)))}
    if "Z" in image.axes:
        numbers = Image(array=laid[None], axes="CZYX", geometry=image.geometry, channels=("map",))
        place = write(numbers, folder / f"{name}_map.nii.gz")[0]
    else:
        pictures["overlay"] = (folder / f"{name}_overlay.png", png(explained_image(image, strength)))
        place = folder / f"{name}_map.npy"
        with atomic_write(place) as temporary, temporary.open("wb") as file:
            np.save(file, laid)
    for path, content in pictures.values():
        with atomic_write(path) as temporary:
            temporary.write_bytes(content)
    return {**{kind: path.as_posix() for kind, (path, _) in pictures.items()}, "map": place.as_posix()}


def _legend(known: Explanation, asked: _Asked, lang: str) -> Legend:
    kind = "number" if asked.form == "number" else "class"
    return Legend(
        title=say(f"explain.title_{kind}", lang, label=asked.label, score=_number(asked.score, asked)),
        plain=say("explain.plain", lang),
        explained=say(f"explain.explained_{kind}", lang, label=asked.label),
        none=say("explain.none", lang),
        strongest=say("explain.strongest", lang),
        line=say("explain.line", lang),
        planes=(say("explain.plane_z", lang), say("explain.plane_y", lang), say("explain.plane_x", lang)),
        notes=known.words,
        sides=tuple(say(f"explain.side_{side}", lang) for side in ("right", "left", "front", "back", "head", "feet")),
    )


def _number(score: float, asked: _Asked) -> str:
    """A number, or a probability that is never rounded up to certainty."""
    if asked.form == "number":
        return f"{score:.4g}"
    return f"{score:.2f}" if 0.005 <= score < 0.995 else "<0.01" if score < 0.5 else ">0.99"


def _percent(part: float) -> str:
    return share(round(1000 * part), 1000)


def _slug(text: str) -> str:
    bare = re.sub(r"(\.nii|\.seg)?\.[A-Za-z0-9]{1,5}$", "", text)
    return re.sub(r"[^\w=+-]+", "_", bare).strip("_") or "image"
