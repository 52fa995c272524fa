"""VGG: torchvision's names and answers, its heads, and inputs that are too small to be halved five times."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import pytest
import torch
from torch import nn

from isocenter.learning.models._shared import InputForm, count_parameters
from isocenter.learning.models.vgg import VGG, VGGSettings
from isocenter.learning.weights import lay_in

COUNTS = {11: (1, 1, 2, 2, 2), 13: (2, 2, 2, 2, 2), 16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}
PARAMETERS = {
    (11, False): 132_863_336,
    (13, False): 133_047_848,
    (16, False): 138_357_544,
    (19, False): 143_667_240,
    (11, True): 132_868_840,
    (13, True): 133_053_736,
    (16, True): 138_365_992,
    (19, True): 143_678_248,
}
"""As published with torchvision's weights, for 1000 classes, without and with batch normalisation."""


def form_of(*shape: int, channels: int = 3) -> InputForm:
    return InputForm(channels=channels, shape=shape, mean=(0.0,) * channels, deviation=(1.0,) * channels)


def built(form: InputForm, **settings: Any) -> VGG:
    torch.manual_seed(4)
    return VGG(VGGSettings.model_validate({"width": 4} | settings), form, 3)


def own_weights(network: VGG) -> dict[str, torch.Tensor]:
    return {key: value for key, value in network.state_dict().items() if not key.startswith("normalise.")}


def plain(depth: int, *, normalised: bool, width: int, hidden: int, outputs: int) -> nn.Sequential:
    """The layers of 2015, in torchvision's order."""
    features: list[nn.Module] = []
    given = 3
    for stage, count in enumerate(COUNTS[depth]):
        wide = width * (1, 2, 4, 8, 8)[stage]
        for _ in range(count):
            features.append(nn.Conv2d(given, wide, 3, padding=1))
            features += [nn.BatchNorm2d(wide), nn.ReLU()] if normalised else [nn.ReLU()]
            given = wide
        features.append(nn.MaxPool2d(2))
    classifier = nn.Sequential(
        *[nn.Linear(given * 49, hidden), nn.ReLU(), nn.Dropout()],
        *[nn.Linear(hidden, hidden), nn.ReLU(), nn.Dropout()],
        nn.Linear(hidden, outputs),
    )
    steps = {
        "features": nn.Sequential(*features),
        "avgpool": nn.AdaptiveAvgPool2d(7),
        "row": nn.Flatten(),
        "classifier": classifier,
    }
    return nn.Sequential(OrderedDict(steps))


@pytest.mark.parametrize(("depth", "normalised"), PARAMETERS)
def test_the_original_is_torchvision_s(depth: int, normalised: bool) -> None:
    settings = VGGSettings.model_validate({"depth": depth, "batch_normalisation": normalised, "head": "dense"})
    with torch.device("meta"):
        network = VGG(settings, form_of(224, 224), 1000)
        reference = plain(depth, normalised=normalised, width=64, hidden=4096, outputs=1000)
    own = {key: value.shape for key, value in own_weights(network).items()}
    assert own == {key: value.shape for key, value in reference.state_dict().items()}
    assert count_parameters(network) == PARAMETERS[depth, normalised]


def test_weights_carry_the_names_of_torchvision() -> None:
    with torch.device("meta"):
        names = own_weights(built(form_of(224, 224), depth=11, batch_normalisation=False, head="dense"))
    numbers = {"features": (0, 3, 6, 8, 11, 13, 16, 18), "classifier": (0, 3, 6)}
    places = [f"{part}.{number}" for part, several in numbers.items() for number in several]
    assert set(names) == {f"{place}.{kind}" for place in places for kind in ("weight", "bias")}


@pytest.mark.parametrize(
    ("depth", "normalised", "shape"),
    [(11, True, (224, 224)), (16, False, (224, 224)), (13, True, (150, 260)), (19, False, (64, 80))],
)
def test_it_answers_as_torchvision_s_does(depth: int, normalised: bool, shape: tuple[int, ...]) -> None:
    settings = {"depth": depth, "batch_normalisation": normalised, "head": "dense", "hidden": 16, "grid": 7}
    network = built(form_of(*shape), **settings)
    pixels = torch.rand(2, 3, *shape)
    with torch.no_grad():
        network.features(pixels)  # Moves the running means of batch normalisation away from 0 and 1.
        reference = plain(depth, normalised=normalised, width=4, hidden=16, outputs=3).eval()
        reference.load_state_dict(own_weights(network))
        torch.testing.assert_close(network.eval()(pixels)[0], reference(pixels), rtol=1e-4, atol=1e-7)


def test_the_default_head_takes_the_stages_of_weights_from_elsewhere() -> None:
    network = built(form_of(40, 40, channels=1))
    given = plain(11, normalised=True, width=4, hidden=8, outputs=1000).state_dict()
    taken = lay_in(network, given)
    assert taken.left == ("classifier.1.weight", "classifier.1.bias")
    assert all(name.startswith("classifier.") for name in taken.unused)
    assert torch.equal(network.state_dict()["features.4.weight"], given["features.4.weight"])


@pytest.mark.parametrize("shape", [(40, 40), (20, 24, 22)])
def test_the_default_head_is_the_average_over_all_places(shape: tuple[int, ...]) -> None:
    network = built(form_of(*shape), dropout=0.9)
    network.classifier.train()
    network.features.eval()
    _, features, embedding = network(torch.rand(2, 3, *shape))
    assert torch.allclose(embedding, features.flatten(2).mean(2), atol=1e-6)


@pytest.mark.parametrize(
    ("shape", "extents"),
    [
        ((224, 224), (7, 7)),
        ((64, 64), (2, 2)),
        ((28, 28), (3, 3)),
        ((13, 10), (3, 2)),
        ((100, 3), (3, 3)),
        ((7, 28, 28), (3, 3, 3)),
        ((1, 64, 100), (1, 2, 3)),
    ],
)
def test_an_axis_is_halved_as_long_as_two_places_stay(shape: tuple[int, ...], extents: tuple[int, ...]) -> None:
    network = built(form_of(*shape, channels=1), width=1).eval()
    assert network(torch.rand(1, 1, *shape))[1].shape[2:] == extents


@pytest.mark.parametrize("head", ["average", "dense"])
@pytest.mark.parametrize("depth", [11, 13, 16, 19])
@pytest.mark.parametrize("shape", [(1, 1), (9, 7), (5, 8, 3)])
def test_every_depth_bears_small_and_odd_extents(shape: tuple[int, ...], depth: int, head: str) -> None:
    network = built(form_of(*shape, channels=2), width=1, depth=depth, head=head, hidden=5).eval()
    logits, features, embedding = network(torch.rand(2, 2, *shape))
    assert logits.shape == (2, 3)
    assert features.shape[1] == 8
    assert embedding.shape == (2, 5 if head == "dense" else 8)
    assert sum(isinstance(part, nn.Conv2d | nn.Conv3d) for part in network.modules()) == depth - 3


def test_the_dense_layers_see_no_more_cells_than_there_are_unless_they_are_told_to() -> None:
    def seen(form: InputForm, **settings: Any) -> int:
        with torch.device("meta"):
            network = built(form, head="dense", **settings)
        assert network.classifier[0].out_features == 64 * 4
        return int(network.classifier[0].in_features)

    assert seen(form_of(28, 28)) == 32 * 3 * 3
    assert seen(form_of(28, 28), grid=7) == 32 * 7 * 7
    assert seen(form_of(224, 300)) == 32 * 7 * 7
    assert seen(form_of(128, 128, 64)) == 32 * 3 * 3 * 2


@pytest.mark.parametrize(("head", "rates"), [("average", [0.3]), ("dense", [0.3, 0.3])])
def test_dropout_is_where_the_original_has_it(head: str, rates: list[float]) -> None:
    network = built(form_of(16, 16), head=head, hidden=5, dropout=0.3)
    assert [part.p for part in network.modules() if isinstance(part, nn.Dropout)] == rates


@pytest.mark.parametrize("shape", [(20, 20), (12, 12, 12)])
@pytest.mark.parametrize("head", ["average", "dense"])
@pytest.mark.parametrize("normalised", [True, False])
def test_every_weight_of_the_deepest_learns(normalised: bool, head: str, shape: tuple[int, ...]) -> None:
    network = built(form_of(*shape), batch_normalisation=normalised, head=head, depth=19, width=8, hidden=32)
    logits = network(torch.randn(4, 3, *shape))[0]
    nn.functional.cross_entropy(logits, torch.tensor([0, 1, 2, 0])).backward()
    # What is before a normalisation over the batch is shifted in vain.
    learning = {key: part for key, part in network.named_parameters() if part.ndim > 1 or not normalised}
    assert len(learning) >= 17
    assert all(part.grad is not None and bool(part.grad.abs().sum() > 0) for part in learning.values())
