"""What models share: several as one, layers for images and volumes, first weights."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest
import torch
from safetensors.torch import save
from torch import Tensor, nn

from isocenter.learning.convolution import Convolution
from isocenter.learning.models import mlp
from isocenter.learning.models._shared import (
    Activation,
    Combine,
    Ensemble,
    Grid,
    InputForm,
    Network,
    Stacked,
    activation_layer,
    cells_for,
    combined,
    count_parameters,
    halving,
    initialise,
    layers,
)

FORM = InputForm(channels=2, shape=(6, 5), mean=(3.0, 1.0), deviation=(2.0, 0.5))
LOGITS = torch.tensor(np.random.default_rng(5).normal(0, 4, (3, 7, 4)), dtype=torch.float32)


def members(count: int) -> list[Network]:
    torch.manual_seed(2)
    return [mlp.build(mlp.MLPSettings(hidden=(8, 6)), FORM, 4).eval() for _ in range(count)]


def test_classes_are_averaged_as_probabilities() -> None:
    assert torch.allclose(combined(LOGITS, "softmax").softmax(-1), LOGITS.softmax(-1).mean(0), atol=1e-6)


def test_two_classes_are_averaged_as_probabilities() -> None:
    two = LOGITS[..., :2]
    assert torch.allclose(combined(two, "softmax").softmax(-1), two.softmax(-1).mean(0), atol=1e-6)


def test_statements_are_averaged_as_probabilities() -> None:
    assert torch.allclose(combined(LOGITS, "sigmoid").sigmoid(), LOGITS.sigmoid().mean(0), atol=1e-6)


def test_cumulative_logits_of_grades_still_fall_when_averaged() -> None:
    falling = LOGITS.sort(dim=-1, descending=True).values
    assert bool((combined(falling, "sigmoid").diff(dim=-1) <= 0).all())


def test_numbers_are_averaged() -> None:
    assert torch.allclose(combined(LOGITS, "mean"), LOGITS.mean(0))


@pytest.mark.parametrize("combine", ["softmax", "sigmoid", "mean"])
def test_one_member_says_what_it_says_alone(combine: Combine) -> None:
    alone = combined(LOGITS[:1], combine)
    wanted = LOGITS[0].log_softmax(-1) if combine == "softmax" else LOGITS[0]
    assert torch.allclose(alone, wanted, atol=1e-5)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("combine", ["softmax", "sigmoid", "mean"])
def test_certain_members_are_neither_clipped_nor_infinite(combine: Combine, dtype: torch.dtype) -> None:
    certain = torch.tensor([[[200.0, -200.0]], [[200.0, -200.0]]], dtype=dtype)
    said = combined(certain, combine)
    assert said.dtype == torch.float32
    assert torch.isfinite(said).all()
    wanted = {"softmax": [0.0, -400.0], "sigmoid": [200.0, -200.0], "mean": [200.0, -200.0]}[combine]
    assert said[0].tolist() == pytest.approx(wanted)


def test_an_ensemble_is_the_mean_of_its_members() -> None:
    several = members(3)
    network = Ensemble(several, "softmax").eval()
    pixels = torch.rand(4, 2, 6, 5) * 5
    logits, features, embedding = network(pixels)
    alone = [member(pixels) for member in several]
    assert torch.allclose(logits.softmax(1), torch.stack([said[0].softmax(1) for said in alone]).mean(0), atol=1e-6)
    assert torch.equal(features, torch.cat([said[1] for said in alone], dim=1))
    assert torch.equal(embedding, torch.cat([said[2] for said in alone], dim=1))


def test_the_weights_of_an_ensemble_can_be_written() -> None:
    network = Ensemble(members(2), "mean")
    assert save(network.state_dict())
    assert count_parameters(network) == 2 * count_parameters(members(1)[0])
    assert all(key.startswith(("members.", "normalise.")) for key in network.state_dict())


def test_pixels_are_normalised_by_channel() -> None:
    pixels = torch.tensor([7.0, 2.0]).reshape(1, 2, 1, 1).expand(1, 2, 6, 5)
    assert members(1)[0].normalise(pixels)[0, :, 0, 0].tolist() == [2.0, 2.0]


def test_a_network_must_say_what_it_does() -> None:
    network = Network(FORM)
    with pytest.raises(NotImplementedError):
        network(torch.zeros(1, 2, 6, 5))
    with pytest.raises(NotImplementedError):
        network.head(torch.zeros(1, 2, 6, 5))


def test_layers_fit_the_input() -> None:
    volume = InputForm(channels=1, shape=(4, 6, 5), mean=(0.0,), deviation=(1.0,))
    assert layers(FORM).convolution is Convolution
    assert layers(volume).convolution is nn.Conv3d


@pytest.mark.parametrize("activation", get_args(Activation))
def test_signals_neither_fade_nor_grow_with_depth(activation: Activation) -> None:
    torch.manual_seed(0)
    parts: list[nn.Module] = []
    for _ in range(6):
        parts += [nn.Linear(256, 256), activation_layer(activation)]
    network = nn.Sequential(*parts)
    initialise(network, activation)
    said: Tensor = network(torch.randn(64, 256))
    assert 0.1 < float(said.square().mean().sqrt().detach()) < 3.0


@pytest.mark.parametrize(
    ("extents", "cells"), [((5, 6), (5, 4)), ((7, 3), (2, 5)), ((4, 5, 3), (3, 5, 1)), ((2, 7, 7), (2, 7, 7))]
)
def test_a_grid_is_averaged_as_adaptive_pooling_does(extents: tuple[int, ...], cells: tuple[int, ...]) -> None:
    features = torch.rand(2, 3, *extents)
    adaptive = nn.functional.adaptive_avg_pool2d if len(extents) == 2 else nn.functional.adaptive_avg_pool3d
    assert torch.allclose(Grid(cells, extents)(features), adaptive(features, cells), atol=1e-6)


def test_a_grid_has_as_many_cells_as_asked_for_or_no_more_than_places() -> None:
    assert cells_for((5, 9), 6, None) == (5, 6)
    assert cells_for((2, 9, 3), 6, None) == (2, 3, 3)
    assert cells_for((5, 9, 1), 6, 4) == (4, 4, 4)


@pytest.mark.parametrize(("size", "window", "stride"), [(2, (2, 2, 1), (2, 2, 1)), (3, (3, 1, 1), (2, 1, 1))])
def test_an_axis_is_halved_where_two_places_stay(
    size: int, window: tuple[int, int, int], stride: tuple[int, int, int]
) -> None:
    volume = InputForm(channels=1, shape=(9, 4, 3), mean=(0.0,), deviation=(1.0,))
    pooling, left = halving(layers(volume), volume.shape, size)
    given = torch.rand(2, 1, 9, 4, 3)
    wanted = nn.functional.max_pool3d(given, window, stride)
    assert torch.equal(pooling(given), wanted)
    assert left == wanted.shape[2:]


def test_a_stack_names_its_layers_as_torchvision_does() -> None:
    network = Stacked(FORM, [nn.Conv2d(2, 4, 3), nn.ReLU()])
    own = [key for key in network.state_dict() if not key.startswith("normalise.")]
    assert own == ["features.0.weight", "features.0.bias"]
    assert network.get_submodule("features.1") is network.features[1]
