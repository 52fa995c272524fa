"""The residual network: torchvision's names and shapes, its stems, its shortcuts."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from isocenter.learning.attention import Attention, attention_layer
from isocenter.learning.models._shared import InputForm, Stem, count_parameters, layers, stem_for
from isocenter.learning.models.resnet import ResNet, ResNetSettings
from isocenter.learning.residual import BasicBlock, Bottleneck

COUNTS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3)}
PARAMETERS = {18: 11_689_512, 34: 21_797_672, 50: 25_557_032}
"""As published with those weights, for 1000 classes."""


def form_of(*shape: int, channels: int = 3) -> InputForm:
    return InputForm(channels=channels, shape=shape, mean=(0.0,) * channels, deviation=(1.0,) * channels)


def torchvision_names(depth: int) -> dict[str, tuple[int, ...]]:
    """Names and shapes of the weights that torchvision hands out, `fc` apart."""
    names: dict[str, tuple[int, ...]] = {}

    def joined(place: str, convolution: str, norm: str, shape: tuple[int, ...]) -> None:
        names[f"{place}{convolution}.weight"] = shape
        for part in ("weight", "bias", "running_mean", "running_var"):
            names[f"{place}{norm}.{part}"] = shape[:1]
        names[f"{place}{norm}.num_batches_tracked"] = ()

    joined("", "conv1", "bn1", (64, 3, 7, 7))
    given, wider = 64, 4 if depth == 50 else 1
    for stage, count in enumerate(COUNTS[depth]):
        width = 64 * 2**stage
        for block in range(count):
            place = f"layer{stage + 1}.{block}."
            if depth == 50:
                joined(place, "conv1", "bn1", (width, given, 1, 1))
                joined(place, "conv2", "bn2", (width, width, 3, 3))
                joined(place, "conv3", "bn3", (4 * width, width, 1, 1))
            else:
                joined(place, "conv1", "bn1", (width, given, 3, 3))
                joined(place, "conv2", "bn2", (width, width, 3, 3))
            if block == 0 and given != wider * width:
                joined(place, "downsample.0", "downsample.1", (wider * width, given, 1, 1))
            given = wider * width
    return names


@pytest.mark.parametrize("shortcut", ["plain", "average"])
@pytest.mark.parametrize("depth", [18, 34, 50])
def test_weights_carry_the_names_and_shapes_of_torchvision(depth: int, shortcut: str) -> None:
    settings = ResNetSettings.model_validate({"depth": depth, "stem": "large", "shortcut": shortcut})
    with torch.device("meta"):
        network = ResNet(settings, form_of(224, 224), 1000)
    own = {key: tuple(value.shape) for key, value in network.state_dict().items()}
    own = {key: shape for key, shape in own.items() if not key.startswith(("fc.", "normalise."))}
    assert own == torchvision_names(depth)
    assert count_parameters(network) == PARAMETERS[depth]


@pytest.mark.parametrize(
    ("shape", "stem"),
    [
        ((28, 28), "small"),
        ((64, 90), "small"),
        ((65, 65), "medium"),
        ((128, 300), "medium"),
        ((129, 129), "large"),
        ((28, 28, 28), "small"),
        ((64, 64, 64), "medium"),
        ((16, 200, 200), "large"),
    ],
)
def test_the_stem_goes_by_the_size_of_the_input(shape: tuple[int, ...], stem: Stem) -> None:
    assert stem_for(shape) == stem


@pytest.mark.parametrize(("stem", "extent"), [("small", 16), ("medium", 8), ("large", 4)])
def test_stems_make_the_image_smaller_by_1_2_and_4(stem: str, extent: int) -> None:
    settings = ResNetSettings.model_validate({"stem": stem, "width": 4, "stages": (1,)})
    _, features, _ = ResNet(settings, form_of(16, 16), 2).eval()(torch.rand(1, 3, 16, 16))
    assert features.shape[2:] == (extent, extent)


@pytest.mark.parametrize("shape", [(9, 7), (5, 8, 3)])
@pytest.mark.parametrize("depth", [18, 50])
def test_both_shortcuts_bear_odd_extents(depth: int, shape: tuple[int, ...]) -> None:
    extents = []
    for shortcut in ("plain", "average"):
        settings = ResNetSettings.model_validate({"depth": depth, "width": 4, "shortcut": shortcut})
        network = ResNet(settings, form_of(*shape, channels=1), 2).eval()
        logits, features, embedding = network(torch.rand(2, 1, *shape))
        assert logits.shape == (2, 2)
        assert torch.allclose(embedding, features.flatten(2).mean(2), atol=1e-6)
        extents.append(features.shape)
    assert extents[0] == extents[1]


def test_blocks_begin_by_handing_on_what_they_are_given() -> None:
    def second(network: ResNet) -> nn.Module:
        return network.get_submodule("layer1.1")

    given = torch.rand(1, 4, 8, 8)
    kept = ResNet(ResNetSettings(width=4), form_of(8, 8), 2).eval()
    assert torch.equal(second(kept)(given), given)
    drawn = ResNet(ResNetSettings(width=4, zero_last=False), form_of(8, 8), 2).eval()
    assert not torch.equal(second(drawn)(given), given)


def test_stages_may_be_given() -> None:
    network = ResNet(ResNetSettings(width=4, stages=(1, 2, 1)), form_of(8, 8), 2)
    assert network.stages == ["layer1", "layer2", "layer3"]
    assert sum(isinstance(part, BasicBlock) for part in network.modules()) == 4


def test_dropout_leaves_the_embedding_alone() -> None:
    network = ResNet(ResNetSettings(width=4, dropout=0.9), form_of(8, 8), 2)
    network.dropout.train()
    features = torch.rand(2, 32, 2, 2)
    assert torch.allclose(network.head(features)[1], features.mean((2, 3)))


@pytest.mark.parametrize("dimensions", [2, 3])
@pytest.mark.parametrize("kind", ["squeeze", "cbam"])
@pytest.mark.parametrize(("depth", "channels"), [(18, (64, 64, 128)), (50, (256, 256, 512))])
def test_each_block_weighs_what_it_adds(
    depth: int, channels: tuple[int, ...], kind: Attention, dimensions: int
) -> None:
    form = form_of(*[8] * dimensions)
    settings = {"depth": depth, "stages": (2, 1)}
    plain = ResNet(ResNetSettings.model_validate(settings), form, 2)
    network = ResNet(ResNetSettings.model_validate({**settings, "attention": kind}), form, 2)
    own = {key for key in network.state_dict() if ".attention." not in key}
    assert own == set(plain.state_dict())
    wanted = 0
    for width in channels:
        narrow = max(width // 16, 8)
        wanted += 2 * width * narrow + narrow + width + (2 * 7**dimensions if kind == "cbam" else 0)
    assert count_parameters(network) - count_parameters(plain) == wanted


def test_a_block_is_weighed_before_its_shortcut_is_added() -> None:
    kinds = layers(form_of(8, 8))
    for kind in (BasicBlock, Bottleneck):
        width = 4 * kind.expansion
        attention = attention_layer("squeeze", width, 2)
        block = kind(kinds, width, 4, stride=1, window=None, attention=attention).eval()
        given = torch.rand(2, width, 8, 8)
        seen: list[Tensor] = []
        block.last.register_forward_hook(lambda _, __, normalised, seen=seen: seen.append(normalised))
        answer = block(given)
        assert torch.allclose(answer, (attention(seen[0]) + given).relu())


@pytest.mark.parametrize(
    ("stages", "after"), [((1, 2, 1, 1), {3: 64, 4: 128}), ((2, 1), {1: 16, 2: 32}), ((1,), {1: 16})]
)
def test_places_gather_from_one_another_after_the_last_two_stages(
    stages: tuple[int, ...], after: dict[int, int]
) -> None:
    plain = ResNet(ResNetSettings(width=16, stages=stages), form_of(16, 16), 2)
    network = ResNet(ResNetSettings(width=16, stages=stages, attention="self"), form_of(16, 16), 2)
    added = {key for key in network.state_dict() if key not in plain.state_dict()}
    assert {key.split(".")[0] for key in added} == {f"layer{stage}" for stage in after}
    assert {int(key.split(".")[1]) for key in added} == {stages[stage - 1] for stage in after}
    wanted = sum(4 * (width**2 + width) + 2 * width + 1 for width in after.values())
    assert count_parameters(network) - count_parameters(plain) == wanted
    network.load_state_dict(plain.state_dict(), strict=False)
    images = torch.rand(2, 3, 16, 16)
    assert torch.equal(network.eval()(images)[0], plain.eval()(images)[0])
