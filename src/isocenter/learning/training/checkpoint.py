"""Checkpoints: everything a training needs to go on bit for bit, in one file that is whole or not there.

Chance needs no place in it: every draw is a function of seed and step. The file is safetensors with the scalars as
JSON in its header; nothing in it can run.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from isocenter.core.errors import StorageProblem
from isocenter.storage.atomic import atomic_write


@dataclass(slots=True, kw_only=True)
class State:
    """Where a member's training stands.

    Attributes:
        network: learns.
        optimiser: its memory.
        average: the running average of the weights, where one is kept.
        step: steps that are done.
        best: the best look so far, and how many looks ago it was.
        finished: whether there is nothing left to do.
    """

    network: nn.Module
    optimiser: torch.optim.Optimizer
    average: dict[str, Tensor] | None = None
    step: int = 0
    best: float | None = None
    since_best: int = 0
    finished: bool = False


def save(path: Path, state: State, about: str) -> None:
    """Write a checkpoint in place of the one before; `about` names the training that it belongs to."""
    from safetensors.torch import save_file

    tensors = {f"network.{name}": value for name, value in state.network.state_dict().items()}
    tensors |= {f"average.{name}": value for name, value in (state.average or {}).items()}
    memory = state.optimiser.state_dict()["state"]
    scalars: dict[str, Any] = {"step": state.step, "best": state.best, "since_best": state.since_best}
    scalars["finished"] = state.finished
    for number, values in memory.items():
        tensors |= {f"optimiser.{number}.{name}": value for name, value in values.items() if torch.is_tensor(value)}
    plain = {name: value.detach().cpu().contiguous().clone() for name, value in tensors.items()}
    with atomic_write(path) as temporary:
        save_file(plain, temporary, metadata={"state": json.dumps(scalars), "about": about})


def load(path: Path, state: State, about: str) -> bool:
    """Bring a state back to where its checkpoint stands; False where there is none."""
    if not path.is_file():
        return False
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata()
            scalars = json.loads(header["state"])
            names: list[str] = file.keys()
            tensors = {name: file.get_tensor(name) for name in names}
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        raise StorageProblem(
            f"The checkpoint {path} cannot be read",
            why=str(error),
            remedy="Delete it, and its part of the training begins again",
        ) from error
    if header.get("about") != about:
        raise StorageProblem(
            f"The checkpoint {path} belongs to another training",
            why="the recipe, the seed or the cases have changed since",
            remedy="Train into another folder, or delete this one's checkpoints to begin again",
        )
    _restore(state, tensors)
    state.step, state.best = scalars["step"], scalars["best"]
    state.since_best, state.finished = scalars["since_best"], scalars["finished"]
    return True


def _restore(state: State, tensors: dict[str, Tensor]) -> None:
    state.network.load_state_dict(_part(tensors, "network."))
    if state.average is not None:
        for name, value in _part(tensors, "average.").items():
            state.average[name].copy_(value)
    weights = [weight for group in state.optimiser.param_groups for weight in group["params"]]
    memory: dict[int, dict[str, Tensor]] = {}
    for name, value in _part(tensors, "optimiser.").items():
        number, key = name.split(".", 1)
        memory.setdefault(int(number), {})[key] = _laid_like(weights[int(number)], value)
    plan = state.optimiser.state_dict()
    state.optimiser.load_state_dict({"state": memory, "param_groups": plan["param_groups"]})


def _laid_like(weight: Tensor, value: Tensor) -> Tensor:
    """The value in the weight's order in memory: fused optimisers walk through both side by side."""
    return torch.empty_like(weight).copy_(value).detach() if value.shape == weight.shape else value


def _part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
