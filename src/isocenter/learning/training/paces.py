"""How fast each layer learns: as fast as the others, slower where it begins with given weights, or not at all."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from torch import nn

from isocenter.core.recipe import TrainingRecipe

SHARE, FROM = "share", "from"
"""Names in a group of the optimiser: its share of the rate, and the step from which on it learns."""


def groups_of(network: nn.Module, given: Collection[str], training: TrainingRecipe) -> list[dict[str, Any]]:
    """The groups of an optimiser: weights are drawn back, biases and scales are not; given ones learn at their pace.

    Args:
        network: whose parameters learn.
        given: names of those that begin with given weights.
        training: the pace.
    """
    named = list(network.named_parameters())
    free = [one for name, one in named if name not in given]
    groups = _parted(free, 1.0, 0, training)
    layers: dict[str, list[Any]] = {}
    for name, one in named:
        if name in given:
            layers.setdefault(_layer(name), []).append(one)
    for place, parameters in enumerate(reversed(layers.values())):
        share = training.weights_rate * training.layer_decay**place
        begin = round(training.unfreeze * training.steps * (place + 1) / len(layers))
        groups += _parted(parameters, share, begin, training)
        for one in parameters:
            one.requires_grad_(share > 0)
    return groups


def paced(group: dict[str, Any], rate: float, step: int) -> float:
    """The rate of one group at a step."""
    return rate * float(group[SHARE]) if step >= group[FROM] else 0.0


def hold_still(network: nn.Module) -> None:
    """Let layers that do not learn be as at work: their statistics of the cases do not move either."""
    for layer in network.modules():
        own = list(layer.parameters(recurse=False))
        if own and not any(one.requires_grad for one in own):
            layer.eval()


def _parted(parameters: list[Any], share: float, begin: int, training: TrainingRecipe) -> list[dict[str, Any]]:
    drawn_back = [one for one in parameters if one.ndim > 1]
    others = [one for one in parameters if one.ndim <= 1]
    pace = {SHARE: share, FROM: begin}
    found = [
        {"params": drawn_back, "weight_decay": training.weight_decay, **pace},
        {"params": others, "weight_decay": 0.0, **pace},
    ]
    return [one for one in found if one["params"]]


def _layer(name: str) -> str:
    """The layer, or the block of layers, that a parameter belongs to."""
    return ".".join(name.split(".")[:-1][:2])
