"""Small maps are computed as a product of matrices: the numbers and the gradients are those of torch's convolution."""

from __future__ import annotations

import subprocess
import sys
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


@pytest.mark.parametrize("last", [False, True], ids=["channels first", "channels last"])
@pytest.mark.parametrize("stride", [2, (1, 3)])
def test_kernels_of_one_place_that_skip_others_are_those_of_torch(
    stride: Any, last: bool, products: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, theirs = both(kernel_size=1, stride=stride)
    given = torch.randn(5, 8, 9, 12)
    if last:
        given = given.contiguous(memory_format=torch.channels_last)
    shapes: list[tuple[int, ...]] = []
    real = convolution.functional.conv2d

    def conv2d(seen: Tensor, *rest: Any) -> Tensor:
        shapes.append(tuple(seen.shape[2:]))
        return real(seen, *rest)

    monkeypatch.setattr(convolution.functional, "conv2d", conv2d)
    found = learned(ours, given)
    assert shapes == [tuple(found[0].shape[2:])]
    assert not products
    for one, other in zip(found, learned(theirs, given.contiguous()), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5)
    assert found[0].is_contiguous(memory_format=torch.channels_last if last else torch.contiguous_format)


def test_a_narrow_network_learns_from_larger_images_without_writing_where_it_must_not() -> None:
    """In a process of its own, for what it guards against ends the process."""
    learns = (
        "import torch; torch.set_num_threads(1)\n"
        "from isocenter.learning.convolution import Convolution\n"
        "layer = Convolution(8, 16, 1, 2, bias=False).to(memory_format=torch.channels_last)\n"
        "given = torch.randn(8, 8, 64, 64).contiguous(memory_format=torch.channels_last).requires_grad_()\n"
        "for _ in range(30): layer(given).square().sum().backward()\n"
    )
    subprocess.run([sys.executable, "-c", learns], check=True, timeout=120)


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
