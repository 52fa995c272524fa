"""Weights that were learned before find their layers, or are refused with the reason."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from isocenter.core import registry
from isocenter.core.errors import Unreadable, UsageError
from isocenter.learning import models
from isocenter.learning.models._shared import Ensemble, InputForm, Network
from isocenter.learning.weights import lay_in, read_weights


def network(channels: int = 3, outputs: int = 2, width: int = 8, dimensions: int = 2, seed: int = 0) -> Network:
    torch.manual_seed(seed)
    form = InputForm(channels=channels, shape=(16,) * dimensions, mean=(0.5,) * channels, deviation=(0.2,) * channels)
    family = registry.get(models, "resnet")
    built: Network = family.build(family.settings(width=width, stages=(1, 1)), form, outputs).eval()
    return built


def theirs(**how: Any) -> dict[str, Tensor]:
    """Weights as another program would save them: without our normalisation."""
    return {
        name: value for name, value in network(seed=1, **how).state_dict().items() if not name.startswith("normalise")
    }


def saved(held: Any, path: Path) -> Path:
    torch.save(held, path)
    return path


@pytest.mark.parametrize("dimensions", [2, 3])
@pytest.mark.parametrize(
    "wrapped",
    [
        lambda given: given,
        lambda given: {"state_dict": {f"module.{name}": value for name, value in given.items()}, "epoch": 3},
        lambda given: {"model": {f"model.backbone.{name}": value for name, value in given.items()}},
    ],
    ids=["plain", "state_dict of DataParallel", "two prefixes"],
)
def test_weights_of_the_same_names_are_taken(tmp_path: Path, wrapped: Any, dimensions: int) -> None:
    given = theirs(dimensions=dimensions)
    ours = network(dimensions=dimensions)
    taken = lay_in(ours, read_weights(saved(wrapped(given), tmp_path / "weights.pth")))
    assert taken.names == set(given)
    assert taken.body == taken.names - {"fc.weight", "fc.bias"}
    assert not taken.left
    pixels = torch.rand(2, 3, *(16,) * dimensions)
    assert torch.equal(ours(pixels)[0], network(dimensions=dimensions, seed=1)(pixels)[0])


def test_what_has_no_place_is_told() -> None:
    taken = lay_in(network(), {**theirs(), "layer1.0.downsample.0.bias": torch.zeros(8)})
    assert taken.unused == ("layer1.0.downsample.0.bias",)
    assert "no place for layer1.0.downsample.0.bias" in str(taken)


def test_safetensors_are_read_and_other_files_refused(tmp_path: Path) -> None:
    save_file(theirs(), tmp_path / "weights.safetensors")
    assert set(read_weights(tmp_path / "weights.safetensors")) == set(theirs())
    (tmp_path / "broken.pth").write_bytes(b"no weights")
    with pytest.raises(Unreadable, match="read safely"):
        read_weights(tmp_path / "broken.pth")
    with pytest.raises(UsageError, match="not there"):
        read_weights(tmp_path / "missing.safetensors")
    with pytest.raises(Unreadable, match="no named weights"):
        read_weights(saved([1, 2], tmp_path / "list.pth"))


def test_a_file_that_would_run_something_is_refused(tmp_path: Path) -> None:
    class Harm:
        def __reduce__(self) -> Any:
            return Path.touch, (tmp_path / "harmed",)

    with pytest.raises(Unreadable, match="read safely"):
        read_weights(saved({"a": Harm()}, tmp_path / "harmful.pth"))
    assert not (tmp_path / "harmed").exists()


def test_a_head_for_other_questions_is_left_to_chance() -> None:
    ours = network(outputs=2)
    before = ours.state_dict()["fc.weight"].clone()
    taken = lay_in(ours, theirs(outputs=1000))
    assert taken.left == ("fc.weight", "fc.bias")
    assert torch.equal(ours.state_dict()["fc.weight"], before)
    assert "fc.weight" in str(taken)


@pytest.mark.parametrize(("channels", "given"), [(1, 3), (3, 1), (5, 3)])
def test_a_first_layer_for_other_channels_sees_a_grey_image_alike(channels: int, given: int) -> None:
    ours, other = network(channels=channels), network(channels=given, seed=1)
    taken = lay_in(ours, theirs(channels=given))
    assert taken.adapted == ("conv1.weight",)
    assert "adapted" in str(taken)
    grey = torch.rand(2, 1, 16, 16)
    torch.testing.assert_close(
        ours(grey.expand(-1, channels, -1, -1))[0], other(grey.expand(-1, given, -1, -1))[0], rtol=1e-4, atol=1e-4
    )


def test_weights_of_another_network_are_refused_with_what_differs() -> None:
    with pytest.raises(UsageError, match=r"another width.*conv1.*model\.settings\.width"):
        lay_in(network(width=8), theirs(width=16))
    with pytest.raises(UsageError, match="fill 0%"):
        lay_in(network(), {"encoder.stem.weight": torch.zeros(3)})


def test_each_member_begins_with_one_of_an_ensemble() -> None:
    first, second = network(seed=1), network(seed=2)
    given = Ensemble([first, second], "softmax").state_dict()
    for member, other in ((0, first), (1, second), (2, first)):
        ours = network(seed=5)
        lay_in(ours, given, member=member)
        assert torch.equal(ours.state_dict()["layer1.0.conv1.weight"], other.state_dict()["layer1.0.conv1.weight"])
