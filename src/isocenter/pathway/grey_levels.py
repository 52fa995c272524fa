"""Grey levels: values counted in steps, how evenly they are spread, and which of them lie side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Floats = NDArray[np.float64]


def graded(values: Array, span: tuple[float, float], count: int) -> NDArray[np.int32]:
    """In which of so many equal parts of a range each value lies, from 0; the nearer end for what lies outside."""
    low, high = span
    parts = np.floor((values.astype(np.float64) - low) / (high - low) * count)
    return np.clip(parts, 0, count - 1).astype(np.int32)


def steps_of(values: Floats, width: float) -> Floats:
    """The grey levels of radiomics: steps of one width that begin at its multiples; the lowest that occurs is 0."""
    steps: Floats = np.floor(values / width)
    steps -= steps.min()
    return steps


def entropy(shares: Array) -> float:
    """How evenly shares are spread, in bits: 0 where one has all."""
    known = shares[shares > 0]
    # adding 0 turns the -0 of a single share into 0
    return float(-(known * np.log2(known)).sum()) + 0.0


def directions(dimensions: int) -> list[tuple[int, ...]]:
    """The 4 lines through a pixel to its neighbours in an image, the 13 in a volume."""
    # of each line, the one of its two ways that goes forward on the first axis on which it moves
    return [step for step in product((-1, 0, 1), repeat=dimensions) if step > (0,) * dimensions]


def pairs(levels: NDArray[np.int32], steps: Sequence[Sequence[int]]) -> list[Pairs]:
    """How often grey levels lie side by side, for each direction in which any do.

    Where no two pixels are neighbours in any direction, each pixel counts as its own.

    Args:
        levels: ([slice,] row, column), from 0; -1 where nothing is counted.
        steps: from a pixel to its neighbour; the way back is counted as well.
    """
    count = int(levels.max()) + 1
    tables = [_table(levels, step, count) for step in steps]
    found = [table for table in tables if table.any()]
    alone = np.diag(np.bincount(levels[levels >= 0], minlength=count))
    return [Pairs(table / table.sum()) for table in found or [alone]]


def _table(levels: NDArray[np.int32], step: Sequence[int], count: int) -> Array:
    """How often each level (row) lies beside each other (column) in one direction, there and back."""
    here, there = [], []
    for length, far in zip(levels.shape, step, strict=True):
        here.append(slice(max(0, -far), max(0, length - max(0, far))))
        there.append(slice(max(0, far), max(0, length - max(0, -far))))
    one, other = levels[tuple(here)], levels[tuple(there)]
    both = (one >= 0) & (other >= 0)
    table = np.bincount(one[both] * count + other[both], minlength=count**2).reshape(count, count)
    return table + table.T


@dataclass(frozen=True)
class Pairs:
    """A grey-level co-occurrence matrix and the features that follow from it.

    Attributes:
        share: of all pairs of neighbours, those of one level (row) and another (column); symmetrical, sums to 1.
    """

    share: Floats

    @cached_property
    def own(self) -> Floats:
        """The share of each level."""
        own: Floats = self.share.sum(axis=1)
        return own

    @cached_property
    def apart(self) -> Floats:
        """The share of pairs whose levels lie 0, 1, 2 ... apart."""
        level = np.arange(len(self.share))
        apart: Floats = np.bincount(np.abs(level[:, None] - level).ravel(), self.share.ravel()).astype(np.float64)
        return apart

    @cached_property
    def mean(self) -> float:
        """The mean level, counted from 0."""
        return float(np.arange(len(self.own)) @ self.own)

    @cached_property
    def variance(self) -> float:
        """How far levels lie from their mean, squared."""
        return float(np.square(np.arange(len(self.own)) - self.mean) @ self.own)

    @property
    def contrast(self) -> float:
        """How far neighbours lie apart, squared."""
        return float(np.square(np.arange(len(self.apart))) @ self.apart)

    @property
    def dissimilarity(self) -> float:
        """How far neighbours lie apart."""
        return float(np.arange(len(self.apart)) @ self.apart)

    @property
    def homogeneity(self) -> float:
        """1 where neighbours are alike, less the farther they lie apart, squared."""
        return float((self.apart / (1 + np.square(np.arange(len(self.apart))))).sum())

    @property
    def angular_second_moment(self) -> float:
        """1 where there is one kind of pair only."""
        return float(np.square(self.share).sum())

    @property
    def entropy(self) -> float:
        """How many kinds of pairs there are, in bits."""
        return entropy(self.share)

    @property
    def correlation(self) -> float:
        """How well a level tells that of its neighbour; 1 where there is one level only."""
        # a single level has no variance, so that rounding is told from a spread by counting
        if np.count_nonzero(self.own) == 1:
            return 1.0
        return 1.0 - self.contrast / (2.0 * self.variance)
