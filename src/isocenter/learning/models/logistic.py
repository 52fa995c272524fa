"""Logistic regression on pixels (ridge regression for a number): the plain answer that others must beat.

Images are averaged down to a bounded number of pixels and standardised; a weighted sum of them answers. What was
learned becomes a network of fixed weights.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from math import floor, prod
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor, nn

from isocenter.core.errors import UsageError
from isocenter.learning.models._shared import Combine, InputForm, Model, ModelSettings, Network

Floats = NDArray[np.floating[Any]]

PENALTIES = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)
"""What is tried where no penalty is set."""
FOLDS = 3
CHOOSING = 3000
"""Cases among which the penalty is chosen: more would take long and change little, as it is counted per case."""
ROUNDS = 300
"""Steps of the solver: enough on standardised pixels, bounded where classes can be parted without error."""
CHUNK = 256


class LogisticSettings(ModelSettings):
    """What can be set of a logistic regression."""

    pixels: int = Field(default=1024, ge=1)
    """Most numbers, over all channels, that an image is averaged down to."""
    penalty: float | None = Field(default=None, gt=0.0)
    """How strongly large weights are drawn back, per case; by default what serves held-out training cases best."""


class LinearNetwork(Network):
    """A weighted sum of standardised, averaged pixels."""

    centre: Tensor
    spread: Tensor

    def __init__(self, settings: LogisticSettings, form: InputForm, outputs: int) -> None:
        super().__init__(form)
        extents = averaged_extents(form, settings.pixels)
        self.averaged = [axis for axis, extent in enumerate(extents) if extent < form.shape[axis]]
        for axis in self.averaged:
            matrix = torch.from_numpy(area_matrix(form.shape[axis], extents[axis]))
            self.register_buffer(f"areas{axis}", matrix, persistent=False)
        width = form.channels * prod(extents)
        self.register_buffer("centre", torch.zeros(width))
        self.register_buffer("spread", torch.ones(width))
        self.linear = nn.Linear(width, outputs)
        nn.init.zeros_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)

    def features(self, normalised: Tensor) -> Tensor:
        """The image, averaged down."""
        for axis in self.averaged:
            areas = self.get_buffer(f"areas{axis}")
            normalised = torch.matmul(normalised.transpose(axis + 2, -1), areas).transpose(axis + 2, -1)
        return normalised

    def head(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Logits, and the standardised pixels."""
        embedding = (features.flatten(1) - self.centre) / self.spread
        return self.linear(embedding), embedding


class LogisticEstimator:
    """Learns the weights of a `LinearNetwork`."""

    def __init__(self, settings: LogisticSettings, form: InputForm, outputs: int) -> None:
        self.settings = settings
        self._network = LinearNetwork(settings, form, outputs)
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
        """Learn from normalised pixels (cases, channels, ...), targets (cases, width) and weights.

        Weights are (cases,), or (cases, width) where each statement has its own.
        """
        if targets.shape[1] > self._network.linear.out_features:
            targets, combine = steps_of_grades(targets), "sigmoid"
        numbers = self._averaged(pixels)
        centre, spread = numbers.mean(0), numbers.std(0)
        spread[spread < 1e-6] = 1.0
        numbers -= centre
        numbers /= spread
        kind = combine or kind_of(targets)
        penalty = self.settings.penalty or _choose(numbers, targets, weights, kind, seed)
        weight, bias = _weights(numbers, targets, weights, kind, penalty)
        linear, state = self._network.linear, self._network
        with torch.no_grad():
            for held, learned in ((state.centre, centre), (state.spread, spread)):
                held.copy_(torch.from_numpy(learned))
            linear.weight.copy_(torch.from_numpy(weight))
            linear.bias.copy_(torch.from_numpy(bias))
        self._fitted = True

    def logits(self, pixels: NDArray[Any]) -> NDArray[np.float32]:
        """Outputs of normalised pixels."""
        network = self.network()
        answers = [network.head(network.features(chunk))[0].detach().numpy() for chunk in _chunks(pixels)]
        return np.concatenate(answers)

    def network(self) -> Network:
        """What was learned, as a network that learns no more."""
        if not self._fitted:
            raise UsageError("A logistic regression that has not learned has no weights", remedy="Call `fit` first")
        return self._network.eval().requires_grad_(False)

    def _averaged(self, pixels: NDArray[Any]) -> NDArray[np.float32]:
        parts = [self._network.features(chunk).flatten(1).numpy() for chunk in _chunks(pixels)]
        # A copy, also of one part: it is changed in place, and may still be what the caller gave.
        return np.concatenate(parts)


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


def _choose(
    numbers: Floats, targets: NDArray[np.float32], weights: NDArray[np.float32], kind: Combine, seed: int
) -> float:
    """The penalty that serves held-out cases best."""
    from sklearn.model_selection import KFold

    chosen = np.random.default_rng(seed).permutation(len(numbers))[:CHOOSING]
    if len(chosen) < 2 * FOLDS:
        return PENALTIES[len(PENALTIES) // 2]
    numbers, targets, weights = numbers[chosen], targets[chosen], weights[chosen]
    losses = np.zeros(len(PENALTIES))
    for learn, judge in KFold(FOLDS).split(numbers):
        for place, penalty in enumerate(PENALTIES):
            weight, bias = _weights(numbers[learn], targets[learn], weights[learn], kind, penalty)
            losses[place] += _loss(numbers[judge] @ weight.T + bias, targets[judge], weights[judge], kind)
    return PENALTIES[int(losses.argmin())]


def _weights(
    numbers: Floats, targets: NDArray[np.float32], weights: NDArray[np.float32], kind: Combine, penalty: float
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Weights (outputs, numbers) and biases (outputs,)."""
    if kind == "softmax":
        return _classes(numbers, targets, weights, penalty)
    learned = []
    for column, given in zip(targets.T, _by_column(weights, targets).T, strict=True):
        known = ~np.isnan(column)
        own = (numbers[known], column[known], given[known], penalty)
        learned.append(_statement(*own) if kind == "sigmoid" else _number(*own))
    return np.stack([weight for weight, _ in learned]), np.array([bias for _, bias in learned], dtype=np.float32)


def _classes(
    numbers: Floats, targets: Floats, weights: Floats, penalty: float
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """One of several classes; a case whose label is shared counts once for each class, by its share."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    case, label = np.nonzero(targets > 0)
    share = targets[case, label] * weights[case]
    seen = np.unique(label)
    weight = np.zeros((targets.shape[1], numbers.shape[1]), dtype=np.float32)
    # A class that no case showed is as likely as one case more would have made it.
    bias = np.full(targets.shape[1], -np.log1p(share.sum()), dtype=np.float32)
    bias[seen] = 0.0
    if len(seen) < 2:
        return weight, bias
    model = LogisticRegression(C=1.0 / (penalty * share.sum()), max_iter=ROUNDS)
    with warnings.catch_warnings():
        # The bound on rounds is meant: what was reached by then is a model, and is judged like any other.
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(numbers[case], label, sample_weight=share)
    if len(seen) == 2:
        weight[seen], bias[seen] = [-model.coef_[0] / 2, model.coef_[0] / 2], [0.0, model.intercept_[0]]
    else:
        weight[seen], bias[seen] = model.coef_, model.intercept_
    return weight, bias


def _statement(
    numbers: Floats, target: Floats, weights: Floats, penalty: float
) -> tuple[NDArray[np.float32], np.float32]:
    """A statement that holds or not: two classes, of which the difference is the logit."""
    weight, bias = _classes(numbers, np.stack([1 - target, target], axis=1), weights, penalty)
    return weight[1] - weight[0], bias[1] - bias[0]


def _number(numbers: Floats, target: Floats, weights: Floats, penalty: float) -> tuple[NDArray[np.float32], np.float32]:
    from sklearn.linear_model import Ridge

    model = Ridge(alpha=penalty * weights.sum())
    model.fit(numbers.astype(np.float64), target.astype(np.float64), sample_weight=weights.astype(np.float64))
    return model.coef_.astype(np.float32), np.float32(model.intercept_)


def _loss(logits: Floats, targets: Floats, weights: Floats, kind: Combine) -> float:
    """What the solver made small, over known targets."""
    if kind == "softmax":
        largest = logits.max(1, keepdims=True)
        logarithms = logits - largest - np.log(np.exp(logits - largest).sum(1, keepdims=True))
        loss = -targets * logarithms
    elif kind == "sigmoid":
        loss = np.logaddexp(0.0, logits) - targets * logits
    else:
        loss = (logits - targets) ** 2
    return float(np.nansum(loss * _by_column(weights, targets)))


def _by_column(weights: Floats, targets: Floats) -> Floats:
    """A weight for each case and column."""
    return np.broadcast_to(weights if weights.ndim == 2 else weights[:, None], targets.shape)


def _chunks(pixels: NDArray[Any]) -> Iterator[Tensor]:
    """Some cases at a time, copied: what is mapped from a file may be read-only."""
    for first in range(0, len(pixels), CHUNK):
        yield torch.from_numpy(np.array(pixels[first : first + CHUNK], dtype=np.float32))


def build(settings: LogisticSettings, form: InputForm, outputs: int) -> LogisticEstimator:
    """A logistic regression for an input."""
    return LogisticEstimator(settings, form, outputs)


MODEL = Model(kind="estimator", settings=LogisticSettings, build=build)
