"""What classical models answer with, as layers: sums, trees, nearest cases; and one way to every kind of question.

A library teaches; what it found is copied into one of these layers. Each takes numbers (batch, width) to logits.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from isocenter.core.errors import UsageError
from isocenter.learning.estimator import Floats, Rows, by_column, shared_labels


@dataclass(frozen=True, slots=True, kw_only=True)
class Classed:
    """Cases of two or more classes, each of which some case shows.

    Attributes:
        numbers: (cases, width).
        labels: (cases,), from 0 on.
        shares: (cases,), how much each counts.
        count: of classes.
        seed: of whatever is drawn by chance.
    """

    numbers: NDArray[np.float32]
    labels: NDArray[np.integer[Any]]
    shares: Floats
    count: int
    seed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """Cases with a known number each, and how much each counts."""

    numbers: NDArray[np.float32]
    target: Floats
    shares: Floats
    seed: int


Classes = Callable[[Classed], nn.Module]
"""Learns logits (batch, classes)."""

Number = Callable[[Measured], nn.Module]
"""Learns an estimate (batch, 1)."""


def answered(rows: Rows, classes: Classes, number: Number | None) -> nn.Module:
    """Learn one of several classes, or each statement or number by itself from the cases where it is known."""
    if rows.kind == "softmax":
        return _one_of_classes(rows.numbers, rows.targets, rows.weights, rows.seed, classes)
    parts: list[nn.Module] = []
    for column, weights in zip(rows.targets.T, by_column(rows.weights, rows.targets).T, strict=True):
        known = ~np.isnan(column)
        numbers, target, shares = rows.numbers[known], column[known], weights[known]
        if not known.any():
            parts.append(Constant(np.zeros(1, np.float32)))
        elif rows.kind == "sigmoid":
            both = np.stack([1 - target, target], axis=1)
            parts.append(Difference(_one_of_classes(numbers, both, shares, rows.seed, classes)))
        elif number is None:
            raise UsageError(
                "This model tells classes apart and estimates no numbers",
                remedy="Take another one with `--model`: `isocenter list models` names them",
            )
        else:
            parts.append(number(Measured(numbers=numbers, target=target, shares=shares, seed=rows.seed)))
    return SideBySide(parts)


def _one_of_classes(
    numbers: NDArray[np.float32], targets: Floats, weights: Floats, seed: int, classes: Classes
) -> nn.Module:
    """The classes that some case shows are learned; the others are as likely as one case more would have made them."""
    case, label, shares = shared_labels(targets, weights)
    seen, labels = np.unique(label, return_inverse=True)
    inner: nn.Module = Constant(np.zeros(len(seen), np.float32))
    if len(seen) > 1:
        inner = classes(Classed(numbers=numbers[case], labels=labels, shares=shares, count=len(seen), seed=seed))
    if len(seen) == targets.shape[1]:
        return inner
    return Placed(inner, seen, targets.shape[1], -float(np.log1p(shares.sum())))


class Constant(nn.Module):
    """The same answer to everything."""

    def __init__(self, values: NDArray[np.float32]) -> None:
        super().__init__()
        self.values = learned(values)

    def forward(self, numbers: Tensor) -> Tensor:
        """It, for each row."""
        return self.values.expand(numbers.shape[0], -1)


class Placed(nn.Module):
    """Logits of some classes among those of all; the others have a fixed one, below the logarithm of a whole."""

    def __init__(self, inner: nn.Module, seen: NDArray[np.integer[Any]], count: int, other: float) -> None:
        super().__init__()
        self.inner = inner
        self.places = [list(seen).index(place) if place in seen else -1 for place in range(count)]
        self.other = other

    def forward(self, numbers: Tensor) -> Tensor:
        """Logits of all classes."""
        told = torch.log_softmax(self.inner(numbers), dim=1)
        other = torch.full_like(told[:, :1], self.other)
        return torch.cat([told[:, place : place + 1] if place >= 0 else other for place in self.places], dim=1)


class Difference(nn.Module):
    """Of two classes, how much more the second is likely: the logit of a statement."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, numbers: Tensor) -> Tensor:
        """One column."""
        logits = self.inner(numbers)
        answer: Tensor = logits[:, 1:2] - logits[:, 0:1]
        return answer


class Halves(nn.Module):
    """The logit of the second of two classes as logits of both."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, numbers: Tensor) -> Tensor:
        """Two columns, alike but for the sign."""
        half = self.inner(numbers) / 2
        return torch.cat([-half, half], dim=1)


class SideBySide(nn.Module):
    """The answers of several, a column each."""

    def __init__(self, parts: Sequence[nn.Module]) -> None:
        super().__init__()
        self.parts = nn.ModuleList(parts)

    def forward(self, numbers: Tensor) -> Tensor:
        """All columns."""
        return torch.cat([part(numbers) for part in self.parts], dim=1)


class Logarithm(nn.Module):
    """Shares of classes as logits; none is certain, as if each class had been seen once more."""

    def __init__(self, shares: nn.Module, cases: float) -> None:
        super().__init__()
        self.shares = shares
        self.cases = cases

    def forward(self, numbers: Tensor) -> Tensor:
        """Logits."""
        shares = self.shares(numbers)
        answer: Tensor = torch.log((shares * self.cases + 1.0) / (self.cases + shares.shape[1]))
        return answer


def learned(values: NDArray[Any]) -> nn.Parameter:
    """What a library learned, as part of a layer that learns no more; whole numbers count as well."""
    return nn.Parameter(torch.from_numpy(values), requires_grad=False)


def weighted_sum(weight: Floats, bias: Floats) -> nn.Linear:
    """A sum of the numbers for each output: weight (outputs, width) and bias (outputs,)."""
    linear = nn.Linear(weight.shape[1], len(weight))
    with torch.no_grad():
        linear.weight.copy_(torch.from_numpy(np.asarray(weight, dtype=np.float32)))
        linear.bias.copy_(torch.from_numpy(np.asarray(bias, dtype=np.float32)))
    return linear.requires_grad_(False)


def distances(numbers: Tensor, known: Tensor) -> Tensor:
    """Squared distances (batch, known) of rows."""
    squares = (numbers**2).sum(1, keepdim=True) + (known**2).sum(1)
    return torch.clamp(squares - 2.0 * nn.functional.linear(numbers, known), min=0.0)


class Likeness(nn.Module):
    """A weighted sum of how alike a row is to known ones: what a support vector machine answers with."""

    def __init__(self, known: Floats, weight: Floats, bias: Floats, narrowness: float) -> None:
        super().__init__()
        self.known = learned(np.asarray(known, dtype=np.float32))
        self.sum = weighted_sum(weight, bias)
        self.narrowness = narrowness

    def forward(self, numbers: Tensor) -> Tensor:
        """The sums."""
        answer: Tensor = self.sum(torch.exp(-self.narrowness * distances(numbers, self.known)))
        return answer


class Nearest(nn.Module):
    """What is known of the nearest cases, averaged."""

    def __init__(self, known: Floats, told: Floats, weight: Floats, count: int) -> None:
        super().__init__()
        self.known = learned(np.asarray(known, dtype=np.float32))
        self.weight = learned(np.asarray(weight, dtype=np.float32))
        self.told = learned(np.asarray(told, dtype=np.float32))
        self.count = min(count, len(known))

    def forward(self, numbers: Tensor) -> Tensor:
        """Averages (batch, columns)."""
        nearest = torch.topk(distances(numbers, self.known), self.count, dim=1, largest=False).indices
        weight = self.weight[nearest].unsqueeze(-1)
        return (self.told[nearest] * weight).sum(1) / weight.sum(1)


class Curved(nn.Module):
    """A sum of the numbers and of their squares: what normal distributions of a class each answer with."""

    def __init__(self, squared: Floats, straight: Floats, bias: Floats) -> None:
        super().__init__()
        self.squared = weighted_sum(squared, np.zeros(len(squared)))
        self.straight = weighted_sum(straight, bias)

    def forward(self, numbers: Tensor) -> Tensor:
        """The sums."""
        answer: Tensor = self.squared(numbers**2) + self.straight(numbers)
        return answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    """Decisions one after the other: left where a number is not above a threshold. A leaf leads to itself.

    Attributes:
        column: of the number that each node looks at.
        threshold: in double precision, as it was learned.
        left, right: the node that follows.
        value: (nodes, columns), of the leaves.
    """

    column: NDArray[np.integer[Any]]
    threshold: Floats
    left: NDArray[np.integer[Any]]
    right: NDArray[np.integer[Any]]
    value: Floats

    @property
    def depth(self) -> int:
        """Decisions on the longest way."""
        longest, level = 0, np.array([0])
        while len(level := level[self.left[level] != level]):
            longest += 1
            level = np.concatenate([self.left[level], self.right[level]])
        return longest


class Trees(nn.Module):
    """The mean or the sum of the leaves that a row falls into.

    All trees are walked at once, a decision at a time: as many steps as the deepest has levels.
    """

    column: nn.Parameter
    left: nn.Parameter
    right: nn.Parameter
    roots: nn.Parameter

    def __init__(self, trees: Sequence[Tree], *, mean: bool) -> None:
        super().__init__()
        roots = np.cumsum([0, *(len(tree.column) for tree in trees[:-1])])
        follow = {
            side: np.concatenate([getattr(tree, side) + root for tree, root in zip(trees, roots, strict=True)])
            for side in ("left", "right")
        }
        held = {"column": np.concatenate([tree.column for tree in trees]), **follow, "roots": roots}
        for name, values in held.items():
            self.register_parameter(name, learned(values.astype(np.int64)))
        self.threshold = learned(_single(np.concatenate([one.threshold for one in trees])))
        self.value = learned(np.concatenate([tree.value for tree in trees]).astype(np.float32))
        self.depth = max(tree.depth for tree in trees)
        self.mean = mean

    def forward(self, numbers: Tensor) -> Tensor:
        """Answers (batch, columns)."""
        nodes = self.roots.unsqueeze(0).expand(numbers.shape[0], -1)
        for _ in range(self.depth):
            below = numbers.gather(1, self.column[nodes]) <= self.threshold[nodes]
            nodes = torch.where(below, self.left[nodes], self.right[nodes])
        leaves = self.value[nodes]
        return leaves.mean(1) if self.mean else leaves.sum(1)


def _single(thresholds: Floats) -> NDArray[np.float32]:
    """The largest single-precision numbers that are not above: no number of that precision lies between."""
    near = thresholds.astype(np.float32)
    lower: NDArray[np.float32] = np.where(near > thresholds, np.nextafter(near, np.float32(-np.inf)), near)
    return lower


def tree_of(learned: Any, value: Floats) -> Tree:
    """A tree of scikit-learn (its `tree_`) with what its leaves say."""
    own = np.arange(learned.node_count)
    leaf = learned.children_left < 0
    return Tree(
        column=np.where(leaf, 0, learned.feature),
        threshold=np.where(leaf, 0.0, learned.threshold),
        left=np.where(leaf, own, learned.children_left),
        right=np.where(leaf, own, learned.children_right),
        value=value,
    )
