"""Layers as a table: costs against formulas and against torch's counter, reach against pixels that are moved."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from isocenter.core.anatomy import ReceptiveField
from isocenter.core.recipe import ModelRecipe
from isocenter.learning.anatomy import Anatomy, anatomy
from isocenter.learning.attention import SqueezeExcitation
from isocenter.learning.build import build_model
from isocenter.learning.models._shared import InputForm, Network, count_parameters

SMALL: dict[str, dict[str, Any]] = {
    "alexnet": {"width": 0.1, "hidden": 16},
    "cnn": {"kernels": (3, 4), "hidden": 6},
    "densenet": {"growth": 4, "initial": 8, "blocks": (2, 2)},
    "efficientnet": {"width": 0.25, "blocks": (1, 1)},
    "googlenet": {"width": 4, "blocks": (1, 1, 1)},
    "mlp": {"hidden": (8, 4)},
    "resnet": {"width": 4, "stages": (1, 1)},
    "vgg": {"width": 2},
    "vit": {"width": 8, "depth": 2, "heads": 2},
    "wide_resnet": {"depth": 10, "widen": 1},
}
"""Every network of the shelf, narrow."""


def form_of(*shape: int, channels: int = 1) -> InputForm:
    return InputForm(channels=channels, shape=shape, mean=(0.0,) * channels, deviation=(1.0,) * channels)


def built(name: str, form: InputForm, **settings: Any) -> Network:
    torch.manual_seed(0)
    network: Network = build_model(ModelRecipe(name=name, settings=settings), form, 2)
    return network.eval()


class Plain(Network):
    """A network whose last map is that of some layers."""

    def __init__(self, form: InputForm, layers: nn.Module) -> None:
        super().__init__(form)
        self.layers = layers

    def features(self, normalised: Tensor) -> Tensor:
        features: Tensor = self.layers(normalised)
        return features

    def head(self, features: Tensor) -> tuple[Tensor, Tensor]:
        embedding = features.mean(dim=tuple(range(2, features.ndim)))
        return embedding, embedding


class Ways(nn.Module):
    """Ways that lead from one map to another, and meet."""

    def __init__(self, meet: Callable[[list[Tensor]], Tensor], *ways: nn.Module) -> None:
        super().__init__()
        self.meet, self.ways = meet, nn.ModuleList(ways)

    def forward(self, given: Tensor) -> Tensor:
        return self.meet([way(given) for way in self.ways])


def positive(network: Network) -> Network:
    """The same network with positive weights that add up to about one, so that nothing cancels and nothing is lost."""
    for part in network.modules():
        if isinstance(part, nn.Conv2d | nn.Conv3d | nn.Linear):
            nn.init.constant_(part.weight, 1 / prod(part.weight.shape[1:]))
            if part.bias is not None:
                nn.init.zeros_(part.bias)
        elif isinstance(part, nn.BatchNorm2d | nn.BatchNorm3d):
            part.reset_running_stats()
            nn.init.ones_(part.weight)
    return network.double().eval()


def moved(network: Network, form: InputForm, axis: int) -> Tensor:
    """Which places along an axis change when a pixel does (pixels, places), by trying each."""
    extent = form.shape[axis]
    images = torch.ones((1, form.channels, *form.shape), dtype=torch.float64).repeat(
        extent, *[1] * (len(form.shape) + 1)
    )
    for pixel in range(extent):
        # A whole slab is moved, so that what is seen along one axis does not hang on the others.
        images[pixel].select(axis + 1, pixel).add_(1e40)
    with torch.no_grad():
        before = network.features(torch.ones_like(images[:1]))
        changed = network.features(images) != before
    others = [dim for dim in range(1, changed.ndim) if dim != axis + 2]
    return changed.amax(dim=others)


def told(field: ReceptiveField, axis: int, pixels: int, places: int) -> Tensor:
    """The same by theory."""
    size, stride, offset = field.size[axis], field.stride[axis], field.offset[axis]
    assert size is not None
    assert stride is not None
    assert offset is not None
    first = (offset - (size - 1) / 2) + stride * torch.arange(places)
    pixel = torch.arange(pixels)[:, None]
    return (first <= pixel) & (pixel < first + size)


def require_as_tried(network: Network, form: InputForm) -> Anatomy:
    """Hold the theory against moved pixels, along every axis."""
    found = anatomy(network, form)
    assert found.receptive_field is not None
    tried = positive(network)
    for axis, (pixels, places) in enumerate(zip(form.shape, found.last[1:], strict=True)):
        assert torch.equal(told(found.receptive_field, axis, pixels, places), moved(tried, form, axis)), axis
    return found


STACKS: dict[str, Callable[[], nn.Module]] = {
    "convolution": lambda: nn.Conv2d(1, 2, 3),
    "padded": lambda: nn.Conv2d(1, 2, 5, padding=2),
    "even": lambda: nn.Conv2d(1, 2, 4, padding=2),
    "uneven": lambda: nn.Conv2d(1, 2, (3, 5), stride=(1, 3), padding=(1, 0)),
    "dilated": lambda: nn.Sequential(nn.Conv2d(1, 2, 3, dilation=2), nn.ReLU(), nn.Conv2d(2, 2, 3, padding=1)),
    "pooled": lambda: nn.Sequential(nn.MaxPool2d(3, stride=2, padding=1), nn.Conv2d(1, 2, 3), nn.AvgPool2d(2)),
    "rounded up": lambda: nn.Sequential(nn.Conv2d(1, 2, 3, stride=2), nn.MaxPool2d(3, 2, ceil_mode=True)),
    "filled by hand": lambda: nn.Sequential(nn.ZeroPad2d((1, 0, 2, 0)), nn.Conv2d(1, 2, 3, stride=2)),
    "grouped": lambda: nn.Sequential(nn.Conv2d(1, 4, 3), nn.Conv2d(4, 4, 3, groups=4), nn.BatchNorm2d(4)),
    "residual": lambda: Ways(sum, nn.Conv2d(1, 2, 5, 2, padding=2), nn.Conv2d(1, 2, 1, 2)),
    "side by side": lambda: Ways(lambda maps: torch.cat(maps, 1), nn.Conv2d(1, 2, 3, padding=1), nn.MaxPool2d(5, 1, 2)),
}


@pytest.mark.parametrize("name", STACKS)
def test_the_reach_of_simple_layers_is_what_moved_pixels_show(name: str) -> None:
    # Extents that come out even: places at the end of a map that is rounded look beyond it, where nothing is.
    form = form_of(17, 21)
    require_as_tried(Plain(form, STACKS[name]()), form)


def test_gaps_between_what_is_seen_count_as_seen() -> None:
    form = form_of(17, 22)
    found = anatomy(Plain(form, nn.MaxPool2d(2, stride=1, dilation=3)), form).receptive_field
    assert found == ReceptiveField(size=(4, 4), stride=(1, 1), offset=(1.5, 1.5))


@pytest.mark.parametrize(
    ("name", "shape", "settings"),
    [
        ("cnn", (23, 20), {"kernel_size": 5, "padding": "none"}),
        ("cnn", (24, 32), {"stride": 2, "pooling": "average"}),
        ("cnn", (12, 14, 9), {}),
        ("resnet", (40, 33), {"stem": "large"}),
        ("resnet", (28, 21), {"stages": (1, 1, 1), "stem": "medium", "shortcut": "average"}),
        ("resnet", (24, 24), {"depth": 50}),
        ("resnet", (9, 16, 12), {"stem": "small"}),
        ("vgg", (48, 33), {}),
        ("vgg", (8, 34, 18), {"width": 1}),
        ("googlenet", (32, 21), {"stem": "large"}),
        ("wide_resnet", (16, 12), {}),
    ],
)
def test_the_reach_of_networks_is_what_moved_pixels_show(
    name: str, shape: tuple[int, ...], settings: dict[str, Any]
) -> None:
    form = form_of(*shape)
    require_as_tried(built(name, form, **{**SMALL[name], **settings}), form)


def test_a_residual_network_of_18_layers_sees_435_pixels() -> None:
    """As published by Araujo and others, "Computing receptive fields of convolutional neural networks", 2019."""
    with torch.device("meta"):
        network = build_model(ModelRecipe(name="resnet"), form_of(224, 224, channels=3), 1000)
    found = anatomy(network, form_of(224, 224, channels=3))
    assert found.receptive_field == ReceptiveField(size=(435, 435), stride=(32, 32), offset=(0.0, 0.0))
    assert found.last == (512, 7, 7)
    assert found.parameters == 11_689_512
    first = next(one for one in found.layers if one.name == "conv1")
    assert (first.kind, first.kernel, first.output) == ("Conv2d", (7, 7), (64, 112, 112))
    assert first.multiply_adds == 64 * 112 * 112 * 3 * 7 * 7
    assert first.megabytes == pytest.approx(4 * 64 * 112 * 112 / 1e6)
    relu = next(one for one in found.layers if one.name == "relu")
    assert relu.megabytes == 0  # written over what it was given


@pytest.mark.parametrize("attention", ["squeeze", "cbam", "self"])
@pytest.mark.parametrize("shape", [(16, 16), (8, 8, 8)])
def test_attention_sees_everything_and_keeps_its_places(attention: str, shape: tuple[int, ...]) -> None:
    form = form_of(*shape)
    found = anatomy(built("cnn", form, **SMALL["cnn"], attention=attention), form)
    assert found.receptive_field is not None
    assert found.receptive_field.whole
    assert found.receptive_field.stride == (4,) * len(shape)
    assert found.receptive_field.offset == (None,) * len(shape)


def test_before_attention_a_patch_sees_itself() -> None:
    form = form_of(16, 16)
    found = {one.name: one for one in anatomy(built("vit", form, **SMALL["vit"], patch=4), form).layers}
    assert found["blocks.0.attend.query"].receptive_field == found["stem.4"].receptive_field
    assert found["blocks.0.attend"].receptive_field is not None
    assert found["blocks.0.attend"].receptive_field.whole
    assert found["blocks.1.norm1"].receptive_field is not None
    assert found["blocks.1.norm1"].receptive_field.whole


def test_what_is_not_known_is_not_guessed() -> None:
    form = form_of(16, 16)
    found = anatomy(Plain(form, nn.Sequential(nn.Conv2d(1, 2, 3), nn.Upsample(scale_factor=2), nn.ReLU())), form)
    assert found.layers[1].receptive_field is not None
    assert found.layers[2].receptive_field is None
    assert found.receptive_field is None


class Turned(nn.Module):
    """Rows and columns change places."""

    def forward(self, given: Tensor) -> Tensor:
        return given.transpose(2, 3)


def test_nothing_is_said_once_axes_have_changed_places() -> None:
    form = form_of(12, 16)
    found = anatomy(Plain(form, nn.Sequential(nn.Conv2d(1, 2, (3, 1)), Turned(), nn.Conv2d(2, 2, (3, 1)))), form)
    assert found.receptive_field is None


def test_slices_that_are_looked_at_one_by_one_see_themselves() -> None:
    class BySlice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.seen = nn.Conv2d(1, 2, 3, stride=2)

        def forward(self, given: Tensor) -> Tensor:
            seen: Tensor = self.seen(given.transpose(1, 2).flatten(0, 1))
            return seen.unflatten(0, (len(given), given.shape[2])).transpose(1, 2)

    form = form_of(5, 9, 11)
    found = require_as_tried(Plain(form, BySlice()), form)
    assert found.receptive_field is not None
    assert found.receptive_field.size == (1, 3, 3)


def test_a_layer_counts_what_it_computes_beside_its_parts() -> None:
    form = form_of(8, 8)
    network = Plain(form, nn.Sequential(nn.Conv2d(1, 16, 1), SqueezeExcitation(16)))
    found = anatomy(network, form)
    assert [(one.name, one.multiply_adds) for one in found.layers] == [
        ("normalise", 0),
        ("layers.0", 64 * 16),
        ("layers.1.squeeze", 16 * 8),
        ("layers.1.relu", 0),
        ("layers.1.excite", 8 * 16),
    ]
    tokens, width, heads = 16, 8, 2
    vit = built("vit", form_of(16, 16), **SMALL["vit"], patch=4)
    attend = next(one for one in anatomy(vit, form_of(16, 16)).layers if one.name == "blocks.0.attend")
    assert attend.multiply_adds == 2 * heads * tokens * tokens * (width // heads)


@pytest.mark.parametrize("shape", [(32, 24), (16, 12, 16)], ids=["image", "volume"])
@pytest.mark.parametrize("name", SMALL)
def test_costs_are_those_that_torch_counts(name: str, shape: tuple[int, ...]) -> None:
    form = form_of(*shape, channels=2)
    network = built(name, form, **SMALL[name])
    found = anatomy(network, form)
    assert sum(one.parameters for one in found.layers) + found.resting == count_parameters(network) == found.parameters
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        _, features, _ = network.to("meta")(torch.zeros((1, 2, *shape), device="meta"))
    assert 2 * sum(one.multiply_adds for one in found.layers) == counter.get_total_flops()
    assert found.last == tuple(features.shape[1:])


def test_heads_that_only_help_to_learn_rest() -> None:
    form = form_of(32, 32)
    network = built("googlenet", form, **SMALL["googlenet"])
    assert anatomy(network, form).resting == count_parameters(network.get_submodule("aux1"))


def test_the_network_is_left_as_it_is() -> None:
    form = form_of(16, 16)
    network = built("cnn", form, **SMALL["cnn"])
    before = {name: value.clone() for name, value in network.state_dict().items()}
    anatomy(network, form)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in network.modules())


@pytest.mark.parametrize(
    ("place", "window"), [((0, 0), ((0, 2), (0, 9))), ((2, 1), ((2, 8), (0, 9))), ((5, 0), ((11, 15), (0, 9)))]
)
def test_a_window_ends_with_the_image(place: tuple[int, int], window: tuple[tuple[int, int], ...]) -> None:
    field = ReceptiveField(size=(7, None), stride=(3, 4), offset=(-1.0, None))
    assert field.window(place, (16, 10)) == window
