"""A classical model: an image as a row of numbers, and what was learned of such rows as a network of fixed weights.

Images are averaged down to a bounded number of pixels and standardised; on request, the numbers that follow the answer
most closely are kept, or their principal components. All of that is learned from the training cases that a model is
given, and from no others. Because everything ends as a network, a forest is exported, checked, explained and averaged
exactly as a convolutional network is, and nobody needs the library that taught it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import floor, prod
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor, nn

from isocenter.core.errors import UsageError
from isocenter.learning.models._shared import Combine, InputForm, ModelSettings, Network

Floats = NDArray[np.floating[Any]]

CHUNK = 256
"""Cases that are taken at a time."""

SMALLEST_SPREAD = 1e-6
"""A number that varies less than this over the training cases is left as it is."""


class RowSettings(ModelSettings):
    """What can be set of every classical model."""

    pixels: int = Field(default=1024, ge=1)
    """Most numbers, over all channels, that an image is averaged down to; a row of features is left whole."""
    best: int | None = Field(default=None, ge=1)
    """How many numbers are kept: those that go most closely with the answer. All unless given."""
    components: int | None = Field(default=None, ge=1)
    """How many principal components the numbers are brought down to. None unless given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """What a classical model learns from.

    Attributes:
        numbers: standardised, (cases, width).
        targets: (cases, outputs); NaN where a statement is not known.
        weights: (cases,), or (cases, outputs) where each statement has its own.
        kind: how outputs will be read.
        seed: of whatever is drawn by chance.
    """

    numbers: NDArray[np.float32]
    targets: NDArray[np.float32]
    weights: NDArray[np.float32]
    kind: Combine
    seed: int


Learn = Callable[[Rows], nn.Module]
"""Rows -> what turns numbers (batch, width) into logits (batch, outputs)."""


class RowNetwork(Network):
    """Averaged pixels, standardised, chosen or brought down; what was learned answers.

    Its numbers are compared with thresholds and with other numbers, so that half precision would turn answers: it
    computes in single precision wherever it is asked.
    """

    centre: Tensor
    spread: Tensor

    def __init__(self, settings: RowSettings, form: InputForm) -> None:
        super().__init__(form)
        extents = form.shape if is_row(form) else averaged_extents(form, settings.pixels)
        self.averaged = [axis for axis, extent in enumerate(extents) if extent < form.shape[axis]]
        for axis in self.averaged:
            matrix = torch.from_numpy(area_matrix(form.shape[axis], extents[axis]))
            self.register_buffer(f"areas{axis}", matrix, persistent=False)
        width = form.channels * prod(extents)
        self.register_buffer("centre", torch.zeros(width))
        self.register_buffer("spread", torch.ones(width))
        self.brought_down: nn.Module = nn.Identity()
        self.answer: nn.Module = nn.Identity()

    def features(self, normalised: Tensor) -> Tensor:
        """The image, averaged down."""
        with torch.autocast(normalised.device.type, enabled=False):
            for axis in self.averaged:
                areas = self.get_buffer(f"areas{axis}")
                normalised = torch.matmul(normalised.transpose(axis + 2, -1), areas).transpose(axis + 2, -1)
        return normalised

    def head(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Logits, and the numbers that they follow from."""
        with torch.autocast(features.device.type, enabled=False):
            numbers = self.brought_down((features.flatten(1) - self.centre) / self.spread)
            return self.answer(numbers), numbers


class Chosen(nn.Module):
    """Some of the numbers."""

    def __init__(self, places: NDArray[np.integer[Any]]) -> None:
        super().__init__()
        self.places = nn.Parameter(torch.from_numpy(np.sort(places).astype(np.int64)), requires_grad=False)

    def forward(self, numbers: Tensor) -> Tensor:
        """Those that were chosen."""
        return numbers.index_select(1, self.places)


class Components(nn.Module):
    """Principal components: sums of the numbers along which cases differ most."""

    def __init__(self, axes: Floats) -> None:
        super().__init__()
        self.axes = nn.Parameter(torch.from_numpy(np.array(axes, dtype=np.float32)), requires_grad=False)

    def forward(self, numbers: Tensor) -> Tensor:
        """Each case along each axis."""
        return nn.functional.linear(numbers, self.axes)


class RowEstimator:
    """Learns what turns a row of numbers into answers; fits `models._shared.Estimator`."""

    def __init__(self, settings: RowSettings, form: InputForm, outputs: int, learn: Learn) -> None:
        self.settings = settings
        self.outputs = outputs
        self._learn = learn
        self._network = RowNetwork(settings, form)
        self._fitted = False

    def fit(
        self,
        pixels: NDArray[Any],
        targets: NDArray[np.float32],
        weights: NDArray[np.float32],
        *,
        seed: int,
        combine: Combine | None = None,
    ) -> None:
        """Learn from normalised pixels (cases, channels, ...), targets (cases, width) and weights."""
        if targets.shape[1] > self.outputs:
            targets, combine = steps_of_grades(targets), "sigmoid"
        numbers = self._averaged(pixels)
        self._standardise(numbers)
        rows = Rows(numbers=numbers, targets=targets, weights=weights, kind=combine or kind_of(targets), seed=seed)
        self._network.brought_down = _brought_down(self.settings, rows)
        brought = np.concatenate([self._network.brought_down(part).numpy() for part in _chunks(numbers)])
        learned = Rows(numbers=brought, targets=targets, weights=weights, kind=rows.kind, seed=seed)
        self._network.answer = self._learn(learned)
        self._fitted = True

    def logits(self, pixels: NDArray[Any]) -> NDArray[np.float32]:
        """Outputs of normalised pixels."""
        network = self.network()
        answers = [network.head(network.features(chunk))[0].detach().numpy() for chunk in _chunks(pixels)]
        return np.concatenate(answers)

    def network(self) -> Network:
        """What was learned, as a network that learns no more."""
        if not self._fitted:
            raise UsageError("A model that has not learned answers nothing", remedy="Call `fit` first")
        return self._network.eval().requires_grad_(False)

    def _averaged(self, pixels: NDArray[Any]) -> NDArray[np.float32]:
        parts = [self._network.features(chunk).flatten(1).numpy() for chunk in _chunks(pixels)]
        # A copy, also of one part: it is changed in place, and may still be what the caller gave.
        return np.concatenate(parts)

    def _standardise(self, numbers: NDArray[np.float32]) -> None:
        """Bring the numbers to mean 0 and deviation 1, in place, and keep by what."""
        centre, spread = numbers.mean(0), numbers.std(0)
        spread[spread < SMALLEST_SPREAD] = 1.0
        numbers -= centre
        numbers /= spread
        for held, learned in ((self._network.centre, centre), (self._network.spread, spread)):
            held.copy_(torch.from_numpy(learned))


def is_row(form: InputForm) -> bool:
    """Whether the input is no image but a row of features."""
    return form.dimensions == 2 and form.shape[0] == 1


def averaged_extents(form: InputForm, most: int) -> tuple[int, ...]:
    """Extents at which an image of all its channels holds no more numbers than `most`, in its proportions."""
    share = (most / (form.channels * prod(form.shape))) ** (1 / form.dimensions)
    return form.shape if share >= 1 else tuple(max(1, floor(extent * share)) for extent in form.shape)


def area_matrix(extent: int, fewer: int) -> NDArray[np.float32]:
    """What averages `extent` pixels to `fewer`, each pixel counting by the share of it that is covered."""
    edges = np.arange(fewer + 1) * (extent / fewer)
    pixels = np.arange(extent)[:, None]
    covered = np.minimum(edges[1:], pixels + 1) - np.maximum(edges[:-1], pixels)
    shares: NDArray[np.float32] = (np.clip(covered, 0.0, None) * (fewer / extent)).astype(np.float32)
    return shares


def kind_of(targets: NDArray[np.float32]) -> Combine:
    """How outputs will be read, as far as targets tell: rows that sum to 1 are classes, shares are statements."""
    known = targets[~np.isnan(targets)]
    if known.size and (known.min() < 0.0 or known.max() > 1.0):
        return "mean"
    alone = known.size == targets.size and targets.shape[1] > 1 and np.allclose(targets.sum(1), 1.0, atol=1e-4)
    return "softmax" if alone else "sigmoid"


def steps_of_grades(targets: NDArray[np.float32]) -> NDArray[np.float32]:
    """Rows of grades as statements of being worse than the first, the second and so on."""
    worse: NDArray[np.float32] = targets[:, ::-1].cumsum(1)[:, ::-1][:, 1:]
    return worse


def shared_labels(
    targets: Floats, weights: Floats
) -> tuple[NDArray[np.integer[Any]], NDArray[np.integer[Any]], Floats]:
    """Case, class and share: a case whose label is shared counts once for each class, by its share."""
    case, label = np.nonzero(targets > 0)
    return case, label, targets[case, label] * weights[case]


def by_column(weights: Floats, targets: Floats) -> Floats:
    """A weight for each case and column."""
    return np.broadcast_to(weights if weights.ndim == 2 else weights[:, None], targets.shape)


def _brought_down(settings: RowSettings, rows: Rows) -> nn.Module:
    """Which numbers are kept, and along which axes they are summed up."""
    numbers = rows.numbers
    parts: list[nn.Module] = []
    if settings.best is not None and settings.best < numbers.shape[1]:
        places = np.argsort(-_closeness(rows), kind="stable")[: settings.best]
        parts.append(Chosen(places))
        numbers = numbers[:, np.sort(places)]
    if settings.components is not None:
        from sklearn.decomposition import PCA

        most = min(settings.components, *numbers.shape)
        parts.append(Components(PCA(most, svd_solver="full").fit(numbers).components_))
    return nn.Sequential(*parts)


def _closeness(rows: Rows) -> Floats:
    """How closely each number goes with the answer: its largest correlation with a known target."""
    closest = np.zeros(rows.numbers.shape[1])
    for column, given in zip(rows.targets.T, by_column(rows.weights, rows.targets).T, strict=True):
        known = ~np.isnan(column)
        if not known.any():
            continue
        numbers, share = rows.numbers[known].astype(np.float64), given[known] / given[known].sum()
        numbers, target = numbers - share @ numbers, column[known] - share @ column[known]
        spread = np.sqrt((share @ numbers**2) * (share @ target**2))
        closest = np.maximum(closest, np.abs((share * target) @ numbers) / np.where(spread > 0, spread, np.inf))
    return closest


def _chunks(pixels: NDArray[Any]) -> Iterator[Tensor]:
    """Some cases at a time, copied: what is mapped from a file may be read-only."""
    for first in range(0, len(pixels), CHUNK):
        yield torch.from_numpy(np.array(pixels[first : first + CHUNK], dtype=np.float32))
