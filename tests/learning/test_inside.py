"""What a network makes of an image: filters, maps, and the pixels that move the middle of the last map."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from safetensors.torch import save
from torch import Tensor, nn

from isocenter.core.errors import Unreadable
from isocenter.core.recipe import InputRecipe, ModelRecipe, Recipe
from isocenter.learning.build import build_model, input_form
from isocenter.learning.inside import effective_field, extent_of, first_filters, heeded, maps_of, noise
from isocenter.learning.models._shared import Ensemble, InputForm, Network
from isocenter.learning.rebuilt import rebuilt

FORM = InputForm(channels=1, shape=(9, 11), mean=(10.0,), deviation=(2.0,))


class One(Network):
    """A network of one layer."""

    def __init__(self, layer: nn.Module, form: InputForm = FORM) -> None:
        super().__init__(form)
        self.layer = layer

    def features(self, normalised: Tensor) -> Tensor:
        features: Tensor = self.layer(normalised)
        return features

    def head(self, features: Tensor) -> tuple[Tensor, Tensor]:
        return features.mean((2, 3)), features.mean((2, 3))


def images(count: int = 2) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 20, (count, 1, *FORM.shape)).astype(np.uint8)


def test_of_one_convolution_the_pixels_count_by_their_weights() -> None:
    layer = nn.Conv2d(1, 1, 3, padding=1)
    found = effective_field(One(layer), images())
    expected = np.zeros(FORM.shape)
    expected[3:6, 4:7] = layer.weight.detach().abs().numpy()[0, 0]
    assert found == pytest.approx(expected / expected.sum())


def test_channels_that_add_up_to_nothing_still_move() -> None:
    """Layer normalisation over the channels makes their sum the same for every image."""

    class Normed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.seen, self.norm = nn.Conv2d(1, 8, 3, padding=1), nn.LayerNorm(8)

        def forward(self, given: Tensor) -> Tensor:
            normed: Tensor = self.norm(self.seen(given).movedim(1, -1)).movedim(-1, 1)
            return normed

    torch.manual_seed(0)
    found = effective_field(One(Normed()), images())
    assert found.sum() == pytest.approx(1)
    assert np.count_nonzero(found) == 9
    assert found[3:6, 4:7].min() > 0


def test_a_place_that_nothing_moves_heeds_nothing() -> None:
    layer = nn.Conv2d(1, 1, 3, padding=1)
    nn.init.zeros_(layer.weight)
    found = effective_field(One(layer), images())
    assert not found.any()
    assert extent_of(heeded(found)) == 0


def test_what_is_heeded_are_the_fewest_pixels_that_hold_the_share() -> None:
    strength = np.array([[0.5, 0.3], [0.15, 0.05]])
    assert heeded(strength, 0.8).tolist() == [[True, True], [False, False]]
    assert heeded(strength, 0.81).tolist() == [[True, True], [True, False]]
    assert extent_of(np.ones((6, 6), bool)) == pytest.approx(6)
    assert extent_of(np.ones((3, 9, 1), bool)) == pytest.approx(3)


def test_maps_are_those_that_each_stage_hands_on() -> None:
    network = build_model(
        ModelRecipe(name="resnet", settings={"width": 4, "stages": (1, 1), "stem": "small"}), FORM, 2
    ).eval()
    pixels = images(1)[0]
    found = maps_of(network, pixels)
    assert [(one.name, one.values.shape) for one in found] == [("layer1", (4, 9, 11)), ("layer2", (8, 5, 6))]
    with torch.no_grad():
        expected = network(torch.from_numpy(pixels[None]).float())[1][0].numpy()
    assert np.array_equal(found[-1].values, expected)


def test_a_last_map_that_no_layer_gives_is_named_so() -> None:
    form = InputForm(channels=1, shape=(16, 16), mean=(0.0,), deviation=(1.0,))
    settings = {"width": 8, "depth": 1, "heads": 2, "patch": 4}
    network = build_model(ModelRecipe(name="vit", settings=settings), form, 2).eval()
    found = maps_of(network, np.zeros((1, 16, 16), np.float32))
    assert [(one.name, one.values.shape[1:]) for one in found] == [("stem.1", (8, 8)), ("last map", (4, 4))]


def test_filters_are_the_weights_of_the_first_convolution() -> None:
    network = build_model(ModelRecipe(name="cnn", settings={"kernels": (3, 4)}), FORM, 2)
    found = first_filters(network)
    assert found is not None
    assert found.name == "stages.0"
    assert np.array_equal(found.kernels, network.get_parameter("stages.0.weight").detach().numpy())
    assert first_filters(build_model(ModelRecipe(name="mlp"), FORM, 2)) is None


def test_noise_is_as_bright_and_as_varied_as_the_cases() -> None:
    form = InputForm(channels=2, shape=(64, 64), mean=(10.0, -5.0), deviation=(2.0, 0.5))
    drawn = noise(form, 4)
    assert drawn.mean(axis=(0, 2, 3)) == pytest.approx([10, -5], abs=0.1)
    assert drawn.std(axis=(0, 2, 3)) == pytest.approx([2, 0.5], rel=0.05)
    assert np.array_equal(drawn, noise(form, 4))


def recipe(**settings: object) -> Recipe:
    return Recipe(
        task="classify",
        label="class",
        classes=("no", "yes"),
        input=InputRecipe(channels=("grey",), shape=FORM.shape, mean=(10.0,), deviation=(2.0,)),
        model=ModelRecipe(name="cnn", settings={"kernels": (2,), "hidden": 3, **settings}),
    )


def test_a_network_answers_again_as_it_did() -> None:
    network = build_model(recipe().model, input_form(recipe()), 2).eval()
    again = rebuilt(recipe(), save(network.state_dict()), 2, source="m.isomodel")
    pixels = torch.from_numpy(images()).float()
    assert torch.equal(again(pixels)[0], network(pixels)[0])


def test_of_several_members_the_first_is_built() -> None:
    members = [build_model(recipe().model, input_form(recipe()), 2).eval() for _ in range(2)]
    weights = save({name: one.contiguous() for name, one in Ensemble(members, "softmax").state_dict().items()})
    pixels = torch.from_numpy(images()).float()
    assert torch.equal(rebuilt(recipe(), weights, 2, source="m")(pixels)[0], members[0](pixels)[0])


@pytest.mark.parametrize("weights", [b"nonsense", save({"other": torch.zeros(2)})])
def test_weights_of_something_else_are_refused(weights: bytes) -> None:
    with pytest.raises(Unreadable, match="not those of the network in its recipe"):
        rebuilt(recipe(), weights, 2, source="m.isomodel")
