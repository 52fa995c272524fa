"""Weights that were learned before: read from a file, and laid into a network whose layers bear the same names.

Networks of the shelf carry the names of the well-known weights (torchvision's for images, MedicalNet's for volumes).
The head is left to chance where it answers other questions, and a first layer that was made for other channels is
adapted. What is taken, and what is not, is told: a network that took little of what it was given is refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from isocenter.core.errors import Unreadable, UsageError
from isocenter.core.words import listed
from isocenter.learning.models._shared import Network

Tensors = Mapping[str, Tensor]

_WRAPPED = ("state_dict", "model", "model_state_dict", "network", "weights")
"""Under these names weights lie where a file holds more than them."""

_PREFIXES = ("module.", "model.", "backbone.", "encoder.", "network.", "net.")
"""What programs set before the names of layers."""

OWN = "normalise."
"""The mean and deviation of the cases, which no foreign weights know."""

LEAST = 0.5
"""Share of a network's numbers that given weights must fill."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What became of given weights.

    Attributes:
        names: of the network's weights that were filled.
        adapted: of those, the ones that were made for another number of channels.
        left: of the network's weights that are left to chance.
        unused: of the given weights, which the network has no place for.
        body: of those that were filled, all but the head's, which always learns as fast as it can.
    """

    names: frozenset[str]
    adapted: tuple[str, ...]
    left: tuple[str, ...]
    unused: tuple[str, ...]
    body: frozenset[str]

    def __str__(self) -> str:
        """In a sentence."""
        told = [f"{len(self.names)} arrays are taken"]
        if self.adapted:
            told.append(f"{listed(self.adapted)} adapted to the channels")
        if self.left:
            told.append(f"{listed(self.left, most=4)} begin from chance")
        if self.unused:
            told.append(f"no place for {listed(self.unused, most=4)}")
        return f"Weights: {'; '.join(told)}."


def read_weights(path: Path) -> dict[str, Tensor]:
    """The weights in a safetensors file or in a file of torch; nothing in it is run."""
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return dict(load_file(path))
        held = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise UsageError(f"{path} is not there", remedy="Give a file of weights, an address, or a model") from error
    except Exception as error:
        raise Unreadable(str(path), why=f"holds no weights that can be read safely: {_first_line(error)}") from error
    return tensors_of(held, str(path))


def tensors_of(held: Any, source: str) -> dict[str, Tensor]:
    """The weights in what a file of torch held, which may lie under a name of its own."""
    for _ in _WRAPPED:
        inner = next((held[name] for name in _WRAPPED if _is_mapping(held) and _is_mapping(held.get(name))), None)
        if inner is None:
            break
        held = inner
    found = {str(name): value for name, value in held.items() if torch.is_tensor(value)} if _is_mapping(held) else {}
    if not found:
        raise Unreadable(source, why="holds no named weights")
    return found


def lay_in(network: Network, given: Tensors, *, member: int = 0) -> Taken:
    """Fill a network with weights of the same names.

    Args:
        network: is changed.
        given: names to weights, as another program wrote them, or as a model file of ours holds them.
        member: of a model of several members, each begins with another one's.
    """
    own = network.state_dict()
    named = _renamed(of_member(given, member), own)
    first, last = _first_convolution(network), _head(network)
    filled: dict[str, Tensor] = {}
    adapted: list[str] = []
    unlike: list[str] = []
    for name, wanted in own.items():
        value = named.get(name)
        if value is None or name.startswith(OWN):
            continue
        if value.shape == wanted.shape:
            filled[name] = value
        elif name == first and _differs_in_channels(value, wanted):
            filled[name] = _for_channels(value, wanted.shape[1])
            adapted.append(name)
        elif name not in last:
            unlike.append(f"{name} {tuple(value.shape)} for {tuple(wanted.shape)}")
    _require_enough(network, filled, unlike, named)
    with torch.no_grad():
        for name, value in filled.items():
            own[name].copy_(value)
    left = tuple(name for name in own if name not in filled and not name.startswith(OWN))
    names = frozenset(filled)
    unused = tuple(name for name in named if name not in own)
    return Taken(names=names, adapted=tuple(adapted), left=left, unused=unused, body=names - last)


def _require_enough(network: Network, filled: Tensors, unlike: list[str], named: Tensors) -> None:
    """Refuse weights of another network: what is left of them would be called pre-trained and is not."""
    parameters = dict(network.named_parameters())
    total = sum(one.numel() for name, one in parameters.items())
    share = sum(parameters[name].numel() for name in filled if name in parameters) / max(total, 1)
    if unlike:
        raise UsageError(
            "The weights are those of a network of another width or form",
            why=listed(unlike, most=3),
            remedy="Set the model up as theirs was, such as `--set model.settings.width=64`",
        )
    if share < LEAST and not _only_head_is_left(network, filled):
        raise UsageError(
            f"The weights fill {share:.0%} of this network",
            why=f"theirs are named {listed(sorted(named), most=3)}, its own {listed(list(parameters), most=3)}",
            remedy="Choose the model that they were learned with, by `--model` and `--set model.settings...`",
        )


def _only_head_is_left(network: Network, filled: Tensors) -> bool:
    return bool(filled) and {name for name, _ in network.named_parameters()} - set(filled) <= _head(network)


def of_member(given: Tensors, member: int) -> Tensors:
    """Of an ensemble's weights those of one member."""
    numbers = sorted({int(name.split(".")[1]) for name in given if _is_of_member(name)})
    if not numbers:
        return given
    lead = f"members.{numbers[member % len(numbers)]}."
    return {name.removeprefix(lead): value for name, value in given.items() if name.startswith(lead)}


def _is_of_member(name: str) -> bool:
    parts = name.split(".")
    return len(parts) > 2 and parts[0] == "members" and parts[1].isdigit()


def _renamed(given: Tensors, own: Iterable[str]) -> Tensors:
    """The weights without as much of what programs set before their names as brings most of them into place."""
    known = set(own)
    tried = [given]
    while any(name.startswith(_PREFIXES) for name in tried[-1]):
        tried.append({_shorter(name): value for name, value in tried[-1].items()})
    return max(tried, key=lambda one: len(known & one.keys()))


def _shorter(name: str) -> str:
    lead = next((one for one in _PREFIXES if name.startswith(one)), "")
    return name.removeprefix(lead)


def _first_convolution(network: nn.Module) -> str | None:
    for name, layer in network.named_modules():
        if isinstance(layer, nn.Conv2d | nn.Conv3d):
            return f"{name}.weight"
    return None


def _head(network: Network) -> set[str]:
    """The last dense layer, which answers, and the parts that answer on the way."""
    dense = [name for name, layer in network.named_modules() if isinstance(layer, nn.Linear)]
    last = {f"{dense[-1]}.weight", f"{dense[-1]}.bias"} if dense else set()
    return last | {name for name in network.state_dict() if name.split(".")[0] in network.asides}


def _differs_in_channels(value: Tensor, wanted: Tensor) -> bool:
    return value.ndim == wanted.ndim and value.shape[0] == wanted.shape[0] and value.shape[2:] == wanted.shape[2:]


def _for_channels(value: Tensor, channels: int) -> Tensor:
    """A first layer for another number of channels: what it sees of an image that is alike in all stays the same."""
    mean = value.sum(1, keepdim=True) / channels
    return mean.expand(-1, channels, *value.shape[2:]).contiguous()


def _is_mapping(held: Any) -> bool:
    return isinstance(held, Mapping)


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0] or type(error).__name__
