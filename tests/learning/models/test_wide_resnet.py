"""The wide residual network: its depth and its width."""

from __future__ import annotations

import pytest
import torch
from pydantic import ValidationError
from torch import nn

from isocenter.learning.attention import Attention, SqueezeExcitation
from isocenter.learning.models._shared import InputForm, count_parameters, layers
from isocenter.learning.models.wide_resnet import WideBlock, WideResNet, WideResNetSettings

FORM = InputForm(channels=3, shape=(16, 16), mean=(0.0,) * 3, deviation=(1.0,) * 3)


@pytest.mark.parametrize("depth", [10, 16, 28])
def test_it_is_as_deep_as_it_says(depth: int) -> None:
    network = WideResNet(WideResNetSettings(depth=depth, widen=1), FORM, 2)
    layers = [part for part in network.modules() if isinstance(part, nn.Conv2d) and part.kernel_size == (3, 3)]
    assert len(layers) == depth - 3


def test_it_is_as_wide_as_it_says_and_keeps_a_quarter_of_the_detail() -> None:
    network = WideResNet(WideResNetSettings(depth=10, widen=3, dropout=0.2), FORM, 2).eval()
    logits, features, embedding = network(torch.rand(2, 3, 16, 16))
    assert logits.shape == (2, 2)
    assert features.shape == (2, 192, 4, 4)
    assert torch.allclose(embedding, features.mean((2, 3)), atol=1e-6)


def test_a_depth_that_does_not_come_out_even_is_refused() -> None:
    with pytest.raises(ValidationError, match="6n \\+ 4 layers: 16 or 22"):
        WideResNetSettings(depth=18)


def test_without_attention_its_weights_are_those_of_the_paper() -> None:
    names = {"conv1.weight", "fc.weight", "fc.bias", "normalise.mean", "normalise.deviation"}
    norms = ["bn", *(f"blocks.{block}.bn{number}" for block in range(3) for number in (1, 2))]
    for part in ("weight", "bias", "running_mean", "running_var", "num_batches_tracked"):
        names |= {f"{norm}.{part}" for norm in norms}
    for block, changes in enumerate((False, True, True)):
        names |= {f"blocks.{block}.conv1.weight", f"blocks.{block}.conv2.weight"}
        names |= {f"blocks.{block}.shortcut.weight"} if changes else set()
    assert set(WideResNet(WideResNetSettings(depth=10, widen=1), FORM, 2).state_dict()) == names


@pytest.mark.parametrize("dimensions", [2, 3])
@pytest.mark.parametrize("kind", ["squeeze", "cbam", "self"])
def test_attention_adds_what_it_must_and_renames_nothing(kind: Attention, dimensions: int) -> None:
    form = InputForm(channels=1, shape=(8,) * dimensions, mean=(0.0,), deviation=(1.0,))
    plain = WideResNet(WideResNetSettings(depth=10, widen=3), form, 2)
    network = WideResNet(WideResNetSettings(depth=10, widen=3, attention=kind), form, 2)
    assert plain.state_dict().keys() < network.state_dict().keys()
    wanted = 4 * (192**2 + 192) + 2 * 192 + 1
    if kind != "self":
        # 48, 96 and 192 channels, squeezed to 8, 8 and 12 numbers
        wanted = sum(2 * width * narrow + narrow + width for width, narrow in ((48, 8), (96, 8), (192, 12)))
        wanted += 3 * 2 * 7**dimensions if kind == "cbam" else 0
    assert count_parameters(network) - count_parameters(plain) == wanted


def test_places_gather_from_one_another_after_the_last_stage_and_begin_with_nothing() -> None:
    plain = WideResNet(WideResNetSettings(depth=16, widen=1), FORM, 2).eval()
    network = WideResNet(WideResNetSettings(depth=16, widen=1, attention="self"), FORM, 2).eval()
    missing, unexpected = network.load_state_dict(plain.state_dict(), strict=False)
    assert {name.split(".")[1] for name in missing} == {"6"}
    assert not unexpected
    images = torch.rand(2, 3, 16, 16)
    assert torch.equal(network(images)[0], plain(images)[0])


def test_a_block_is_weighed_before_its_shortcut_is_added() -> None:
    attention = SqueezeExcitation(8)
    block = WideBlock(layers(FORM), 8, 8, stride=1, dropout=0.0, attention=attention).eval()
    given, seen = torch.rand(2, 8, 6, 6), []
    block.conv2.register_forward_hook(lambda _, __, found: seen.append(found))
    answer = block(given)
    assert torch.allclose(answer, attention(seen[0]) + given)
