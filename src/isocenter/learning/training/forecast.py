"""What a training will take, measured before it starts: seconds for a step, bytes at its height.

A short probe of the real network on the real cases tells both: the last of a few steps is timed, and the bytes that
autograd keeps for one batch are counted as it keeps them.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from isocenter.core.errors import IsocenterError
from isocenter.core.fingerprint import Machine
from isocenter.core.words import sized
from isocenter.learning.build import build_model, input_form
from isocenter.learning.device import prepare_device
from isocenter.learning.models._shared import Network
from isocenter.learning.planning.rules import SHARE_OF_BUDGET
from isocenter.learning.training.loop import Lesson, step_once
from isocenter.learning.training.members import School

FEWEST_TIMED, TIMED, LONGEST = 4, 12, 5.0
"""Steps that are timed: at least, and at most, unless so many seconds are over before."""

QUICK = 0.25
"""Share of the timed steps that are quicker than the one that counts. Where others compute too, the middle one was seen
to take nearly twice what a training's steps then took, so that half of a budget was left unused."""

SHARE_OF_MEMORY = 0.8
"""What may be taken of the memory that is free; the rest is left to the system and to other people."""

COPIES_OF_WEIGHTS = 6
"""Weights, gradients, two moments, the running average, and one to write the checkpoint from."""

OVERHEAD = 1.5
"""Workspace of the convolutions and short-lived copies, on top of what autograd keeps."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """What a training will take.

    Attributes:
        step: seconds for one step of the optimiser.
        judge: seconds to judge one case.
        memory: bytes at its height.
    """

    step: float
    judge: float
    memory: int

    def seconds(self, school: School) -> float:
        """How long all members will take."""
        training = school.recipe.training
        judged = sum(len(part.judged) for part in school.parts) * (max(training.looks, 1) + 1)
        return training.steps * len(school.parts) * self.step + judged * self.judge


def probe(school: School) -> Forecast:
    """Take a few steps that count for nothing."""
    recipe = school.recipe
    prepare_device(recipe)
    torch.manual_seed(0)
    network = build_model(recipe.model, input_form(recipe), school.outputs)
    if not isinstance(network, Network):
        return Forecast(step=0.0, judge=0.0, memory=4 * school.material.pixels.size)
    trial = recipe.changed("training", steps=TIMED + 1)
    part = school.parts[0]
    lesson = Lesson(
        material=school.material,
        learned=part.learned,
        judged=part.judged,
        recipe=trial,
        loss=school.loss,
        judge=school.judge,
    )
    state = lesson.begin(network)
    with _counted() as kept:
        step_once(state, lesson)
    times: list[float] = []
    while len(times) < FEWEST_TIMED or (len(times) < TIMED and sum(times) < LONGEST):
        start = time.perf_counter()
        step_once(state, lesson)
        times.append(time.perf_counter() - start)
    weights = sum(one.numel() * one.element_size() for one in network.parameters())
    memory = int(kept.bytes * OVERHEAD) + COPIES_OF_WEIGHTS * weights * max(1, len(school.parts) // 4)
    return Forecast(step=float(np.quantile(times, QUICK)), judge=_seconds_to_judge(network, school), memory=memory)


def steps_within(budget: float, school: School, forecast: Forecast) -> int:
    """How many steps each member may take so that all end within the budget."""
    training = school.recipe.training
    judged = sum(len(part.judged) for part in school.parts) * (max(training.looks, 1) + 1) * forecast.judge
    left = budget * SHARE_OF_BUDGET - judged
    return max(math.floor(left / (forecast.step * len(school.parts))), 1) if forecast.step else training.steps


def fitting(school: School, forecast: Forecast, machine: Machine) -> School:
    """The school with batches that fit into memory, or a refusal that says what would.

    A batch that is too large is divided, and the gradients of its parts are added: about the same number of cases goes
    into each step of the optimiser.
    """
    free = machine.gpu_memory if school.recipe.compute.device == "cuda" else machine.free_memory
    allowed = max(int(free * SHARE_OF_MEMORY), 1)
    if forecast.memory <= allowed:
        return school
    training = school.recipe.training
    parts = 2 ** math.ceil(math.log2(forecast.memory / allowed))
    batch = math.ceil(training.batch / parts)
    if batch < 2:
        raise IsocenterError(
            f"This training needs about {sized(forecast.memory)} of memory",
            why=f"{sized(free)} are free, of which {sized(allowed)} may be taken",
            remedy="Choose smaller images (`--size`), a narrower or other model (`--model`), or free memory",
        )
    recipe = school.recipe.changed("training", batch=batch, accumulate=training.accumulate * parts)
    return replace(school, recipe=recipe)


def _seconds_to_judge(network: Network, school: School) -> float:
    rows = np.arange(min(8, len(school.material)))
    device = torch.device(school.recipe.compute.device)
    network.eval()
    with torch.no_grad():
        pixels = torch.from_numpy(np.ascontiguousarray(school.material.pixels[rows])).to(device).float()
        network(pixels)
        start = time.perf_counter()
        network(pixels)
    return (time.perf_counter() - start) / len(rows)


class _counted:
    """Counts the bytes that autograd keeps for the backward pass."""

    def __init__(self) -> None:
        self.bytes = 0
        self._seen: set[int] = set()
        self._hooks = torch.autograd.graph.saved_tensors_hooks(self._pack, lambda kept: kept)

    def _pack(self, kept: Tensor) -> Tensor:
        place = kept.untyped_storage().data_ptr()
        if place not in self._seen:
            self._seen.add(place)
            self.bytes += kept.untyped_storage().nbytes()
        return kept

    def __enter__(self) -> _counted:
        self._hooks.__enter__()
        return self

    def __exit__(self, *about: Any) -> None:
        self._hooks.__exit__(*about)
