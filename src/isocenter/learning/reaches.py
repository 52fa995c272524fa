"""How far into an image each place of a map reaches, followed through the operations of a network.

Along an axis the first place sees a stretch of pixels, and each next place a stretch that lies `jump` pixels further. A
convolution or a pooling widens stretches by its window; where ways meet, a place sees what any of them has seen; a mean
over all places, a dense layer of all places and attention see everything. What an operation does that is not known here
is not guessed: nothing is said of what follows from it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import inf, isinf, prod
from typing import Any

import torch
from torch import Tensor

from isocenter.core.anatomy import ReceptiveField

Given = Sequence[Any]
"""What an operation is given, as torch passes it on."""

aten = torch.ops.aten


@dataclass(frozen=True, slots=True)
class Stretch:
    """The pixels along one axis: those of the first place, and how much further those of the next one lie."""

    first: float
    last: float
    jump: int

    def through(self, window: Window) -> Stretch:
        """What a place sees that looks at several places through a window."""
        first = self.first - window.padding * self.jump
        last = self.last + (window.dilation * (window.extent - 1) - window.padding) * self.jump
        return Stretch(first, last, self.jump * window.stride)


@dataclass(frozen=True, slots=True)
class Window:
    """A convolution or a pooling along one axis."""

    extent: int
    stride: int = 1
    padding: int = 0
    dilation: int = 1


WHOLE = Stretch(-inf, inf, 0)


@dataclass(frozen=True, slots=True)
class Reach:
    """What each place of a tensor sees along every axis, and how many numbers there are of one place."""

    stretches: tuple[Stretch, ...]
    channels: int

    def everywhere(self, channels: int | None = None) -> Reach:
        """The same for what sees all places."""
        return Reach((WHOLE,) * len(self.stretches), channels or self.channels)

    def through(self, windows: Sequence[Window], channels: int | None = None) -> Reach:
        """The same after a window along each axis, or each of the last: slices may be looked at one by one."""
        alone = [Window(1)] * (len(self.stretches) - len(windows))
        seen = (one.through(window) for one, window in zip(self.stretches, [*alone, *windows], strict=True))
        return Reach(tuple(seen), channels or self.channels)

    @property
    def field(self) -> ReceptiveField:
        """As it is told."""
        return ReceptiveField(
            size=tuple(None if isinf(one.first) else int(one.last - one.first) + 1 for one in self.stretches),
            stride=tuple(one.jump or None for one in self.stretches),
            offset=tuple(None if isinf(one.first) else (one.first + one.last) / 2 for one in self.stretches),
        )


class Reaches:
    """What the places of every tensor see that was made of an image."""

    def __init__(self, image: Tensor) -> None:
        # Tensors are kept: the place of one that is gone may be given to another.
        self._known: dict[int, tuple[Tensor, Reach | None]] = {}
        pixel = Stretch(0, 0, 1)
        self._keep(image, Reach((pixel,) * (image.ndim - 2), image.shape[1]))

    def of(self, tensor: Tensor) -> Reach | None:
        """What its places see; None where that is not known."""
        return self._known.get(id(tensor), (tensor, None))[1]

    def follow(self, operation: Any, given: Given, made: Any) -> None:
        """An operation was done: what it made sees what it was given, and more where it looked around."""
        sources = [self._known[id(one)][1] for one in _tensors(given) if id(one) in self._known]
        if not sources:
            return
        known = [one for one in sources if one is not None]
        # What sees everything does so whatever else it is given.
        enough = len(known) == len(sources) or (known and operation.overloadpacket in _GATHERED)
        reach = _after(operation, known, given) if enough else None
        for one in _tensors(made):
            self._keep(one, reach)

    def _keep(self, tensor: Tensor, reach: Reach | None) -> None:
        self._known[id(tensor)] = (tensor, reach)


def _tensors(values: Any) -> Iterator[Tensor]:
    """All tensors in what an operation is given, or gives."""
    if isinstance(values, Tensor):
        yield values
    elif isinstance(values, list | tuple):
        for value in values:
            yield from _tensors(value)


def _after(operation: Any, sources: Sequence[Reach], given: Given) -> Reach | None:
    packet, met = operation.overloadpacket, _met(sources)
    if packet in _IN_PLACE or torch.Tag.pointwise in operation.tags:
        return met
    rule = _RULES.get(packet)
    return None if rule is None else rule(met, given)


def _met(sources: Sequence[Reach]) -> Reach:
    """Where ways meet, a place sees what any of them has seen."""
    stretches = (
        Stretch(min(one.first for one in axis), max(one.last for one in axis), max(one.jump for one in axis))
        for axis in zip(*(source.stretches for source in sources), strict=True)
    )
    return Reach(tuple(stretches), max(source.channels for source in sources))


def _is_map(tensor: Tensor, reach: Reach) -> bool:
    """Whether it lies as maps do: case (or each of its slices), channel, places along every axis (of those)."""
    return 4 <= tensor.ndim <= len(reach.stretches) + 2 and tensor.shape[1] == reach.channels


def _convolved(reach: Reach, given: Given) -> Reach | None:
    _, weight, _, stride, padding, dilation, transposed, *_ = given
    if transposed:
        return None
    return reach.through(_windows(weight.shape[2:], stride, padding, dilation), weight.shape[0])


def _largest(reach: Reach, given: Given) -> Reach:
    kernel, stride, padding, dilation = [*given[1:5], *_LEFT_OUT[len(given) - 1 :]]
    return reach.through(_windows(kernel, stride or kernel, padding, dilation))


def _averaged(reach: Reach, given: Given) -> Reach:
    return _largest(reach, given[:4])


_LEFT_OUT: tuple[Any, ...] = (None, (), 0, 1)
"""What torch leaves out where a pooling is given it last: kernel (never), stride, padding, dilation."""


def _windows(kernel: Any, *others: Any) -> list[Window]:
    """A window for each axis from its extents, and from numbers that hold for one axis each, or for all of them."""
    several = [list(one) if isinstance(one, Sequence) else [one] for one in others]
    full = [one * len(kernel) if len(one) == 1 else one for one in several]
    return [Window(*numbers) for numbers in zip(kernel, *full, strict=True)]


def _padded(reach: Reach, given: Given) -> Reach:
    """Places were added before the first, the last axis told first."""
    before = list(given[1][::2])[::-1]
    axes = [0] * (len(reach.stretches) - len(before)) + before[-len(reach.stretches) :]
    moved = (
        Stretch(one.first - more * one.jump, one.last - more * one.jump, one.jump)
        for one, more in zip(reach.stretches, axes, strict=True)
    )
    return Reach(tuple(moved), reach.channels)


def _summed_up(reach: Reach, given: Given) -> Reach:
    """A mean or a largest along some directions: all places are seen along those of space."""
    tensor, dims = given[0], given[1] if len(given) > 1 else None
    if not _is_map(tensor, reach) or not dims:
        return reach.everywhere()
    among = {dim % tensor.ndim for dim in ([dims] if isinstance(dims, int) else dims)}
    before = tensor.ndim - len(reach.stretches)
    stretches = (WHOLE if axis >= 2 and axis in among else one for axis, one in enumerate(reach.stretches, before))
    return Reach(tuple(stretches), 1 if 1 in among else reach.channels)


def _joined(reach: Reach, given: Given) -> Reach:
    """Maps side by side."""
    tensors, dim = given[0], given[1] if len(given) > 1 else 0
    beside = dim == 1 and tensors[0].ndim == len(reach.stretches) + 2
    return Reach(reach.stretches, sum(one.shape[1] for one in tensors) if beside else reach.channels)


def _multiplied(reach: Reach, given: Given) -> Reach:
    """Rows times a matrix: of the numbers of one place each, or of the numbers of all places."""
    rows, matrix = given[-2:]
    width = matrix.shape[-1]
    alone = rows.shape[-1] == reach.channels
    return Reach(reach.stretches, width) if alone else reach.everywhere(width)


def _normalised(reach: Reach, given: Given) -> Reach:
    """Layer normalisation: over the numbers of one place, or over those of all."""
    return reach if prod(given[1]) == reach.channels else reach.everywhere()


def _turned(reach: Reach, given: Given) -> Reach | None:
    """Directions in another order: nothing is said of what follows once those of space have changed places."""
    tensor, *dims = given
    order = list(range(tensor.ndim))
    if len(dims) == 2:
        order[dims[0]], order[dims[1]] = order[dims[1]], order[dims[0]]
    else:
        order = [dim % tensor.ndim for dim in dims[0]]
    space = [dim for dim in order if dim >= 2]
    return None if _is_map(tensor, reach) and space != sorted(space) else reach


def _everywhere(reach: Reach, given: Given) -> Reach:
    del given
    return reach.everywhere()


_IN_PLACE = {
    *(aten.view, aten._unsafe_view, aten.t, aten.unsqueeze, aten.squeeze, aten.expand),
    *(aten.clone, aten.detach, aten.alias, aten._to_copy, aten.native_dropout),
    *(aten.native_batch_norm, aten._native_batch_norm_legit_no_training, aten.cudnn_batch_norm),
}
"""Operations that leave every number to its place, beside those that torch marks as such."""

_GATHERED = (aten.bmm, aten.baddbmm, aten._softmax)
"""Attention: every place gathers from all."""

_RULES: dict[Any, Callable[[Reach, Given], Reach | None]] = {
    aten.convolution: _convolved,
    **dict.fromkeys((aten.max_pool2d_with_indices, aten.max_pool3d_with_indices), _largest),
    **dict.fromkeys((aten.avg_pool2d, aten.avg_pool3d), _averaged),
    aten.constant_pad_nd: _padded,
    **dict.fromkeys((aten.mean, aten.sum, aten.amax, aten.amin), _summed_up),
    aten.cat: _joined,
    **dict.fromkeys((aten.transpose, aten.permute), _turned),
    **dict.fromkeys((aten.mm, aten.addmm), _multiplied),
    aten.native_layer_norm: _normalised,
    **dict.fromkeys(_GATHERED, _everywhere),
}
