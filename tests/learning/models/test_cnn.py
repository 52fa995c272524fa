"""The simple convolutional network: its stages, its heads, and inputs that are too small."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from isocenter.core.errors import UsageError
from isocenter.learning.attention import Attention, BlockAttention, SelfAttention, SqueezeExcitation
from isocenter.learning.convolution import Convolution
from isocenter.learning.models._shared import InputForm, count_parameters
from isocenter.learning.models.cnn import CNN, CNNSettings, Pyramid, map_extents

IMAGE = InputForm(channels=1, shape=(20, 17), mean=(0.0,), deviation=(1.0,))
VOLUME = InputForm(channels=2, shape=(9, 12, 10), mean=(0.0, 0.0), deviation=(1.0, 1.0))


@pytest.mark.parametrize("form", [IMAGE, VOLUME], ids=["image", "volume"])
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"activation": "sigmoid", "batch_normalisation": False, "pooling": "average"},
        {"activation": "tanh", "kernel_size": 5},
        {"activation": "leaky_relu", "hidden": 0, "dropout": 0.5},
        {"padding": "none", "kernels": (4,)},
        {"kernel_size": 2, "stride": 2, "kernels": (4,)},
        {"head": "average"},
        {"head": "pyramid", "levels": (1, 3), "pooling": "average"},
        {"head": "pyramid", "hidden": 0},
        {"attention": "squeeze"},
        {"attention": "cbam", "batch_normalisation": False},
        {"attention": "self", "head": "average"},
    ],
)
def test_every_setting_gives_a_network_that_answers(settings: dict[str, Any], form: InputForm) -> None:
    chosen = CNNSettings(**settings)
    network = CNN(chosen, form, 3).eval()
    logits, features, embedding = network(torch.rand(2, form.channels, *form.shape))
    assert logits.shape == (2, 3)
    assert features.shape == (2, chosen.kernels[-1], *map_extents(chosen, form))
    assert embedding.shape[1] == (chosen.hidden or network.fc.in_features)


def test_it_is_the_network_of_the_textbooks() -> None:
    network = CNN(CNNSettings(kernels=(6, 16), kernel_size=5, padding="none", activation="sigmoid"), IMAGE, 10)
    assert [type(part) for part in network.stages] == 2 * [Convolution, nn.BatchNorm2d, nn.Sigmoid, nn.MaxPool2d]
    plain = CNN(CNNSettings(kernels=(6,), batch_normalisation=False), IMAGE, 10)
    assert [type(part) for part in plain.stages] == [Convolution, nn.ReLU, nn.MaxPool2d]


def test_the_average_head_averages_each_map() -> None:
    network = CNN(CNNSettings(head="average", hidden=0), IMAGE, 3).eval()
    _, features, embedding = network(torch.rand(2, 1, 20, 17))
    assert torch.allclose(embedding, features.mean((2, 3)), atol=1e-6)


@pytest.mark.parametrize("level", [1, 2, 3, 7])
@pytest.mark.parametrize("extents", [(5, 6), (4, 5, 3)])
def test_a_pyramid_pools_as_adaptive_pooling_does(extents: tuple[int, ...], level: int) -> None:
    features = torch.rand(2, 3, *extents)
    pools = {
        ("max", 2): nn.AdaptiveMaxPool2d,
        ("max", 3): nn.AdaptiveMaxPool3d,
        ("average", 2): nn.AdaptiveAvgPool2d,
        ("average", 3): nn.AdaptiveAvgPool3d,
    }
    for pooling in ("max", "average"):
        wanted = pools[pooling, len(extents)](level)(features).flatten(1)
        assert torch.allclose(Pyramid((level,), extents, pooling)(features), wanted, atol=1e-6)


@pytest.mark.parametrize(
    ("settings", "shape", "why", "remedy"),
    [
        ({"kernels": (4, 4, 4, 4)}, (12, 9), "stage 4 is given 1 x 1", "fewer numbers in `kernels`, or prepare larger"),
        ({"padding": "none", "kernel_size": 5}, (12, 9), "stage 2 is given 4 x 2", "`padding` to `same`"),
        ({"stride": 3}, (4, 9, 9), "stage 1 is given|stage 2 is given 1 x 1 x 1", "`stride` to 1"),
    ],
)
def test_too_small_an_input_is_refused_with_a_remedy(
    settings: dict[str, Any], shape: tuple[int, ...], why: str, remedy: str
) -> None:
    form = InputForm(channels=1, shape=shape, mean=(0.0,), deviation=(1.0,))
    with pytest.raises(UsageError, match="too small") as refused:
        CNN(CNNSettings(**settings), form, 2)
    assert any(part in refused.value.why for part in why.split("|"))
    assert remedy in refused.value.remedy


@pytest.mark.parametrize(
    ("kind", "added"),
    [
        ("none", [None, None]),
        ("squeeze", [SqueezeExcitation, SqueezeExcitation]),
        ("cbam", [BlockAttention, BlockAttention]),
        ("self", [None, SelfAttention]),
    ],
)
def test_attention_stands_after_each_stage_and_self_after_the_last(
    kind: Attention, added: list[type[nn.Module] | None]
) -> None:
    network = CNN(CNNSettings(attention=kind), IMAGE, 10)
    stage = [Convolution, nn.BatchNorm2d, nn.ReLU, nn.MaxPool2d]
    wanted = [part for layer in added for part in [*stage, *([layer] if layer else [])]]
    assert [type(part) for part in network.stages] == wanted


@pytest.mark.parametrize("form", [IMAGE, VOLUME], ids=["image", "volume"])
def test_attention_adds_as_many_parameters_as_it_must(form: InputForm) -> None:
    counts = {
        kind: count_parameters(CNN(CNNSettings.model_validate({"kernels": (32, 160), "attention": kind}), form, 2))
        for kind in ("none", "squeeze", "cbam", "self")
    }
    squeeze = (2 * 32 * 8 + 8 + 32) + (2 * 160 * 10 + 10 + 160)
    assert counts["squeeze"] - counts["none"] == squeeze
    assert counts["cbam"] - counts["none"] == squeeze + 2 * 2 * 7**form.dimensions
    assert counts["self"] - counts["none"] == 4 * (160**2 + 160) + 2 * 160 + 1
