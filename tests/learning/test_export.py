"""Export to ONNX: names, types, the same bytes again, nothing of this machine, and several members as one graph."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from isocenter.core.errors import UsageError
from isocenter.core.optional import present, require
from isocenter.learning.export import export_onnx
from isocenter.learning.models import cnn, resnet
from isocenter.learning.models._shared import Combine, Ensemble, InputForm, Network

IMAGE = InputForm(channels=1, shape=(15, 13), mean=(100.0,), deviation=(50.0,))
VOLUME = InputForm(channels=1, shape=(7, 9, 6), mean=(100.0,), deviation=(50.0,))


def small(form: InputForm, **settings: Any) -> Network:
    chosen = resnet.ResNetSettings(**{"width": 4, "stages": (1, 1), "zero_last": False, **settings})
    return resnet.build(chosen, form, 3).eval()


def differences(network: Network, form: InputForm) -> list[float]:
    """How far both runtimes are from torch, at most, over all outputs of a batch of 4."""
    pixels = np.random.default_rng(0).integers(0, 255, (4, form.channels, *form.shape)).astype(np.uint8)
    with torch.no_grad():
        wanted = dict(zip(("logits", "features", "embedding"), network(torch.from_numpy(pixels).float()), strict=True))
    graph, _ = export_onnx(network, form, "uint8")
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    answers: list[Any] = [dict(zip(wanted, session.run(list(wanted), {"pixels": pixels}), strict=True))]
    if present("openvino"):
        core = require("openvino").Core()
        exact = {"INFERENCE_PRECISION_HINT": "f32"}
        answers.append(core.compile_model(core.read_model(graph), "CPU", exact)(pixels))
    return [float(np.abs(said[name] - wanted[name].numpy()).max()) for said in answers for name in wanted]


@pytest.mark.parametrize("form", [IMAGE, VOLUME], ids=["image", "volume"])
@pytest.mark.parametrize("stem", ["small", "medium", "large"])
@pytest.mark.parametrize("depth", [18, 50])
def test_every_residual_network_is_exported(form: InputForm, stem: str, depth: int) -> None:
    assert max(differences(small(form, depth=depth, stem=stem, shortcut="average"), form)) < 1e-4


@pytest.mark.parametrize("form", [IMAGE, VOLUME], ids=["image", "volume"])
@pytest.mark.parametrize(
    "settings",
    [{"head": "average"}, {"head": "pyramid", "pooling": "max"}, {"head": "pyramid", "pooling": "average"}],
    ids=["average", "pyramid of largest", "pyramid of averages"],
)
def test_every_head_is_exported(form: InputForm, settings: dict[str, Any]) -> None:
    chosen = cnn.CNNSettings(kernels=(4,), hidden=5, activation="leaky_relu", **settings)
    assert max(differences(cnn.build(chosen, form, 3).eval(), form)) < 1e-4


@pytest.mark.parametrize("combine", ["softmax", "sigmoid", "mean"])
def test_several_members_are_one_graph(combine: Combine) -> None:
    torch.manual_seed(0)
    assert max(differences(Ensemble([small(IMAGE) for _ in range(5)], combine).eval(), IMAGE)) < 1e-4


def test_the_head_of_several_members_goes_on_from_all_their_features() -> None:
    network = Ensemble([small(VOLUME) for _ in range(3)], "softmax").eval()
    with torch.no_grad():
        logits, features, _ = network(torch.rand(2, 1, 7, 9, 6) * 255)
    session = onnxruntime.InferenceSession(export_onnx(network, VOLUME, "float32")[1])
    np.testing.assert_allclose(session.run(["logits"], {"features": features.numpy()})[0], logits, atol=1e-4)


@pytest.mark.parametrize(("dtype", "kind"), [("uint8", onnx.TensorProto.UINT8), ("float32", onnx.TensorProto.FLOAT)])
def test_graphs_name_what_they_take_and_give(dtype: str, kind: int) -> None:
    graph, head = (onnx.load_from_string(part).graph for part in export_onnx(small(IMAGE), IMAGE, dtype))
    assert [(one.name, one.type.tensor_type.elem_type) for one in graph.input] == [("pixels", kind)]
    assert [one.name for one in graph.output] == ["logits", "features", "embedding"]
    assert [one.name for one in head.input] == ["features"]
    assert [one.name for one in head.output] == ["logits"]
    batches = [one.type.tensor_type.shape.dim[0].dim_param for one in (*graph.input, *graph.output, *head.input)]
    assert set(batches) == {"batch"}


def test_another_type_of_pixels_is_refused() -> None:
    with pytest.raises(UsageError, match="uint8 or float32, got int16"):
        export_onnx(small(IMAGE), IMAGE, "int16")


def test_a_network_is_left_as_it_was() -> None:
    network = small(IMAGE).train()
    before = {key: value.clone() for key, value in network.state_dict().items()}
    export_onnx(network, IMAGE, "uint8")
    assert network.training
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())


def test_the_layout_in_memory_does_not_matter() -> None:
    network = small(IMAGE)
    plain = export_onnx(network, IMAGE, "uint8")
    assert export_onnx(network.to(memory_format=torch.channels_last), IMAGE, "uint8") == plain


def test_nothing_of_this_machine_is_inside() -> None:
    for part in export_onnx(small(IMAGE), IMAGE, "uint8"):
        for path in (Path(__file__).parents[2], Path.home(), Path(sys.prefix), Path(torch.__file__).parent):
            assert str(path).encode() not in part
        assert b".py" not in part


PROGRAM = """
import hashlib, torch
from isocenter.learning.export import export_onnx
from isocenter.learning.models import resnet
from isocenter.learning.models._shared import InputForm
torch.manual_seed(4)
form = InputForm(channels=1, shape=(15, 13), mean=(100.0,), deviation=(50.0,))
network = resnet.build(resnet.ResNetSettings(width=4, stages=(1, 1), zero_last=False), form, 3)
print(hashlib.sha256(b"".join(export_onnx(network, form, "uint8"))).hexdigest())
"""


def test_the_same_weights_give_the_same_bytes_also_in_another_process() -> None:
    environment = {**os.environ, "PYTHONHASHSEED": "2"}
    there = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True, env=environment)
    torch.manual_seed(4)
    here = hashlib.sha256(b"".join(export_onnx(small(IMAGE), IMAGE, "uint8"))).hexdigest()
    assert there.stdout.strip() == here
