"""The layers of a network: what each is, what it gives, what it costs, and how much of the image its places see.

Nothing is computed: a copy of the network without numbers (torch's `meta` device) is shown an image without pixels, and
every operation is looked at as it goes by.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from isocenter.core.anatomy import Layer, ReceptiveField
from isocenter.learning.models._shared import InputForm, Network, count_parameters
from isocenter.learning.reaches import Reaches

_BYTES = 4
"""Of a number in single precision."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Anatomy:
    """A network as a table.

    Attributes:
        layers: in the order in which an image has passed them.
        last: form of the last map: channels, places.
        receptive_field: what each place of the last map sees; None where that cannot be told.
        parameters: of the whole network.
        resting: of those, the ones of layers that an image does not pass at work.
    """

    layers: tuple[Layer, ...]
    last: tuple[int, ...]
    receptive_field: ReceptiveField | None
    parameters: int
    resting: int


def anatomy(network: Network, form: InputForm) -> Anatomy:
    """Look at a network, which is left as it is."""
    still = copy.deepcopy(network).to("meta").eval()
    image = torch.empty((1, form.channels, *form.shape), device="meta")
    walk = _Walk(still, image)
    with torch.no_grad(), _watched(walk.see):
        _, features, _ = still(image)
    reach = walk.reaches.of(features)
    parameters = count_parameters(network)
    return Anatomy(
        layers=tuple(walk.layers),
        last=tuple(features.shape[1:]),
        receptive_field=None if reach is None else reach.field,
        parameters=parameters,
        resting=parameters - sum(layer.parameters for layer in walk.layers),
    )


@dataclass(slots=True)
class _Visit:
    """A part of the network that is being passed, and the products that it has computed itself, without its parts."""

    name: str
    flops: int = 0


def _watched(see: Callable[[Any, Any, Any], Any]) -> AbstractContextManager[Any]:
    """Have every operation of torch done by a function."""

    def dispatched(_mode: Any, operation: Any, _types: Any, given: Any = (), named: Any = None) -> Any:
        return see(operation, given, named or {})

    # Not written as a class because torch's is not typed.
    kind: Any = type("Watched", (TorchDispatchMode,), {"__torch_dispatch__": dispatched})
    mode: AbstractContextManager[Any] = kind()
    return mode


class _Walk:
    """Watches an image pass a network."""

    def __init__(self, network: nn.Module, image: Tensor) -> None:
        self.layers: list[Layer] = []
        self.reaches = Reaches(image)
        self._open = [_Visit("")]
        self._counted: set[int] = set()
        for name, part in network.named_modules():
            part.register_forward_pre_hook(partial(self._enter, name))
            part.register_forward_hook(self._leave)

    def see(self, operation: Any, given: Any, named: Any) -> Any:
        """One operation: done, counted, and followed."""
        made = operation(*given, **named)
        formula = flop_registry.get(operation.overloadpacket)
        if formula is not None:
            self._open[-1].flops += formula(*given, **named, out_val=made)
        self.reaches.follow(operation, given, made)
        return made

    def _enter(self, name: str, part: nn.Module, given: Any) -> None:
        del part, given
        self._open.append(_Visit(name))

    def _leave(self, part: nn.Module, given: Any, made: Any) -> None:
        """A part was passed: it is a layer where it has no parts, or has or computes something beside them."""
        visit = self._open.pop()
        own = [one for one in part.parameters(recurse=False) if id(one) not in self._counted]
        empty = isinstance(part, nn.Identity | nn.Sequential) or next(part.children(), None) is not None
        if empty and not visit.flops and not own:
            return
        self._counted.update(id(one) for one in own)
        output = made[0] if isinstance(made, tuple) else made
        reach = self.reaches.of(output)
        kept = any(output is one for one in given)
        self.layers.append(
            Layer(
                name=visit.name,
                kind=_kind(part),
                kernel=_kernel(part, output),
                output=tuple(output.shape[1:]),
                parameters=sum(one.numel() for one in own),
                multiply_adds=visit.flops // 2,
                megabytes=0.0 if kept else output.numel() * _BYTES / 1e6,
                receptive_field=None if reach is None else reach.field,
            )
        )


def _kind(part: nn.Module) -> str:
    """The name of torch's layer, where it is one or follows from one."""
    for kind in type(part).__mro__:
        if kind.__module__.startswith("torch.nn.modules.") and kind not in (nn.Module, nn.Sequential):
            return kind.__name__
    return type(part).__name__


def _kernel(part: nn.Module, output: Tensor) -> tuple[int, ...]:
    """The window of a convolution or a pooling."""
    size: Any = getattr(part, "kernel_size", ())
    return (size,) * (output.ndim - 2) if isinstance(size, int) else tuple(size)
