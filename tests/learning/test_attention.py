"""Attention: the formulas of the papers, written out place by place; families that have it learn and are exported."""

from __future__ import annotations

import itertools
import math
from typing import Any, get_args

import numpy as np
import onnxruntime
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from isocenter.core import registry
from isocenter.core.optional import present, require
from isocenter.learning import models
from isocenter.learning.attention import (
    PLACES,
    Attention,
    MultiHead,
    PlaceAttention,
    SelfAttention,
    SqueezeExcitation,
    attention_layer,
    window_for,
)
from isocenter.learning.export import export_onnx
from isocenter.learning.models._shared import InputForm, Network
from isocenter.learning.training.loop import lay_out

KINDS: tuple[Attention, ...] = get_args(Attention)
MAPS = [(5, 4), (3, 4, 2)]
FAMILIES: dict[str, dict[str, Any]] = {
    "cnn": {"kernels": (8, 8), "hidden": 16},
    "resnet": {"width": 8, "stages": (1, 1)},
    "wide_resnet": {"depth": 10, "widen": 1},
}
"""Families that have attention, with settings with which they are quick."""


@pytest.fixture(autouse=True)
def _the_same_chance() -> None:
    torch.manual_seed(1)


def judged(layer: SqueezeExcitation, summary: list[float]) -> list[float]:
    """The two dense layers, one number after the other."""

    def dense(part: nn.Linear, given: list[float]) -> list[float]:
        rows = zip(part.weight.tolist(), part.bias.tolist(), strict=True)
        return [sum(a * b for a, b in zip(row, given, strict=True)) + bias for row, bias in rows]

    return dense(layer.excite, [max(one, 0.0) for one in dense(layer.squeeze, summary)])


def sigmoid(number: float) -> float:
    return 1 / (1 + math.exp(-number))


@pytest.mark.parametrize("largest", [False, True], ids=["squeeze", "channels of cbam"])
@pytest.mark.parametrize("extents", MAPS)
def test_channels_are_weighted_by_what_all_of_them_are(extents: tuple[int, ...], largest: bool) -> None:
    layer = SqueezeExcitation(24, largest=largest)
    given = torch.randn(2, 24, *extents)
    seen = layer(given)
    for case in range(2):
        values = given[case].flatten(1).tolist()
        weights = judged(layer, [sum(one) / len(one) for one in values])
        if largest:
            weights = [a + b for a, b in zip(weights, judged(layer, [max(one) for one in values]), strict=True)]
        for channel, weight in enumerate(weights):
            assert torch.allclose(seen[case, channel], given[case, channel] * sigmoid(weight), atol=1e-6)


@pytest.mark.parametrize("extents", [*MAPS, (9, 1)])
def test_places_are_weighted_by_what_lies_around_them(extents: tuple[int, ...]) -> None:
    layer = PlaceAttention(len(extents))
    given = torch.randn(1, 6, *extents)
    seen, channels = layer(given)[0].movedim(0, -1), given[0].movedim(0, -1)
    kernel = layer.kernel[0].movedim(0, -1)
    places = list(itertools.product(*(range(extent) for extent in extents)))
    for here in places:
        weight = 0.0
        for there in places:
            step = tuple(3 + b - a for a, b in zip(here, there, strict=True))
            if all(0 <= one < 7 for one in step):
                average, largest = kernel[step].tolist()
                weight += average * float(channels[there].mean()) + largest * float(channels[there].max())
        assert torch.allclose(seen[here], channels[here] * sigmoid(weight), atol=1e-5)


@pytest.mark.parametrize("dimensions", [2, 3])
def test_cbam_weights_channels_first(dimensions: int) -> None:
    layer = attention_layer("cbam", 8, dimensions)
    given = torch.randn(2, 8, *[4] * dimensions)
    channels, places = layer.get_submodule("channels"), layer.get_submodule("places")
    assert torch.equal(layer(given), places(channels(given)))
    assert not torch.allclose(layer(given), channels(places(given)))


def torchs(layer: MultiHead, width: int) -> nn.MultiheadAttention:
    """Torch's layer of the same weights."""
    theirs = nn.MultiheadAttention(width, layer.heads, batch_first=True).eval()
    parts = (layer.query, layer.key, layer.value)
    theirs.in_proj_weight = nn.Parameter(torch.cat([part.weight for part in parts]))
    theirs.in_proj_bias = nn.Parameter(torch.cat([part.bias for part in parts]))
    theirs.out_proj.load_state_dict(layer.out.state_dict())
    return theirs


@pytest.mark.parametrize("heads", [1, 2, 6])
def test_several_heads_are_torchs(heads: int) -> None:
    layer = MultiHead(12, heads)
    asking, told = torch.randn(2, 7, 12), torch.randn(2, 5, 12)
    assert torch.allclose(layer(asking, told), torchs(layer, 12)(asking, told, told)[0], atol=1e-6)


def averaged(given: Tensor, window: tuple[int, ...]) -> Tensor:
    """A map averaged over windows, one after the other (batch, windows, channels); the last may be cut off."""
    starts = (range(0, extent, step) for extent, step in zip(given.shape[2:], window, strict=True))
    cells = []
    for start in itertools.product(*starts):
        cell = tuple(slice(first, first + step) for first, step in zip(start, window, strict=True))
        cells.append(given[(slice(None), slice(None), *cell)].flatten(2).mean(2))
    return torch.stack(cells, dim=1)


@pytest.mark.parametrize(
    ("extents", "window"),
    [
        ((8, 8), (1, 1)),
        ((5, 4), (1, 1)),
        ((20, 9), (2, 2)),
        ((1, 90), (1, 2)),
        ((4, 4, 4), (1, 1, 1)),
        ((9, 7, 8), (3, 3, 3)),
    ],
)
def test_places_gather_from_the_map_or_from_its_averages(extents: tuple[int, ...], window: tuple[int, ...]) -> None:
    layer = SelfAttention(12)
    nn.init.constant_(layer.gate, 0.7)
    nn.init.uniform_(layer.norm.weight)
    given = torch.randn(2, 12, *extents)
    assert window_for(extents) == window

    def normed(tokens: Tensor) -> Tensor:
        return functional.layer_norm(tokens, (12,), layer.norm.weight, layer.norm.bias)

    asking, told = normed(averaged(given, (1,) * len(extents))), normed(averaged(given, window))
    gathered = torchs(layer.attend, 12)(asking, told, told)[0]
    assert torch.allclose(layer(given).flatten(2), given.flatten(2) + 0.7 * gathered.transpose(1, 2), atol=1e-5)


@pytest.mark.parametrize(
    "extents", [(1, 1), (64, 1), (65, 1), (56, 56), (7, 200), (4, 4, 5), (32, 32, 32), (3, 90, 90)]
)
def test_windows_are_as_small_as_can_be(extents: tuple[int, ...]) -> None:
    def places(step: int) -> int:
        return math.prod(math.ceil(extent / min(step, extent)) for extent in extents)

    step = max(window_for(extents))
    assert places(step) <= PLACES
    assert step == 1 or places(step - 1) > PLACES


@pytest.mark.parametrize("kind", ["none", "self"])
@pytest.mark.parametrize("extents", [*MAPS, (20, 9)])
def test_it_begins_by_handing_on_what_it_is_given(kind: Attention, extents: tuple[int, ...]) -> None:
    given = torch.randn(2, 8, *extents)
    assert torch.equal(attention_layer(kind, 8, len(extents))(given), given)


@pytest.mark.parametrize("channels", [1, 3, 10, 24])
@pytest.mark.parametrize("kind", KINDS)
def test_any_number_of_channels_can_be_weighted(kind: Attention, channels: int) -> None:
    given = torch.randn(2, channels, 4, 3)
    assert attention_layer(kind, channels, 2)(given).shape == given.shape


def teach(network: Network, pixels: Tensor, targets: Tensor) -> list[float]:
    """The loss of each step of a short training, with the maps laid out in memory as in a long one."""
    lay_out(network)
    layout = torch.channels_last if pixels.ndim == 4 else torch.channels_last_3d
    optimiser = torch.optim.Adam(network.parameters(), lr=0.01)
    losses = []
    for _ in range(10):
        loss = functional.cross_entropy(network(pixels.contiguous(memory_format=layout))[0], targets)
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        optimiser.step()
        losses.append(float(loss.detach()))
    return losses


@pytest.mark.parametrize("shape", [(20, 22), (10, 8, 12)], ids=["image", "volume"])
@pytest.mark.parametrize("kind", ["squeeze", "cbam", "self"])
@pytest.mark.parametrize("family", FAMILIES)
def test_families_learn_with_it_and_runtimes_answer_as_torch_does(
    family: str, kind: Attention, shape: tuple[int, ...]
) -> None:
    form = InputForm(channels=1, shape=shape, mean=(100.0,), deviation=(50.0,))
    random = np.random.default_rng(0)
    pixels = random.integers(60, 140, (6, 1, *shape)).astype(np.uint8)
    pixels[::2, :, : shape[0] // 2] += 60
    model = registry.get(models, family)
    network: Network = model.build(model.settings(attention=kind, **FAMILIES[family]), form, 2)
    losses = teach(network, torch.from_numpy(pixels).float(), torch.arange(6) % 2)
    assert losses[-1] < losses[0] / 2
    gates = [part.gate for part in network.eval().modules() if isinstance(part, SelfAttention)]
    assert bool(gates) == (kind == "self")
    assert all(abs(float(gate.detach())) > 1e-3 for gate in gates)
    with torch.no_grad():
        wanted = [output.numpy() for output in network(torch.from_numpy(pixels).float())]
    names = ("logits", "features", "embedding")
    graph, _ = export_onnx(network, form, "uint8")
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    answers: list[Any] = [dict(zip(names, session.run(list(names), {"pixels": pixels}), strict=True))]
    if present("openvino"):
        core = require("openvino").Core()
        exact = {"INFERENCE_PRECISION_HINT": "f32"}
        answers.append(core.compile_model(core.read_model(graph), "CPU", exact)(pixels))
    for said in answers:
        for name, theirs in zip(names, wanted, strict=True):
            np.testing.assert_allclose(said[name], theirs, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("family", FAMILIES)
def test_maps_lie_in_memory_as_without_it(family: str, kind: Attention) -> None:
    form = InputForm(channels=3, shape=(16, 16), mean=(0.0,) * 3, deviation=(1.0,) * 3)
    model = registry.get(models, family)
    network = model.build(model.settings(attention=kind, **FAMILIES[family]), form, 2)
    lay_out(network)
    convolutions = [part.weight for part in network.modules() if isinstance(part, nn.Conv2d)]
    assert convolutions
    assert all(weight.is_contiguous(memory_format=torch.channels_last) for weight in convolutions)
