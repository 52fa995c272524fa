"""The network that looks at slices: how it joins them, what it sees beside them, and how much each counts."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from isocenter.core.optional import present, require
from isocenter.evidence.explainers import gradcam
from isocenter.evidence.explainers._shared import Explained
from isocenter.learning.export import export_onnx
from isocenter.learning.models._shared import InputForm
from isocenter.learning.models.resnet import ResNet, ResNetSettings
from isocenter.learning.models.slices import PLANES, EvenCells, Slices, SlicesSettings, with_neighbours
from isocenter.learning.weights import lay_in

NARROW: dict[str, Any] = {"width": 8, "stages": (1, 1), "hidden": 16}
SHAPE = (6, 9, 7)
JOINS = ("attention", "mean", "max")


@pytest.fixture(autouse=True)
def _the_same_chance() -> None:
    torch.manual_seed(1)


def form_of(*shape: int, channels: int = 1) -> InputForm:
    return InputForm(channels=channels, shape=shape, mean=(0.2,) * channels, deviation=(0.5,) * channels)


def network_of(*, shape: tuple[int, ...] = SHAPE, channels: int = 1, **settings: Any) -> Slices:
    """A network whose attention has an opinion, as after training."""
    chosen = SlicesSettings.model_validate({**NARROW, **settings})
    network = Slices(chosen, form_of(*shape, channels=channels), 2).eval()
    for name, one in network.named_parameters():
        if name == "join.score.weight":
            nn.init.normal_(one, std=2.0)
    return network


def images_like(network: Slices, channels: int = 1, shape: tuple[int, ...] = SHAPE[1:]) -> ResNet:
    """A network for images with the same weights."""
    plain = {"width": NARROW["width"], "stages": NARROW["stages"], "stem": "small"}
    image = ResNet(ResNetSettings.model_validate(plain), form_of(*shape, channels=channels), 2).eval()
    known = network.state_dict()
    image.load_state_dict(
        {name: value if "normalise" in name else known[name] for name, value in image.state_dict().items()}
    )
    return image


def cut(volumes: Tensor, axis: int) -> list[Tensor]:
    """The slices across an axis of volumes (batch, channels, slices, rows, columns)."""
    return [volumes.select(axis + 2, place) for place in range(volumes.shape[axis + 2])]


def shares_of(join: str, network: Slices, seen: NDArray[np.float64]) -> NDArray[np.float64]:
    """How much each slice counts in each channel, from what was seen of one case (slices, channels)."""
    if join == "mean":
        return np.full_like(seen, 1 / len(seen))
    if join == "max":
        largest = seen == seen.max(0)
        return largest / largest.sum(0)
    own = {name: value.detach().numpy().astype(np.float64) for name, value in network.join.named_parameters()}
    scores = []
    for one in seen:
        content = np.tanh(own["content.weight"] @ one + own["content.bias"])
        gate = 1 / (1 + np.exp(-(own["gate.weight"] @ one + own["gate.bias"])))
        scores.append(float((own["score.weight"] @ (content * gate))[0]))
    raised = np.exp(np.array(scores) - max(scores))
    return np.repeat((raised / raised.sum())[:, None], seen.shape[1], axis=1)


def joined_by_hand(join: str, network: Slices, volumes: Tensor) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Logits, map and shares as the formulas of the paper give them, slice by slice and plane by plane."""
    axes = range(len(network.planes))
    images = images_like(network, volumes.shape[1])
    logits, maps, counts = [], [], []
    for case in volumes:
        seen = [[images(one)[1][0].double().numpy() for one in cut(case[None], axis)] for axis in axes]
        shares = shares_of(join, network, np.stack([one.mean((1, 2)) for plane in seen for one in plane]))
        place, total = 0, np.zeros(1)
        for axis, plane in enumerate(seen):
            own = shares[place : place + len(plane), :, None, None] * len(plane)
            weighted = np.moveaxis(np.stack(plane) * own, (1, 0), (0, axis + 1))
            place += len(plane)
            total = total + (weighted if len(seen) == 1 else coarse(weighted, axis + 1, -(-len(plane) // 2)))
        embedding = total.mean((1, 2, 3))
        fc = network.fc
        logits.append(fc.weight.detach().double().numpy() @ embedding + fc.bias.detach().double().numpy())
        maps.append(total)
        counts.append(shares.mean(1))
    return np.stack(logits), np.stack(maps), np.stack(counts)


def coarse(array: NDArray[Any], axis: int, cells: int) -> NDArray[Any]:
    """Averages of cells of equal extent, by way of a grid that is fine enough for both."""
    places = array.shape[axis]
    fine = np.moveaxis(np.repeat(array, cells, axis=axis), axis, -1)
    return np.moveaxis(fine.reshape(*fine.shape[:-1], cells, places).mean(-1), -1, axis)


@pytest.mark.parametrize("planes", ["axial", "all"])
@pytest.mark.parametrize("join", JOINS)
def test_slices_are_joined_as_the_formulas_say(join: str, planes: str) -> None:
    network = network_of(join=join, planes=planes, channels=2)
    volumes = torch.rand(3, 2, *SHAPE)
    with torch.no_grad():
        logits, features, embedding = network(volumes)
        wanted, maps, shares = joined_by_hand(join, network, volumes)
    np.testing.assert_allclose(features, maps, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(logits, wanted, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(embedding, features.mean((2, 3, 4)), rtol=1e-4, atol=1e-5)
    told = network.slice_weights(volumes)
    assert list(told) == list(PLANES[: 3 if planes == "all" else 1])
    np.testing.assert_allclose(torch.cat(list(told.values()), dim=1), shares, rtol=1e-4, atol=1e-6)


def test_all_slices_count_alike_before_anything_is_learned() -> None:
    network = Slices(SlicesSettings.model_validate(NARROW), form_of(*SHAPE), 2).eval()
    weights = network.slice_weights(torch.rand(2, 1, *SHAPE))["axial"]
    assert torch.allclose(weights, torch.full((2, 6), 1 / 6))


@pytest.mark.parametrize("count", [0, 1, 2, 8])
def test_beyond_the_border_the_last_slice_is_seen_again(count: int) -> None:
    volumes = torch.rand(2, 3, 5, 4, 2)
    seen = with_neighbours(volumes, count)
    assert seen.shape == (2, 3 * (2 * count + 1), 5, 4, 2)
    for place in range(5):
        for number, offset in enumerate(range(-count, count + 1)):
            other = min(max(place + offset, 0), 4)
            assert torch.equal(seen[:, 3 * number : 3 * number + 3, place], volumes[:, :, other])


@pytest.mark.parametrize("join", JOINS)
def test_alone_slices_are_answered_alike_in_any_order_and_with_neighbours_are_not(join: str) -> None:
    order = torch.tensor([3, 0, 5, 1, 4, 2])
    volumes = torch.rand(2, 1, *SHAPE)
    for neighbours in (0, 1):
        network = network_of(join=join, neighbours=neighbours)
        with torch.no_grad():
            logits, others = network(volumes)[0], network(volumes[:, :, order])[0]
        assert torch.allclose(logits, others, atol=1e-5) == (neighbours == 0)
        if neighbours == 0:
            weights = network.slice_weights(volumes)["axial"]
            assert torch.allclose(weights[:, order], network.slice_weights(volumes[:, :, order])["axial"], atol=1e-5)


@pytest.mark.parametrize("neighbours", [0, 2])
@pytest.mark.parametrize("join", JOINS)
def test_weights_of_images_are_laid_in_and_answer_to_equal_slices_as_to_an_image(join: str, neighbours: int) -> None:
    image = ResNet(ResNetSettings(width=8, stages=(1, 1), stem="small"), form_of(9, 7), 2).eval()
    nn.init.normal_(image.fc.weight)
    given = {name: value for name, value in image.state_dict().items() if not name.startswith("normalise.")}
    network = network_of(join=join, neighbours=neighbours)
    taken = lay_in(network, {f"module.{name}": value for name, value in given.items()})
    assert taken.names == set(given)
    assert taken.body == taken.names - {"fc.weight", "fc.bias"}
    assert taken.adapted == (("conv1.weight",) if neighbours else ())
    assert all(name.startswith("join.") for name in taken.left)
    pictures = torch.rand(3, 1, 9, 7)
    with torch.no_grad():
        answer = network(pictures[:, :, None].expand(-1, -1, 6, -1, -1))[0]
        assert torch.allclose(answer, image(pictures)[0], atol=1e-4)


@pytest.mark.parametrize(("places", "cells"), [(9, 3), (7, 2), (5, 5), (3, 1), (10, 4)])
def test_cells_keep_the_mean_and_the_order_of_their_places(places: int, cells: int) -> None:
    given = torch.rand(2, 3, 4, places, 2)
    got = EvenCells(places, cells, 3)(given)
    np.testing.assert_allclose(got, coarse(given.numpy(), 3, cells), rtol=1e-5)
    assert torch.allclose(got.mean(3), given.mean(3), atol=1e-6)


@pytest.mark.parametrize(
    "settings",
    [
        {"planes": "all", "neighbours": 1, "shortcut": "average"},
        {"planes": "all", "join": "max", "stem": "large"},
        {"neighbours": 2, "join": "mean", "stem": "medium", "shortcut": "average"},
    ],
)
def test_runtimes_answer_as_torch_does_for_batches_of_any_length(settings: dict[str, Any]) -> None:
    network, form = network_of(channels=2, **settings), form_of(*SHAPE, channels=2)
    graph, head = export_onnx(network, form, "float32")
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    rest = onnxruntime.InferenceSession(head, providers=["CPUExecutionProvider"])
    core = require("openvino").Core() if present("openvino") else None
    compiled = core.compile_model(core.read_model(graph), "CPU", {"INFERENCE_PRECISION_HINT": "f32"}) if core else None
    for count in (1, 3):
        volumes = torch.rand(count, 2, *SHAPE)
        with torch.no_grad():
            wanted = [one.numpy() for one in network(volumes)]
        for mine, theirs in zip(session.run(None, {"pixels": volumes.numpy()}), wanted, strict=True):
            np.testing.assert_allclose(mine, theirs, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(rest.run(None, {"features": wanted[1]})[0], wanted[0], rtol=1e-4, atol=1e-5)
        if compiled:
            np.testing.assert_allclose(compiled(volumes.numpy())["logits"], wanted[0], rtol=1e-4, atol=1e-4)


@cache
def taught() -> tuple[Slices, Tensor, Tensor, Tensor]:
    """A network that has learned to find a bright square in one slice; the volumes, their classes, the slices."""
    random = np.random.default_rng(0)
    volumes = torch.from_numpy(random.normal(0.2, 0.1, (16, 1, 6, 8, 8))).float()
    classes, places = torch.arange(16) % 2, torch.from_numpy(random.integers(0, 6, 16))
    for number in range(1, 16, 2):
        volumes[number, 0, places[number], 2:6, 2:6] += 1.0
    torch.manual_seed(0)
    network = Slices(SlicesSettings.model_validate(NARROW), form_of(6, 8, 8), 2).train()
    optimiser = torch.optim.Adam(network.parameters(), lr=0.01)
    for _ in range(20):
        optimiser.zero_grad()
        nn.functional.cross_entropy(network(volumes)[0], classes).backward()
        optimiser.step()
    return network.eval(), volumes, classes, places


def test_the_slice_that_tells_is_found_without_being_told() -> None:
    network, volumes, classes, places = taught()
    with torch.no_grad():
        assert torch.equal(network(volumes)[0].argmax(1), classes)
    weights = network.slice_weights(volumes)["axial"]
    assert torch.allclose(weights.sum(1), torch.ones(16))
    assert torch.equal(weights.argmax(1)[1::2], places[1::2])
    assert (weights.amax(1)[1::2] > 2 / 6).all()


def test_parts_of_the_answer_that_slices_give_add_up_and_grad_cam_shows_them() -> None:
    network, volumes, _, places = taught()
    with torch.no_grad():
        logits, features, _ = network(volumes)
        none = network.head(torch.zeros_like(features))[0]
        parts = []
        for place in range(6):
            alone = torch.zeros_like(features)
            alone[:, :, place] = features[:, :, place]
            parts.append(network.head(alone)[0] - none)
        told = torch.stack(parts, dim=1)
        assert torch.allclose(none + told.sum(1), logits, atol=1e-4)
        assert torch.equal(told[1::2, :, 1].argmax(1), places[1::2])
        answers = Explained(
            run=lambda pixels: {"features": network(torch.from_numpy(pixels))[1].numpy()},
            head=lambda given: network.head(torch.from_numpy(given))[0].numpy(),
            blank=(0.2,),
        )
        shown = gradcam.explain(answers, volumes[1].numpy(), 1)
    assert shown.sum((1, 2)).argmax() == places[1]
