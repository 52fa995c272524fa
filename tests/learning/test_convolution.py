"""Small maps are computed as a product of matrices: the numbers and the gradients are those of torch's convolution."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from isocenter.learning import convolution
from isocenter.learning.convolution import FEW_PLACES, Convolution


def both(**settings: Any) -> tuple[Convolution, nn.Conv2d]:
    """The two with the same weights."""
    torch.manual_seed(0)
    ours = Convolution(8, 16, **settings)
    theirs = nn.Conv2d(8, 16, **settings)
    theirs.load_state_dict(ours.state_dict())
    return ours, theirs


def learned(layer: nn.Conv2d, given: Tensor) -> list[Tensor]:
    """What it computes, and the gradients of its input and of its weights."""
    given = given.detach().requires_grad_()
    seen = layer(given)
    torch.autograd.backward((seen * torch.arange(seen.numel()).reshape(seen.shape) / seen.numel()).sum())
    return [seen, given.grad, *(one.grad for one in layer.parameters())]


@pytest.fixture
def products(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many products of matrices were computed in place of a convolution."""
    counted: list[int] = []
    real = convolution.functional.linear

    def linear(*given: Any) -> Tensor:
        counted.append(1)
        return real(*given)

    monkeypatch.setattr(convolution.functional, "linear", linear)
    return counted


@pytest.mark.parametrize("last", [False, True], ids=["channels first", "channels last"])
@pytest.mark.parametrize(
    ("settings", "shape"),
    [
        ({"kernel_size": 3, "padding": 1, "bias": False}, (1, 1)),
        ({"kernel_size": 3, "padding": 1}, (2, 2)),
        ({"kernel_size": 3, "padding": 1, "stride": 2}, (4, 3)),
        ({"kernel_size": 1, "stride": 2}, (3, 2)),
        ({"kernel_size": (3, 2), "padding": (0, 1)}, (4, 1)),
    ],
)
def test_a_small_map_is_that_of_torch(
    settings: dict[str, Any], shape: tuple[int, int], last: bool, products: list[int]
) -> None:
    ours, theirs = both(**settings)
    given = torch.randn(5, 8, *shape)
    if last:
        given = given.contiguous(memory_format=torch.channels_last)
    found = learned(ours, given)
    assert len(products) == found[0][0, 0].numel() <= FEW_PLACES
    for one, other in zip(found, learned(theirs, given), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5)
    assert last or found[0].is_contiguous()


def test_large_maps_work_and_unusual_kernels_are_left_to_torch(products: list[int]) -> None:
    ours, theirs = both(kernel_size=3, padding=1)
    wide = torch.randn(2, 8, 2, FEW_PLACES)
    assert torch.equal(ours(wide), theirs(wide))
    small = torch.randn(2, 8, 1, 1)
    assert torch.equal(ours.eval()(small), theirs.eval()(small))
    assert torch.equal(ours.train()(small[0]), theirs.train()(small[0]))
    wide_margin = both(kernel_size=1, stride=2, padding=(0, 2))
    assert torch.equal(*(one(torch.arange(32.0).reshape(1, 8, 2, 2)) for one in wide_margin))
    for unusual in ({"groups": 2}, {"dilation": 2}, {"padding": "same"}, {"padding_mode": "reflect"}):
        ours, theirs = both(kernel_size=3, **({"padding": 1} | unusual))
        given = torch.randn(2, 8, 3, 3)
        assert torch.equal(ours(given), theirs(given))
    assert products == []
