"""What every model must keep, asked of everything that stands on the shelf, for images and for volumes."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from numpy.typing import NDArray
from pydantic import ValidationError
from torch import nn
from torch.nn import functional

from isocenter.core import registry
from isocenter.core.errors import UsageError
from isocenter.core.optional import present, require
from isocenter.core.recipe import ModelRecipe
from isocenter.learning import models
from isocenter.learning.build import build_model
from isocenter.learning.export import export_onnx
from isocenter.learning.models._shared import InputForm, Model, Network, count_parameters

NAMES = registry.names(models)
NARROW: dict[str, dict[str, Any]] = {
    "alexnet": {"width": 0.1, "hidden": 128},
    "boosting": {"trees": 10, "smallest_leaf": 1},
    "cnn": {"kernels": (4, 8), "hidden": 16},
    "decision_tree": {"smallest_leaf": 1},
    "forest": {"trees": 10, "smallest_leaf": 1},
    "densenet": {"growth": 4, "initial": 8, "blocks": (2, 2)},
    "efficientnet": {"width": 0.25, "blocks": (2,), "dropout": 0.0},
    "googlenet": {"width": 8, "blocks": (1, 1, 1)},
    "mlp": {"hidden": (16, 8)},
    "neighbours": {"neighbours": 1},
    "resnet": {"width": 8, "stages": (1, 1)},
    "slices": {"width": 8, "stages": (1, 1), "hidden": 16},
    "vgg": {"width": 8},
    "vit": {"width": 16, "depth": 2, "heads": 2},
    "wide_resnet": {"depth": 10, "widen": 1},
}
"""Settings with which a model is quick; a model that is not named here is tested as it comes."""
SHAPES = {2: (13, 10), 3: (9, 10, 7)}
KINDS = {"grey": (2, 1), "colour": (2, 3), "volume": (3, 1), "channels": (3, 3)}
"""Dimensions and channels of inputs."""
CLASSES = 2


def form_of(dimensions: int, channels: int) -> InputForm:
    return InputForm(
        channels=channels, shape=SHAPES[dimensions], mean=(100.0,) * channels, deviation=(50.0,) * channels
    )


def takes(name: str, dimensions: int) -> bool:
    model: Model = registry.get(models, name)
    return dimensions in model.dimensions


each_input = pytest.mark.parametrize(
    ("name", "form"),
    [
        pytest.param(name, form_of(*kind), id=f"{name}-{word}")
        for name in NAMES
        for word, kind in KINDS.items()
        if takes(name, kind[0])
    ],
)
"""Every model with every input that it says it takes."""

REFUSED = [(name, dimensions) for name in NAMES for dimensions in SHAPES if not takes(name, dimensions)]


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def phantoms(form: InputForm) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Eight noisy images with a bright corner, here or there, as stored, and their classes."""
    random = np.random.default_rng(3)
    pixels = random.integers(60, 140, (8, form.channels, *form.shape)).astype(np.uint8)
    classes = np.arange(8) % CLASSES
    corner = tuple(slice(0, extent // 2) for extent in form.shape)
    other = tuple(slice(extent // 2, None) for extent in form.shape)
    for place, kind in enumerate(classes):
        pixels[(place, slice(None), *(corner if kind else other))] += 60
    return pixels, np.eye(CLASSES, dtype=np.float32)[classes]


def built(name: str, form: InputForm) -> Any:
    torch.manual_seed(1)
    found: Model = registry.get(models, name)
    return found.build(found.settings(**NARROW.get(name, {})), form, CLASSES)


@cache
def taught(name: str, form: InputForm) -> Network:
    """A model that has learned eight phantoms by heart; nobody changes it."""
    pixels, targets = phantoms(form)
    subject = built(name, form)
    if registry.get(models, name).kind == "estimator":
        subject.fit((pixels - 100.0) / 50.0, targets, np.ones(8, np.float32), seed=0)
        network: Network = subject.network()
        return network
    optimiser = torch.optim.Adam(subject.parameters(), lr=0.01)
    subject.train()
    for _ in range(20):
        loss = functional.cross_entropy(subject(torch.from_numpy(pixels).float())[0], torch.from_numpy(targets))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    learned: Network = subject.eval()
    return learned


@pytest.mark.parametrize("name", NAMES)
def test_explains_itself_and_each_setting(name: str) -> None:
    model = registry.get(models, name)
    assert isinstance(model, Model)
    assert model.dimensions
    assert set(model.dimensions) <= set(SHAPES)
    assert registry.blurb(models, name).endswith(".")
    assert all(field.description for field in model.settings.model_fields.values())
    with pytest.raises(ValidationError, match="Extra inputs"):
        model.settings(colour_of_the_night=1)


@pytest.mark.parametrize(("name", "dimensions"), REFUSED)
def test_an_input_that_it_cannot_take_is_refused(name: str, dimensions: int) -> None:
    kind = {2: "images", 3: "volumes"}[dimensions]
    with pytest.raises(UsageError, match=f"`{name}` cannot take {kind}.*list models"):
        build_model(ModelRecipe(name=name), form_of(dimensions, 1), CLASSES)


@each_input
def test_the_same_seed_gives_the_same_model(name: str, form: InputForm) -> None:
    first, second = taught(name, form).state_dict(), taught.__wrapped__(name, form).state_dict()
    assert first.keys() == second.keys()
    assert all(torch.equal(first[key], second[key]) for key in first)


@each_input
def test_learns_eight_phantoms_by_heart_and_hands_out_what_is_promised(name: str, form: InputForm) -> None:
    network = taught(name, form)
    pixels, targets = phantoms(form)
    with torch.no_grad():
        given = torch.from_numpy(pixels).float()
        logits, features, embedding = network(given)
        again, _ = network.head(network.features(network.normalise(given)))
    assert logits.shape == (8, CLASSES)
    assert features.shape[0] == 8
    assert features.ndim == 2 + form.dimensions
    assert embedding.ndim == 2
    assert torch.equal(logits, again)
    assert count_parameters(network) > 0
    assert logits.argmax(1).tolist() == targets.argmax(1).tolist()


@each_input
def test_runtimes_answer_as_torch_does(name: str, form: InputForm) -> None:
    network = taught(name, form)
    pixels = phantoms(form)[0][:5]
    with torch.no_grad():
        wanted = [output.numpy() for output in network(torch.from_numpy(pixels).float())]
    graph, head = export_onnx(network, form, "uint8")
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    got = session.run(["logits", "features", "embedding"], {"pixels": pixels})
    for mine, theirs in zip(got, wanted, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-4, atol=1e-4)
    session = onnxruntime.InferenceSession(head, providers=["CPUExecutionProvider"])
    np.testing.assert_allclose(session.run(["logits"], {"features": wanted[1]})[0], wanted[0], rtol=1e-4, atol=1e-4)
    if present("openvino"):
        core = require("openvino").Core()
        exact = {"INFERENCE_PRECISION_HINT": "f32"}
        answers = core.compile_model(core.read_model(graph), "CPU", exact)(pixels)
        for part, theirs in zip(("logits", "features", "embedding"), wanted, strict=True):
            np.testing.assert_allclose(answers[part], theirs, rtol=1e-4, atol=1e-4)


@each_input
def test_bears_bf16_and_channels_last(name: str, form: InputForm) -> None:
    network = copy.deepcopy(taught(name, form))
    pixels = torch.from_numpy(phantoms(form)[0]).float()
    with torch.no_grad():
        exact = network(pixels)[0]
        layout = torch.channels_last if form.dimensions == 2 else torch.channels_last_3d
        nn.utils.convert_conv2d_weight_memory_format(network, torch.channels_last)
        nn.utils.convert_conv3d_weight_memory_format(network, torch.channels_last_3d)
        pixels = pixels.to(memory_format=layout)
        assert torch.allclose(network(pixels)[0], exact, rtol=1e-4, atol=1e-4)
        with torch.autocast("cpu", torch.bfloat16):
            rough = network(pixels)[0].float()
    assert torch.allclose(rough.softmax(1), exact.softmax(1), atol=0.1)
