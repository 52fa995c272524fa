"""The number of parameters is read from the header of the weights, and is the one that torch counts."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save

from isocenter.core import registry
from isocenter.core.errors import Unreadable
from isocenter.delivery.modelfile.weights import parameters
from isocenter.learning import models
from isocenter.learning.models._shared import Ensemble, InputForm, Model, Network, count_parameters


def network(name: str) -> Network:
    model: Model = registry.get(models, name)
    form = InputForm(channels=1, shape=(12,) * min(model.dimensions), mean=(100.0,), deviation=(50.0,))
    built: Any = model.build(model.settings(), form, 2)
    if model.kind == "estimator":
        drawn = np.random.default_rng(0).normal(size=(8, 1, *form.shape))
        classes = np.eye(2, dtype=np.float32)[np.arange(8) % 2]
        built.fit(drawn.astype(np.float32), classes, np.ones(8, np.float32), seed=0)
        built = built.network()
    made: Network = built
    return made


def saved(made: Network) -> bytes:
    return save({name: value.contiguous() for name, value in made.state_dict().items()})


@pytest.mark.parametrize("name", registry.names(models))
def test_every_model_of_the_shelf_has_as_many_parameters_as_torch_counts(name: str) -> None:
    made = network(name)
    assert parameters(saved(made), source="m") == count_parameters(made) > 0


def test_members_are_counted_together() -> None:
    members = [network("cnn"), network("cnn")]
    together = Ensemble(members, "softmax")
    assert parameters(saved(together), source="m") == 2 * count_parameters(members[0])


def test_words_in_the_header_are_not_counted() -> None:
    content = save({"weight": torch.zeros(3, 4), "bias": torch.zeros(())}, metadata={"about": "it"})
    assert parameters(content, source="m") == 13


def header(plain: Any) -> bytes:
    text = json.dumps(plain).encode()
    return len(text).to_bytes(8, "little") + text


@pytest.mark.parametrize(
    "content",
    [b"", b"weights", header([1]), header({"a": 1}), header({"a": {}}), header({"a": {"shape": 3}}), b"\xff" * 40],
    ids=["empty", "words", "a list", "a number", "no shape", "no list", "no header"],
)
def test_a_header_that_is_none_is_refused(content: bytes) -> None:
    with pytest.raises(Unreadable, match=r"m\.isomodel is not a sound model file: its weights\.safetensors"):
        parameters(content, source="m.isomodel")
