"""All members of a model: who leaves out which cases, what each says of them, and the one network they make up."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from isocenter.core import registry
from isocenter.core.progress import Progress
from isocenter.core.recipe import Recipe
from isocenter.learning.build import build_model, input_form, model_named
from isocenter.learning.device import prepare_device
from isocenter.learning.models._shared import Combine, Ensemble, InputForm, Network, combined
from isocenter.learning.training.batches import Material
from isocenter.learning.training.log import Log
from isocenter.learning.training.loop import CLOCK, Judge, Lesson, Loss, predicted, train
from isocenter.learning.weights import Tensors, lay_in
from isocenter.pathway import tasks
from isocenter.pathway.tasks._shared import Task, case_weights
from isocenter.pathway.views import MIRRORED


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Which cases one member learns from and which it is judged by."""

    learned: NDArray[np.integer[Any]]
    judged: NDArray[np.integer[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """What training came to.

    Attributes:
        network: one network, in which all members are averaged where there are several.
        rows: the cases that were judged by members that had not learned from them.
        logits: what was said of those.
    """

    network: Network
    rows: NDArray[np.integer[Any]]
    logits: NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class School:
    """What all members share.

    Attributes:
        material: all prepared cases.
        parts: one for each member.
        recipe: every decision.
        outputs: of the network.
        combine: how members are averaged.
        loss, judge: see `Lesson`.
        folder: where checkpoints are kept; None to keep none.
        log: where looks are written down.
        seconds: between checkpoints.
        data: names what the material is made of.
        weights: that networks begin with; none to begin from chance.
    """

    material: Material
    parts: Sequence[Part]
    recipe: Recipe
    outputs: int
    combine: Combine
    loss: Loss
    judge: Judge
    folder: Path | None = None
    log: Log
    seconds: float = CLOCK
    data: str = ""
    weights: Tensors | None = None


def train_members(school: School, progress: Progress) -> Trained:
    """Train all members, one after the other."""
    recipe = school.recipe
    prepare_device(recipe)
    model = model_named(recipe.model.name)
    teach: Callable[[School, int, Progress], Network] = _taught if model.kind == "network" else _fitted
    steps = recipe.training.steps * len(school.parts) if model.kind == "network" else len(school.parts)
    progress.start("Training", steps)
    members: list[Network] = []
    said: dict[int, list[NDArray[np.float32]]] = {}
    for number, part in enumerate(school.parts):
        network = teach(school, number, progress)
        members.append(network)
        if len(part.judged):
            for row, values in zip(part.judged, _said(network, school, part), strict=True):
                said.setdefault(int(row), []).append(values)
    rows = np.array(sorted(said), dtype=np.int64)
    joined = [_joined(said[int(row)], school.combine) for row in rows]
    network = members[0] if len(members) == 1 else Ensemble(members, school.combine)
    return Trained(network=network.cpu().eval(), rows=rows, logits=np.array(joined, dtype=np.float32))


def _said(network: Network, school: School, part: Part) -> NDArray[np.float32]:
    """What a member says of its judged cases, averaged over the views that readings are averaged over."""
    device = torch.device(school.recipe.compute.device)
    views = [
        predicted(network, school.material.pixels, part.judged, device, mirrored=MIRRORED[view])
        for view in school.recipe.decision.views
    ]
    joined: NDArray[np.float32] = combined(torch.from_numpy(np.stack(views)), school.combine).numpy()
    return joined


def _taught(school: School, number: int, progress: Progress) -> Network:
    """A network learns step by step."""
    recipe, part = school.recipe, school.parts[number]
    torch.manual_seed(int(np.random.default_rng([recipe.seed, number, 2]).integers(2**62)))
    network = build_model(recipe.model, input_form(recipe), school.outputs)
    given: frozenset[str] = frozenset()
    if school.weights is not None:
        taken = lay_in(network, school.weights, member=number)
        given = taken.body
        if number == 0:
            progress.say(str(taken))
    lesson = Lesson(
        material=school.material,
        learned=part.learned,
        judged=part.judged,
        recipe=recipe,
        loss=school.loss,
        judge=school.judge,
        member=number,
        checkpoint=school.folder / f"member-{number}.safetensors" if school.folder else None,
        log=school.log,
        seconds=school.seconds,
        data=school.data,
        given=given,
    )
    return train(network, lesson, progress)


def _fitted(school: School, number: int, progress: Progress) -> Network:
    """A classical estimator learns at once; it is quick enough to begin again after a stop."""
    recipe, part = school.recipe, school.parts[number]
    form = input_form(recipe)
    estimator = build_model(recipe.model, form, school.outputs)
    pixels = _Normalised(school.material.pixels, part.learned, form)
    targets = school.material.targets[part.learned]
    task: Task = registry.get(tasks, recipe.task)
    weights = case_weights(task.form, targets, task.weights(targets, recipe.training.balance))
    estimator.fit(pixels, targets, weights, seed=recipe.seed, combine=school.combine)
    progress.advance()
    network: Network = estimator.network().eval().to(recipe.compute.device)
    if len(part.judged):
        found = predicted(network, school.material.pixels, part.judged, torch.device(recipe.compute.device))
        _, metric = school.judge(found, school.material.targets[part.judged])
        school.log.write({"member": number, "step": 1, "metric": metric})
    return network


class _Normalised:
    """Some rows of the stored pixels, normalised as they are asked for: all of them at once may not fit."""

    def __init__(self, pixels: NDArray[Any], rows: NDArray[np.integer[Any]], form: InputForm) -> None:
        extent = (1, -1, *([1] * form.dimensions))
        self._pixels = pixels
        self._rows = rows
        self._mean = np.array(form.mean, np.float32).reshape(extent)
        self._deviation = np.array(form.deviation, np.float32).reshape(extent)

    @property
    def shape(self) -> tuple[int, ...]:
        """As the whole array would have it."""
        return (len(self._rows), *self._pixels.shape[1:])

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, part: slice) -> NDArray[np.float32]:
        chosen = self._pixels[self._rows[part]].astype(np.float32)
        normalised: NDArray[np.float32] = (chosen - self._mean) / self._deviation
        return normalised


def _joined(logits: Sequence[NDArray[np.float32]], combine: Combine) -> NDArray[np.float32]:
    """What several members say of one case, averaged as the packaged network averages."""
    if len(logits) == 1:
        return logits[0]
    joined: NDArray[np.float32] = combined(torch.from_numpy(np.stack(logits))[:, None], combine)[0].numpy()
    return joined
