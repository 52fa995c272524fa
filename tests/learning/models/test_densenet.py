"""The densely connected network: MONAI's layers and names, its stems, small and thin inputs."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
import torch
from monai.networks.nets import DenseNet as Whole
from torch import nn

from isocenter.learning.models._shared import InputForm, count_parameters
from isocenter.learning.models.densenet import DenseNet, DenseNetSettings

PARAMETERS = {121: 7_978_856, 169: 14_149_480, 201: 20_013_928}
"""As published with torchvision's weights, for 1000 classes."""
NARROW: dict[str, Any] = {"growth": 4, "initial": 8, "blocks": (2, 3, 2)}


def form_of(*shape: int, channels: int = 3) -> InputForm:
    return InputForm(channels=channels, shape=shape, mean=(0.0,) * channels, deviation=(1.0,) * channels)


@pytest.mark.parametrize("depth", [121, 169, 201])
def test_it_is_as_large_as_published(depth: int) -> None:
    settings = DenseNetSettings.model_validate({"depth": depth})
    with torch.device("meta"):
        network = DenseNet(settings, form_of(224, 224), 1000)
    assert count_parameters(network) == PARAMETERS[depth]
    layers = [part for part in network.modules() if isinstance(part, nn.Conv2d | nn.Linear)]
    assert len(layers) == depth


@pytest.mark.parametrize("shape", [(64, 96), (32, 64, 48)])
def test_with_the_large_stem_it_is_monais_network_under_monais_names(shape: tuple[int, ...]) -> None:
    theirs = Whole(
        spatial_dims=len(shape), in_channels=2, out_channels=5, growth_rate=4, init_features=8, block_config=(2, 3, 2)
    )
    ours = DenseNet(DenseNetSettings(**NARROW, stem="large"), form_of(*shape, channels=2), 5)
    own = {key for key in ours.state_dict() if not key.startswith("normalise.")}
    assert own == theirs.state_dict().keys()
    ours.load_state_dict(theirs.state_dict(), strict=False)
    images = torch.rand(2, 2, *shape)
    with torch.no_grad():
        assert torch.allclose(ours.eval()(images)[0], theirs.eval()(images), atol=1e-5)


@pytest.mark.parametrize(("stem", "extent"), [("small", 8), ("medium", 4), ("large", 2)])
def test_stems_and_blocks_make_the_image_smaller_by_4_8_and_16(stem: str, extent: int) -> None:
    network = DenseNet(DenseNetSettings.model_validate(NARROW | {"stem": stem}), form_of(32, 32), 2).eval()
    assert network(torch.rand(1, 3, 32, 32))[1].shape[2:] == (extent, extent)


@pytest.mark.parametrize("stem", ["small", "large"])
@pytest.mark.parametrize("shape", [(28, 28), (13, 10), (1, 9), (7, 28, 28), (1, 5, 3)])
def test_small_odd_and_thin_inputs_are_borne(shape: tuple[int, ...], stem: str) -> None:
    settings = DenseNetSettings.model_validate(NARROW | {"blocks": (1, 1, 1, 1), "stem": stem})
    network = DenseNet(settings, form_of(*shape, channels=1), 2).eval()
    logits, features, embedding = network(torch.rand(2, 1, *shape))
    assert logits.shape == (2, 2)
    assert features.min() >= 0
    assert torch.allclose(embedding, features.flatten(2).mean(2), atol=1e-6)


def test_each_layer_adds_its_growth() -> None:
    network = DenseNet(DenseNetSettings(growth=5, initial=6, blocks=(3, 1)), form_of(16, 16), 2)
    assert network.eval()(torch.rand(1, 3, 16, 16))[1].shape[1] == (6 + 3 * 5) // 2 + 5


def test_dropout_blanks_whole_channels_of_what_a_layer_adds() -> None:
    network = DenseNet(DenseNetSettings(**NARROW, dropout=0.5), form_of(16, 16), 2).train()
    block = network.get_submodule("features.denseblock1")
    added = block(torch.rand(64, 8, 16, 16))[:, 8:].flatten(2)
    blank = (added == 0).all(2)
    assert 0.3 < float(blank.float().mean()) < 0.7
    assert not (added[~blank] == 0).any()


def test_monai_is_imported_where_a_network_is_built_and_not_before() -> None:
    script = (
        "import sys; from isocenter.learning.models import densenet, efficientnet; "
        "sys.exit('monai was imported' if 'monai' in sys.modules else 0)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
