"""GoogLeNet: torchvision's names and shapes, its heads on the way, small images."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
import torch
from pydantic import ValidationError
from torch import nn
from torch.nn import functional

from isocenter.learning.export import export_onnx
from isocenter.learning.models._shared import InputForm, count_parameters
from isocenter.learning.models.googlenet import GoogLeNet, GoogLeNetSettings
from isocenter.learning.weights import lay_in

WIDTHS = {
    "3a": (192, 64, 96, 128, 16, 32, 32),
    "3b": (256, 128, 128, 192, 32, 96, 64),
    "4a": (480, 192, 96, 208, 16, 48, 64),
    "4b": (512, 160, 112, 224, 24, 64, 64),
    "4c": (512, 128, 128, 256, 24, 64, 64),
    "4d": (512, 112, 144, 288, 32, 64, 64),
    "4e": (528, 256, 160, 320, 32, 128, 128),
    "5a": (832, 256, 160, 320, 32, 128, 128),
    "5b": (832, 384, 192, 384, 48, 128, 128),
}
"""Table 1 of the paper: what a block is given, and the channels of its convolutions."""
PARAMETERS = {True: 13_004_888, False: 6_624_904}
"""As published with torchvision's weights, for 1000 classes, with the heads on the way and without."""


def form_of(*shape: int, channels: int = 3) -> InputForm:
    return InputForm(channels=channels, shape=shape, mean=(0.0,) * channels, deviation=(1.0,) * channels)


def narrow(*shape: int, **settings: Any) -> GoogLeNet:
    torch.manual_seed(0)
    return GoogLeNet(GoogLeNetSettings(**{"width": 4} | settings), form_of(*shape, channels=1), 2)


def torchvision_names() -> dict[str, tuple[int, ...]]:
    """Names and shapes of the weights that torchvision hands out, for 1000 classes."""
    names: dict[str, tuple[int, ...]] = {"fc.weight": (1000, 1024), "fc.bias": (1000,)}

    def unit(place: str, *shape: int) -> None:
        names[f"{place}.conv.weight"] = shape
        for part in ("weight", "bias", "running_mean", "running_var"):
            names[f"{place}.bn.{part}"] = shape[:1]
        names[f"{place}.bn.num_batches_tracked"] = ()

    unit("conv1", 64, 3, 7, 7)
    unit("conv2", 64, 64, 1, 1)
    unit("conv3", 192, 64, 3, 3)
    for block, (given, first, second_narrow, second, third_narrow, third, fourth) in WIDTHS.items():
        unit(f"inception{block}.branch1", first, given, 1, 1)
        unit(f"inception{block}.branch2.0", second_narrow, given, 1, 1)
        unit(f"inception{block}.branch2.1", second, second_narrow, 3, 3)
        unit(f"inception{block}.branch3.0", third_narrow, given, 1, 1)
        unit(f"inception{block}.branch3.1", third, third_narrow, 3, 3)
        unit(f"inception{block}.branch4.1", fourth, given, 1, 1)
    for place, given in (("aux1", 512), ("aux2", 528)):
        unit(f"{place}.conv", 128, given, 1, 1)
        names |= {f"{place}.fc1.weight": (1024, 2048), f"{place}.fc1.bias": (1024,)}
        names |= {f"{place}.fc2.weight": (1000, 1024), f"{place}.fc2.bias": (1000,)}
    return names


@pytest.mark.parametrize("auxiliary", [True, False])
def test_weights_carry_the_names_and_shapes_of_torchvision(auxiliary: bool) -> None:
    with torch.device("meta"):
        network = GoogLeNet(GoogLeNetSettings(auxiliary=auxiliary), form_of(224, 224), 1000)
    own = {key: tuple(value.shape) for key, value in network.state_dict().items() if not key.startswith("normalise.")}
    wanted = torchvision_names()
    assert own == {key: shape for key, shape in wanted.items() if auxiliary or not key.startswith("aux")}
    assert count_parameters(network) == PARAMETERS[auxiliary]


@pytest.mark.parametrize(("stem", "extent"), [("small", 8), ("medium", 4), ("large", 2)])
def test_stems_and_stages_make_the_image_smaller_by_8_16_and_32(stem: str, extent: int) -> None:
    network = narrow(64, 64, stem=stem).eval()
    assert network(torch.rand(1, 1, 64, 64))[1].shape == (1, 64, extent, extent)


@pytest.mark.parametrize("stem", ["small", "large"])
@pytest.mark.parametrize("shape", [(28, 28), (13, 10), (1, 9), (7, 28, 28), (1, 5, 3)])
def test_small_odd_and_thin_inputs_are_borne(shape: tuple[int, ...], stem: str) -> None:
    network = narrow(*shape, stem=stem).eval()
    logits, features, embedding = network(torch.rand(2, 1, *shape))
    assert logits.shape == (2, 2)
    assert torch.allclose(embedding, features.flatten(2).mean(2), atol=1e-6)
    assert [answer.shape for answer, _ in network.answers(torch.rand(2, 1, *shape))] == 3 * [(2, 2)]


def test_where_a_map_is_large_enough_it_is_halved_as_torchvision_halves_it() -> None:
    network = narrow(57, 46, stem="large")
    given = torch.rand(1, 2, 29, 23)
    assert torch.equal(network.maxpool1(given), functional.max_pool2d(given, 3, stride=2, ceil_mode=True))
    assert torch.equal(network.maxpool4(given), functional.max_pool2d(given, 2, stride=2, ceil_mode=True))


def test_heads_on_the_way_answer_too_and_count_less() -> None:
    network = narrow(28, 28).eval()
    images = torch.rand(2, 1, 28, 28)
    answers = network.answers(images)
    assert [weight for _, weight in answers] == [1.0, 0.3, 0.3]
    assert torch.equal(answers[0][0], network(images)[0])
    early = nn.Sequential(
        *(network.get_submodule(name) for name in network.way[: network.way.index("inception4a") + 1])
    )
    assert torch.equal(answers[1][0], network.get_submodule("aux1")(early(images)))
    assert len(narrow(28, 28, auxiliary=False).answers(images)) == 1


def test_a_head_on_the_way_sees_the_grid_of_the_paper() -> None:
    pool = narrow(224, 224, stem="large").get_submodule("aux1.pool")
    given = torch.rand(2, 3, 14, 14)
    assert torch.allclose(pool(given), functional.adaptive_avg_pool2d(given, 4), atol=1e-6)


def test_a_step_moves_the_heads_on_the_way_and_only_learning_asks_them() -> None:
    network = narrow(28, 28)
    images, targets = torch.rand(4, 1, 28, 28), torch.tensor([0, 1, 0, 1])
    heads = {name: value for name, value in network.named_parameters() if name.startswith("aux")}
    before = {name: value.detach().clone() for name, value in heads.items()}
    optimiser = torch.optim.SGD(network.parameters(), lr=0.1)
    functional.cross_entropy(network(images)[0], targets).backward()
    assert all(value.grad is None for value in heads.values())
    losses = [weight * functional.cross_entropy(logits, targets) for logits, weight in network.answers(images)]
    torch.stack(losses).sum().backward()
    optimiser.step()
    weights = [name for name in heads if name.endswith("weight")]
    assert weights
    assert all(not torch.equal(heads[name], before[name]) for name in weights)


def test_what_is_exported_holds_no_head_on_the_way() -> None:
    shapes = []
    for auxiliary in (True, False):
        network = narrow(28, 28, auxiliary=auxiliary, blocks=(1, 1, 1))
        graph, _ = export_onnx(network, form_of(28, 28, channels=1), "uint8")
        weights = onnx.load_from_string(graph).graph.initializer
        assert not any("aux" in one.name for one in weights)
        shapes.append(sorted(tuple(one.dims) for one in weights))
    assert shapes[0] == shapes[1]


def test_all_channels_follow_from_the_width() -> None:
    for width in (16, 64):
        with torch.device("meta"):
            network = narrow(28, 28, width=width)
        for block, (given, *widths) in WIDTHS.items():
            part = network.get_submodule(f"inception{block}")
            own = [one.weight.shape for one in part.modules() if isinstance(one, nn.Conv2d)]
            assert [shape[0] for shape in own] == [channels * width // 64 for channels in widths]
            assert own[0][1] == given * width // 64


def test_stages_may_be_shorter_and_no_longer() -> None:
    network = narrow(28, 28, blocks=(1, 1, 1)).eval()
    assert [name for name in network.way if "inception" in name] == ["inception3a", "inception4a", "inception5a"]
    assert [weight for _, weight in network.answers(torch.rand(1, 1, 28, 28))] == [1.0, 0.3]
    with pytest.raises(ValidationError, match="less than or equal to 5"):
        GoogLeNetSettings(blocks=(1, 6, 1))


def test_dropout_leaves_the_embedding_alone() -> None:
    network = narrow(8, 8, dropout=0.9).train()
    features = torch.from_numpy(np.random.default_rng(0).random((2, 64, 2, 2), np.float32))
    assert torch.allclose(network.head(features)[1], features.mean((2, 3)))


def test_weights_for_other_questions_are_taken_and_every_head_is_left_to_chance() -> None:
    form = InputForm(channels=3, shape=(64, 64), mean=(0.0,) * 3, deviation=(1.0,) * 3)
    settings = GoogLeNetSettings(width=8, blocks=(1, 4, 1))
    theirs = GoogLeNet(settings, form, 10).state_dict()
    taken = lay_in(GoogLeNet(settings, form, 2), theirs)
    assert {name.split(".")[0] for name in taken.left} == {"fc", "aux1", "aux2"}
    assert not any(name.startswith(("fc", "aux")) for name in taken.body)
