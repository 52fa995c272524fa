"""Which cases a step sees: a pure function of seed and step, so that a resumed training goes on as if never stopped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """Prepared cases with their targets; the pixels may be mapped from disk.

    Attributes:
        pixels: (cases, channels, [slices,] rows, columns), as stored.
        targets: (cases, targets).
    """

    pixels: NDArray[Any]
    targets: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.targets)


class Order:
    """The endless order of the cases: each epoch all of them, shuffled anew; batches run over the ends of epochs."""

    def __init__(self, rows: Sequence[int] | NDArray[np.integer[Any]], *, batch: int, seed: Sequence[int]) -> None:
        self._rows = np.asarray(rows)
        self._batch = batch
        self._seed = list(seed)
        self._shuffled: dict[int, NDArray[np.integer[Any]]] = {}

    def at(self, step: int) -> NDArray[np.integer[Any]]:
        """The rows of one batch."""
        places = np.arange(step * self._batch, (step + 1) * self._batch)
        epochs, within = np.divmod(places, len(self._rows))
        return np.concatenate([self._epoch(int(epoch))[within[epochs == epoch]] for epoch in np.unique(epochs)])

    def _epoch(self, epoch: int) -> NDArray[np.integer[Any]]:
        if epoch not in self._shuffled:
            # Two epochs are enough: a batch never looks further back than the end of the one before.
            self._shuffled = {key: rows for key, rows in self._shuffled.items() if key == epoch - 1}
            self._shuffled[epoch] = np.random.default_rng([*self._seed, epoch]).permutation(self._rows)
        return self._shuffled[epoch]
