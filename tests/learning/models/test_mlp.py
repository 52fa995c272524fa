"""The dense network: its layers, and its last one as a map of one place."""

from __future__ import annotations

import torch

from isocenter.learning.models._shared import InputForm, count_parameters
from isocenter.learning.models.mlp import MLP, MLPSettings


def test_its_last_hidden_layer_is_a_map_of_one_place() -> None:
    for shape in ((5, 4), (3, 5, 4)):
        form = InputForm(channels=2, shape=shape, mean=(0.0, 0.0), deviation=(1.0, 1.0))
        network = MLP(MLPSettings(hidden=(9, 7), activation="tanh", dropout=0.5), form, 3).eval()
        logits, features, embedding = network(torch.rand(6, 2, *shape))
        assert logits.shape == (6, 3)
        assert features.shape == (6, 7, *[1] * len(shape))
        assert torch.equal(embedding, features.flatten(1))


def test_it_has_the_weights_of_its_layers() -> None:
    form = InputForm(channels=1, shape=(5, 4), mean=(0.0,), deviation=(1.0,))
    network = MLP(MLPSettings(hidden=(9, 7)), form, 3)
    assert count_parameters(network) == 21 * 9 + 10 * 7 + 8 * 3
