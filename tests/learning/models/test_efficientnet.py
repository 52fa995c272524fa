"""EfficientNet: MONAI's layers and names, its sizes and stems, small and thin inputs."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from monai.networks.nets import EfficientNet as Whole
from torch import nn

from isocenter.core.optional import present, require
from isocenter.learning.export import export_onnx
from isocenter.learning.models._shared import InputForm, count_parameters
from isocenter.learning.models.efficientnet import EfficientNet, EfficientNetSettings

PARAMETERS = {
    "b0": 5_288_548,
    "b1": 7_794_184,
    "b2": 9_109_994,
    "b3": 12_233_232,
    "b4": 19_341_616,
    "b5": 30_389_784,
    "b6": 43_040_704,
    "b7": 66_347_960,
}
"""As published with torchvision's weights, for 1000 classes."""
DROPOUT = {"b0": 0.2, "b1": 0.2, "b2": 0.3, "b3": 0.3, "b4": 0.4, "b5": 0.4, "b6": 0.5, "b7": 0.5}
"""As published."""
STAGES = (
    (1, 3, 1, 1, 32, 16),
    (2, 3, 2, 6, 16, 24),
    (2, 5, 2, 6, 24, 40),
    (3, 3, 2, 6, 40, 80),
    (3, 5, 1, 6, 80, 112),
    (4, 5, 2, 6, 112, 192),
    (1, 3, 1, 6, 192, 320),
)
"""Table 1 of the paper: blocks, kernel, stride, and channels times what, from, to."""
NARROW: dict[str, Any] = {"width": 0.1, "blocks": (1,) * 7}


def form_of(*shape: int, channels: int = 3) -> InputForm:
    return InputForm(channels=channels, shape=shape, mean=(0.0,) * channels, deviation=(1.0,) * channels)


def built(*shape: int, channels: int = 1, **settings: Any) -> EfficientNet:
    torch.manual_seed(0)
    return EfficientNet(EfficientNetSettings(**NARROW | settings), form_of(*shape, channels=channels), 2)


@pytest.mark.parametrize("size", PARAMETERS)
def test_it_is_as_large_as_published(size: str) -> None:
    settings = EfficientNetSettings.model_validate({"size": size})
    with torch.device("meta"):
        network = EfficientNet(settings, form_of(224, 224), 1000)
    assert count_parameters(network) == PARAMETERS[size]
    assert network.dropout.p == DROPOUT[size]


@pytest.mark.parametrize("shape", [(33, 33), (33, 33, 33)])
def test_with_the_large_stem_it_is_monais_network_under_monais_names(shape: tuple[int, ...]) -> None:
    # Of 33 places each halving leaves an odd number, and where extents are odd MONAI fills both edges alike.
    theirs = Whole(
        blocks_args_str=[f"r{r}_k{k}_s{s}{s}_e{e}_i{i}_o{o}_se0.25" for r, k, s, e, i, o in STAGES],
        spatial_dims=len(shape),
        in_channels=1,
        num_classes=5,
        width_coefficient=0.25,
        image_size=33,
    )
    ours = EfficientNet(EfficientNetSettings(stem="large", width=0.25), form_of(*shape, channels=1), 5)
    own = {key for key in ours.state_dict() if not key.startswith("normalise.")}
    assert own == theirs.state_dict().keys()
    ours.load_state_dict(theirs.state_dict(), strict=False)
    images = torch.rand(1, 1, *shape)
    with torch.no_grad():
        assert torch.allclose(ours.eval()(images)[0], theirs.eval()(images), atol=1e-5)


@pytest.mark.parametrize(("stem", "extent"), [("small", 8), ("medium", 4), ("large", 2)])
def test_stems_and_stages_make_the_image_smaller_by_8_16_and_32(stem: str, extent: int) -> None:
    assert built(64, 64, stem=stem).eval()(torch.rand(1, 1, 64, 64))[1].shape[2:] == (extent, extent)


@pytest.mark.parametrize("stem", ["small", "large"])
@pytest.mark.parametrize("shape", [(28, 28), (13, 10), (1, 9), (7, 28, 28), (1, 5, 3)])
def test_small_odd_and_thin_inputs_are_borne(shape: tuple[int, ...], stem: str) -> None:
    network = built(*shape, stem=stem).eval()
    logits, features, embedding = network(torch.rand(2, 1, *shape))
    assert logits.shape == (2, 2)
    assert torch.allclose(embedding, features.flatten(2).mean(2), atol=1e-6)


@pytest.mark.parametrize("shape", [(28, 20), (7, 20, 12)])
def test_all_its_stages_are_exported(shape: tuple[int, ...]) -> None:
    network = built(*shape)
    for part in network.modules():
        if isinstance(part, nn.BatchNorm2d | nn.BatchNorm3d):
            part.momentum = 1.0
    pixels = torch.rand(3, 1, *shape).numpy()
    with torch.no_grad():
        network.train()(torch.from_numpy(pixels))
        wanted = [one.numpy() for one in network.eval()(torch.from_numpy(pixels))]
    graph, _ = export_onnx(network, form_of(*shape, channels=1), "float32")
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    answers = [session.run(None, {"pixels": pixels})]
    if present("openvino"):
        core = require("openvino").Core()
        compiled = core.compile_model(core.read_model(graph), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
        answers.append([compiled(pixels)[place] for place in range(3)])
    for answer in answers:
        for mine, theirs in zip(answer, wanted, strict=True):
            np.testing.assert_allclose(mine, theirs, rtol=1e-4, atol=1e-4)


def test_outputs_begin_alike_however_few_they_are() -> None:
    logits = built(16, 16).eval()(torch.rand(8, 1, 16, 16))[0]
    assert float(logits.detach().abs().max()) < 0.1


def test_while_training_blocks_are_passed_by_and_the_embedding_is_not_blanked() -> None:
    network = built(16, 16, blocks=(3,), skipped=0.9, dropout=0.9).train()
    block = network.get_submodule("_blocks.0.2")
    given = torch.rand(64, 8, 16, 16)
    passed = (block(given) == given).flatten(1).all(1)
    assert 0.4 < float(passed.float().mean()) < 0.8
    features = torch.rand(2, 128, 2, 2)
    assert torch.allclose(network.head(features)[1], features.mean((2, 3)))


def test_means_over_the_cases_follow_as_fast_as_in_other_networks() -> None:
    norms = [part for part in built(16, 16).modules() if isinstance(part, nn.BatchNorm2d)]
    assert {part.momentum for part in norms} == {nn.BatchNorm2d(1).momentum}
