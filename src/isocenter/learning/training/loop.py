"""The training loop: one member of a model learns from its cases, step by step, and may be stopped at any moment."""

from __future__ import annotations

import hashlib
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from isocenter.core.errors import IsocenterError
from isocenter.core.progress import Progress
from isocenter.core.recipe import AugmentationRecipe, Recipe, TrainingRecipe
from isocenter.learning.device import seed_chance
from isocenter.learning.models._shared import Network
from isocenter.learning.training import augment
from isocenter.learning.training.batches import Material, Order
from isocenter.learning.training.checkpoint import State, load, save
from isocenter.learning.training.log import Log
from isocenter.learning.training.paces import groups_of, hold_still, paced
from isocenter.learning.training.schedule import rate_at

Loss = Callable[[Tensor, Tensor], Tensor]
Judge = Callable[[NDArray[np.float32], NDArray[np.float32]], tuple[float, dict[str, float]]]
"""Logits and targets of the judged cases -> how good that is (more is better), and the named values behind it."""

NARROWEST = 8
"""Kernels of the narrowest convolution from which on channels are laid last."""

CLOCK = 60.0
"""Seconds between checkpoints unless told otherwise."""


@dataclass(frozen=True, kw_only=True)
class Lesson:
    """What one member learns from, and how it is judged on the way.

    Attributes:
        material: all prepared cases.
        learned: rows that it learns from.
        judged: rows that it is judged by; never among those learned.
        recipe: every decision.
        loss: what is made small.
        judge: what is measured on the judged cases.
        member: its number, from 0.
        checkpoint: where its state is kept; None to keep none.
        log: where its steps are written down.
        seconds: between checkpoints.
        data: names what the material is made of; a checkpoint of another recipe or other data is refused.
        given: names of the network's weights that were learned before.
    """

    material: Material
    learned: NDArray[np.integer[Any]]
    judged: NDArray[np.integer[Any]]
    recipe: Recipe
    loss: Loss
    judge: Judge
    member: int = 0
    checkpoint: Path | None = None
    log: Log = field(default_factory=Log)
    seconds: float = CLOCK
    data: str = ""
    given: frozenset[str] = frozenset()

    @cached_property
    def about(self) -> str:
        """Names the training: the same text, the same weights."""
        decisions = self.recipe.model_dump_json(exclude={"reasons": True, "decision": True, "compute": {"budget"}})
        return hashlib.sha256(f"{decisions}\0{self.data}\0{self.member}".encode()).hexdigest()

    def begin(self, network: Network) -> State:
        """The state before the first step."""
        training = self.recipe.training
        network.to(self.device)
        lay_out(network)
        average = _copied(network, training.average)
        return State(network=network, optimiser=_optimiser(network, self.given, training), average=average)

    @cached_property
    def order(self) -> Order:
        """The order in which the cases come."""
        return Order(self.learned, batch=self.recipe.training.batch, seed=[self.recipe.seed, self.member])

    @cached_property
    def variations(self) -> AugmentationRecipe:
        """How this member's images are varied."""
        return self.recipe.augmentation.of_member(self.member)

    @property
    def device(self) -> torch.device:
        """Where the network learns."""
        return torch.device(self.recipe.compute.device)


def train(network: Network, lesson: Lesson, progress: Progress) -> Network:
    """Train one member; taken up where its checkpoint stands.

    Returns:
        The same network with the weights that are to be kept, ready to predict.
    """
    training = lesson.recipe.training
    state = lesson.begin(network)
    if lesson.checkpoint is not None and load(lesson.checkpoint, state, lesson.about):
        lesson.log.forget_after(lesson.member, state.step)
        progress.advance(state.step)
    looks = _look_steps(training)
    saved = time.monotonic()
    with _stopping() as stopped:
        while state.step < training.steps and not state.finished:
            value = step_once(state, lesson)
            progress.advance()
            if state.step in looks:
                _look(state, lesson, value)
            if stopped.is_set() or time.monotonic() - saved > lesson.seconds:
                _keep(state, lesson)
                saved = time.monotonic()
            if stopped.is_set():
                raise KeyboardInterrupt
    state.finished = True
    _keep(state, lesson)
    if state.average is not None:
        network.load_state_dict(state.average)
    return network.eval()


def step_once(state: State, lesson: Lesson) -> float:
    """One step of the optimiser: some batches, their gradients added; returns the loss."""
    recipe, network = lesson.recipe, state.network
    assert isinstance(network, Network)
    network.train()
    if lesson.given:
        hold_still(network)
    rate = rate_at(state.step, recipe.training)
    for group in state.optimiser.param_groups:
        group["lr"] = paced(group, rate, state.step)
    state.optimiser.zero_grad(set_to_none=True)
    total = 0.0
    for part in range(recipe.training.accumulate):
        number = state.step * recipe.training.accumulate + part
        rng = np.random.default_rng([recipe.seed, lesson.member, number, 1])
        seed_chance(int(rng.integers(2**62)), lesson.device)  # dropout draws from torch's own generator
        images, targets = _batch(network, lesson, lesson.order.at(number), rng)
        with _precision(recipe, lesson.device):
            answers = network.answers(images)
        losses = [weight * lesson.loss(logits.float(), targets) for logits, weight in answers]
        loss = torch.stack(losses).sum() / recipe.training.accumulate
        torch.autograd.backward(loss)
        total += float(loss.detach())
    if not np.isfinite(total):
        raise IsocenterError(
            f"Training came to nothing at step {state.step}",
            why="the loss is no longer a number",
            remedy="Lower `training.learning_rate` in the recipe, or use `training.precision: fp32`",
        )
    if recipe.training.clip:
        nn.utils.clip_grad_norm_(network.parameters(), recipe.training.clip)
    state.optimiser.step()
    _follow(state, recipe.training.average)
    state.step += 1
    return total


def _batch(
    network: Network, lesson: Lesson, rows: NDArray[np.integer[Any]], rng: np.random.Generator
) -> tuple[Tensor, Tensor]:
    """Normalised, varied and blended images with their targets."""
    pixels = torch.from_numpy(lesson.material.pixels[rows]).to(lesson.device).float()
    targets = torch.from_numpy(lesson.material.targets[rows]).to(lesson.device)
    with torch.no_grad():
        images = network.normalise(pixels)
        drawn = augment.draw(lesson.variations, len(rows), tuple(images.shape[1:]), rng)
        images = augment.apply(drawn, images, network.normalise(torch.zeros_like(pixels[:1])).flatten(2)[0, :, 0])
        images, targets = augment.mix(images, targets, lesson.variations.mixup, rng)
    return images.contiguous(memory_format=_layout(network, images)), targets


def _look(state: State, lesson: Lesson, loss: float) -> None:
    """Measure on the judged cases, write it down, and stop where it has not grown better for long."""
    training = lesson.recipe.training
    entry: dict[str, Any] = {"member": lesson.member, "step": state.step, "loss": loss}
    entry["rate"] = rate_at(state.step - 1, training)
    if len(lesson.judged):
        found = predicted(state.network, lesson.material.pixels, lesson.judged, lesson.device, average=state.average)
        value, entry["metric"] = lesson.judge(found, lesson.material.targets[lesson.judged])
        better = not np.isnan(value) and (state.best is None or value > state.best)
        state.best, state.since_best = (value, 0) if better else (state.best, state.since_best + 1)
        state.finished = bool(training.patience) and state.since_best >= training.patience
    lesson.log.write(entry)


@torch.no_grad()
def predicted(
    network: nn.Module,
    pixels: NDArray[Any],
    rows: NDArray[np.integer[Any]],
    device: torch.device,
    *,
    average: dict[str, Tensor] | None = None,
    mirrored: int | None = None,
    batch: int = 64,
) -> NDArray[np.float32]:
    """Logits of some cases, with the averaged weights where there are any."""
    own = {name: value.clone() for name, value in network.state_dict().items()} if average is not None else {}
    if average is not None:
        network.load_state_dict(average)
    network.eval()
    parts = []
    for start in range(0, len(rows), batch):
        images = torch.from_numpy(pixels[rows[start : start + batch]]).to(device).float()
        images = images if mirrored is None else images.flip(mirrored)
        parts.append(network(images)[0].float().cpu().numpy())
    if average is not None:
        network.load_state_dict(own)
    return np.concatenate(parts)


def _optimiser(network: nn.Module, given: frozenset[str], training: TrainingRecipe) -> torch.optim.Optimizer:
    groups = groups_of(network, given, training)
    if training.optimiser == "sgd":
        return torch.optim.SGD(groups, lr=training.learning_rate, momentum=0.9, nesterov=True, fused=True)
    return torch.optim.AdamW(groups, lr=training.learning_rate, fused=True)


def _copied(network: nn.Module, decay: float) -> dict[str, Tensor] | None:
    return {name: value.clone() for name, value in network.state_dict().items()} if decay else None


@torch.no_grad()
def _follow(state: State, decay: float) -> None:
    """Let the running average follow; early on it follows faster, so that it forgets where it began."""
    if state.average is None:
        return
    share = min(decay, (state.step + 1) / (state.step + 10))
    for name, value in state.network.state_dict().items():
        kept = state.average[name]
        if value.dtype.is_floating_point:
            kept.lerp_(value, 1 - share)
        else:
            kept.copy_(value)


def _look_steps(training: TrainingRecipe) -> frozenset[int]:
    """The steps after which a member is judged: evenly spread, the last among them."""
    count = min(max(training.looks, 1), training.steps)
    return frozenset(round(training.steps * (number + 1) / count) for number in range(count)) if count else frozenset()


def lay_out(network: nn.Module) -> None:
    """Lay the weights of convolutions out with the channels last, as processors and GPUs compute them fastest."""
    if _wide_enough(network):
        nn.utils.convert_conv2d_weight_memory_format(network, torch.channels_last)
        nn.utils.convert_conv3d_weight_memory_format(network, torch.channels_last_3d)


def _layout(network: nn.Module, images: Tensor) -> torch.memory_format:
    if not _wide_enough(network):
        return torch.contiguous_format
    return torch.channels_last_3d if images.ndim == 5 else torch.channels_last


def _wide_enough(network: nn.Module) -> bool:
    """Whether every convolution has 8 kernels: with fewer, torch 2.13 ends the program when channels stand last."""
    widths = [one.out_channels for one in network.modules() if isinstance(one, nn.Conv2d | nn.Conv3d)]
    return bool(widths) and min(widths) >= NARROWEST


def _precision(recipe: Recipe, device: torch.device) -> AbstractContextManager[Any]:
    if recipe.training.precision == "fp32":
        return nullcontext()
    return torch.autocast(device.type, dtype=torch.bfloat16)


def _keep(state: State, lesson: Lesson) -> None:
    if lesson.checkpoint is not None:
        save(lesson.checkpoint, state, lesson.about)


@contextmanager
def _stopping() -> Iterator[threading.Event]:
    """Ctrl-C and a polite end are heard, and answered after the step and its checkpoint are done."""
    asked = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield asked
        return

    def hear(number: int, frame: FrameType | None) -> None:
        del number, frame
        asked.set()

    before: Sequence[Any] = [signal.signal(one, hear) for one in (signal.SIGINT, signal.SIGTERM)]
    try:
        yield asked
    finally:
        for one, handler in zip((signal.SIGINT, signal.SIGTERM), before, strict=True):
            signal.signal(one, handler)
