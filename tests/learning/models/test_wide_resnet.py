"""The wide residual network: its depth and its width."""

from __future__ import annotations

import pytest
import torch
from pydantic import ValidationError
from torch import nn

from isocenter.learning.models._shared import InputForm
from isocenter.learning.models.wide_resnet import WideResNet, WideResNetSettings

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
