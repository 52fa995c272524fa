"""AlexNet: torchvision's names and answers, the two towers of 2012, its stems, and small or odd inputs."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from isocenter.core.optional import present, require
from isocenter.learning.export import export_onnx
from isocenter.learning.models._shared import InputForm, count_parameters
from isocenter.learning.models.alexnet import AlexNet, AlexNetSettings, LocalResponse
from isocenter.learning.weights import lay_in

PARAMETERS = {"one_tower": 61_100_840, "classic": 60_965_224}
"""As published, with torchvision's weights and with those of 2012, for 1000 classes."""


def form_of(*shape: int, channels: int = 3, deviation: float = 1.0) -> InputForm:
    return InputForm(channels=channels, shape=shape, mean=(0.0,) * channels, deviation=(deviation,) * channels)


def built(form: InputForm, **settings: Any) -> AlexNet:
    torch.manual_seed(4)
    return AlexNet(AlexNetSettings.model_validate({"width": 0.1, "hidden": 16} | settings), form, 3)


def own_weights(network: AlexNet) -> dict[str, torch.Tensor]:
    return {key: value for key, value in network.state_dict().items() if not key.startswith("normalise.")}


def torchvision_names() -> dict[str, tuple[int, ...]]:
    """Names and shapes of the weights that torchvision hands out."""
    shapes = {
        "features.0": (64, 3, 11, 11),
        "features.3": (192, 64, 5, 5),
        "features.6": (384, 192, 3, 3),
        "features.8": (256, 384, 3, 3),
        "features.10": (256, 256, 3, 3),
        "classifier.1": (4096, 256 * 6 * 6),
        "classifier.4": (4096, 4096),
        "classifier.6": (1000, 4096),
    }
    weights = {f"{name}.weight": shape for name, shape in shapes.items()}
    return weights | {f"{name}.bias": shape[:1] for name, shape in shapes.items()}


def plain(widths: tuple[int, ...], hidden: int, outputs: int) -> nn.Sequential:
    """The layers of 2014, in torchvision's order."""
    first, second, third, fourth, fifth = widths
    features = nn.Sequential(
        *[nn.Conv2d(3, first, 11, stride=4, padding=2), nn.ReLU(), nn.MaxPool2d(3, stride=2)],
        *[nn.Conv2d(first, second, 5, padding=2), nn.ReLU(), nn.MaxPool2d(3, stride=2)],
        *[nn.Conv2d(second, third, 3, padding=1), nn.ReLU()],
        *[nn.Conv2d(third, fourth, 3, padding=1), nn.ReLU()],
        *[nn.Conv2d(fourth, fifth, 3, padding=1), nn.ReLU(), nn.MaxPool2d(3, stride=2)],
    )
    classifier = nn.Sequential(
        *[nn.Dropout(), nn.Linear(fifth * 36, hidden), nn.ReLU()],
        *[nn.Dropout(), nn.Linear(hidden, hidden), nn.ReLU()],
        nn.Linear(hidden, outputs),
    )
    steps = {"features": features, "avgpool": nn.AdaptiveAvgPool2d(6), "row": nn.Flatten(), "classifier": classifier}
    return nn.Sequential(OrderedDict(steps))


@pytest.mark.parametrize("variant", ["one_tower", "classic"])
def test_it_has_as_many_weights_as_published(variant: str) -> None:
    with torch.device("meta"):
        network = AlexNet(AlexNetSettings.model_validate({"variant": variant}), form_of(224, 224), 1000)
    assert count_parameters(network) == PARAMETERS[variant]


def test_weights_carry_the_names_and_shapes_of_torchvision() -> None:
    with torch.device("meta"):
        network = AlexNet(AlexNetSettings(), form_of(224, 224), 1000)
    assert {key: tuple(value.shape) for key, value in own_weights(network).items()} == torchvision_names()


@pytest.mark.parametrize(
    ("shape", "settings"),
    [((224, 224), {}), ((150, 231), {"grid": 6}), ((100, 100), {"grid": 6, "stem": "large"})],
)
def test_it_answers_as_torchvision_s_does(shape: tuple[int, ...], settings: dict[str, Any]) -> None:
    network = built(form_of(*shape), width=0.125, **settings).eval()
    reference = plain((8, 24, 48, 32, 32), 16, 3).eval()
    reference.load_state_dict(own_weights(network))
    pixels = torch.rand(2, 3, *shape)
    with torch.no_grad():
        torch.testing.assert_close(network(pixels)[0], reference(pixels), rtol=1e-5, atol=1e-7)


def test_weights_from_elsewhere_fit_images_of_other_sizes_and_channels() -> None:
    network = built(form_of(60, 70, channels=1), width=0.125, stem="large", grid=6)
    taken = lay_in(network, plain((8, 24, 48, 32, 32), 16, 1000).state_dict())
    assert taken.adapted == ("features.0.weight",)
    assert taken.left == ("classifier.6.weight", "classifier.6.bias")


def local_response(given: NDArray[np.float64]) -> NDArray[np.float64]:
    """The formula of 2012, channel by channel."""
    count = given.shape[1]
    answer = np.empty_like(given)
    for channel in range(count):
        near = given[:, max(channel - 2, 0) : min(channel + 2, count - 1) + 1]
        answer[:, channel] = given[:, channel] / (2 + 1e-4 * (near**2).sum(1)) ** 0.75
    return answer


@pytest.mark.parametrize("channels", [2, 7])
@pytest.mark.parametrize("extents", [(3, 4), (2, 3, 4)])
def test_the_local_response_is_that_of_2012(extents: tuple[int, ...], channels: int) -> None:
    given = 100 * torch.rand(2, channels, *extents)
    answer = LocalResponse(channels)(given)
    np.testing.assert_allclose(answer, local_response(given.double().numpy()), rtol=1e-5)
    torch.testing.assert_close(answer, nn.LocalResponseNorm(5, alpha=5e-4, beta=0.75, k=2)(given))


@pytest.mark.parametrize("shape", [(35, 40), (18, 20, 17)])
def test_runtimes_normalise_the_local_response_as_torch_does(shape: tuple[int, ...]) -> None:
    form = form_of(*shape, channels=1, deviation=0.1)
    network = built(form, variant="classic").eval()
    pixels = np.random.default_rng(5).integers(0, 255, (3, 1, *shape)).astype(np.uint8)
    with torch.no_grad():
        wanted = [output.numpy() for output in network(torch.from_numpy(pixels).float())]
        first = network.features[:2](torch.from_numpy(pixels) / 0.1)
    assert float((network.features[2](first) * 2**0.75 / first).nanmean()) < 0.5, "pixels too weak to be told apart"
    graph, _ = export_onnx(network, form, "uint8")
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    names = ["logits", "features", "embedding"]
    for mine, theirs in zip(session.run(names, {"pixels": pixels}), wanted, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-4, atol=1e-4)
    if present("openvino"):
        core = require("openvino").Core()
        answers = core.compile_model(core.read_model(graph), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})(pixels)
        for name, theirs in zip(names, wanted, strict=True):
            np.testing.assert_allclose(answers[name], theirs, rtol=1e-4, atol=1e-4)


def test_the_towers_of_2012_meet_in_the_third_convolution_only() -> None:
    network = built(form_of(64, 64), variant="classic").eval()
    pixels = torch.rand(1, 3, 64, 64)
    first = network.features[:4](pixels)
    changed = first.clone()
    changed[:, : first.shape[1] // 2] += 1
    meeting = [number for number, part in enumerate(network.features) if isinstance(part, nn.Conv2d)][2]
    before, after = (network.features[4:meeting](given) for given in (first, changed))
    half = before.shape[1] // 2
    assert not torch.equal(before[:, :half], after[:, :half])
    # The response to two channels beyond the border between the towers is not its own.
    assert torch.equal(before[:, half + 2 :], after[:, half + 2 :])
    before, after = (network.features[meeting](given) for given in (before, after))
    assert not torch.isclose(before, after).flatten(2).all(2).any()


@pytest.mark.parametrize("variant", ["one_tower", "classic"])
@pytest.mark.parametrize("shape", [(40, 40), (12, 12, 12)])
def test_every_weight_learns_and_the_order_in_memory_does_not_matter(shape: tuple[int, ...], variant: str) -> None:
    network = built(form_of(*shape, channels=1), variant=variant, dropout=0.0)
    pixels = torch.randn(4, 1, *shape)
    logits = network(pixels)[0]
    logits.square().sum().backward()
    assert all(bool(part.grad.abs().sum() > 0) for part in network.parameters() if part.grad is not None)
    assert all(part.grad is not None for part in network.parameters())
    layout = torch.channels_last if len(shape) == 2 else torch.channels_last_3d
    network, pixels = network.to(memory_format=layout), pixels.to(memory_format=layout)
    torch.testing.assert_close(network(pixels)[0], logits, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("shape", "kernel", "extents"),
    [
        ((224, 224), 11, (6, 6)),
        ((129, 129), 11, (3, 3)),
        ((128, 128), 7, (7, 7)),
        ((64, 64), 5, (7, 7)),
        ((28, 28), 5, (2, 2)),
        ((28, 28, 28), 5, (2, 2, 2)),
        ((7, 64, 64), 7, (4, 3, 3)),
    ],
)
def test_the_stem_goes_by_the_size_of_the_input(shape: tuple[int, ...], kernel: int, extents: tuple[int, ...]) -> None:
    network = built(form_of(*shape, channels=1), width=0.01).eval()
    assert network.features[0].kernel_size == (kernel,) * len(shape)
    assert network(torch.rand(1, 1, *shape))[1].shape[2:] == extents


@pytest.mark.parametrize("stem", ["small", "medium", "large"])
@pytest.mark.parametrize("shape", [(1, 1), (5, 3), (47, 13), (1, 30, 31), (6, 65, 9)])
def test_every_stem_bears_small_and_odd_extents(shape: tuple[int, ...], stem: str) -> None:
    network = built(form_of(*shape, channels=2), stem=stem, width=0.01).eval()
    logits, features, embedding = network(torch.rand(2, 2, *shape))
    assert logits.shape == (2, 3)
    assert features.ndim == 2 + len(shape)
    assert embedding.shape == (2, 16)


def test_the_dense_layers_see_no_more_cells_than_there_are_unless_they_are_told_to() -> None:
    def seen(form: InputForm, **settings: Any) -> int:
        with torch.device("meta"):
            network = built(form, width=1.0, **settings)
        return int(network.classifier[1].in_features)

    assert seen(form_of(28, 28)) == 256 * 2 * 2
    assert seen(form_of(28, 28), grid=6) == 256 * 6 * 6
    assert seen(form_of(400, 224)) == 256 * 6 * 6
    assert seen(form_of(64, 64, 16)) == 256 * 3 * 3 * 3


def test_it_is_as_narrow_as_it_says() -> None:
    with torch.device("meta"):
        network = AlexNet(AlexNetSettings(width=0.25, variant="classic", dropout=0.3), form_of(64, 64), 5)
    convolutions = [part for part in network.modules() if isinstance(part, nn.Conv2d)]
    assert [part.out_channels for part in convolutions] == [24, 64, 96, 96, 64]
    assert [part.out_features for part in network.modules() if isinstance(part, nn.Linear)] == [1024, 1024, 5]
    assert [part.p for part in network.modules() if isinstance(part, nn.Dropout)] == [0.3, 0.3]


def test_the_narrowest_still_has_two_towers() -> None:
    network = built(form_of(16, 16), width=0.001, variant="classic").eval()
    assert network(torch.rand(1, 3, 16, 16))[1].shape[1] == 2
