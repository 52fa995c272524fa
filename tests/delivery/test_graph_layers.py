"""Layers that an ONNX graph tells: forms, numbers and products, held against formulas and against the network."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from onnx import TensorProto, helper

from isocenter.core.recipe import ModelRecipe
from isocenter.delivery.layers import graph_layers
from isocenter.delivery.modelfile.package import GRAPH
from isocenter.learning.anatomy import anatomy
from isocenter.learning.build import build_model
from isocenter.learning.export import export_onnx
from isocenter.learning.models._shared import InputForm
from model_samples import MAPS, SIDE, graph_bytes, tiny_graphs


@pytest.mark.parametrize("shape", [(SIDE, SIDE), (6, 8, 10)])
def test_a_graph_drawn_by_hand(shape: tuple[int, ...]) -> None:
    places = int(np.prod(shape))
    found = {one.kind: one for one in graph_layers(tiny_graphs(channels=3, shape=shape)[GRAPH])}
    kernel = 3 ** len(shape)
    assert found["Conv"].output == (MAPS, *shape)
    assert found["Conv"].parameters == MAPS * 3 * kernel
    assert found["Conv"].multiply_adds == MAPS * places * 3 * kernel
    assert found["Conv"].megabytes == pytest.approx(4 * MAPS * places / 1e6)
    assert found["GlobalAveragePool"].output == (MAPS, *[1] * len(shape))
    assert (found["Gemm"].output, found["Gemm"].multiply_adds, found["Gemm"].parameters) == (
        (2,),
        2 * MAPS,
        2 * MAPS + 2,
    )


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("cnn", {"kernels": (4, 6), "hidden": 8}),
        ("resnet", {"width": 4, "stages": (1, 1)}),
        ("vit", {"width": 8, "depth": 1, "heads": 2, "patch": 4}),
    ],
)
def test_a_graph_costs_what_its_network_costs(name: str, settings: dict[str, object]) -> None:
    form = InputForm(channels=1, shape=(16, 16), mean=(0.0,), deviation=(1.0,))
    network = build_model(ModelRecipe(name=name, settings=settings), form, 2).eval()
    graph = graph_layers(export_onnx(network, form, "float32")[0])
    layers = anatomy(network, form).layers
    assert sum(one.multiply_adds for one in graph) == sum(one.multiply_adds for one in layers)
    heavy = [one for one in layers if one.multiply_adds and one.kind == "Conv2d"]
    told = {one.name: one.output for one in graph}
    assert {one.name: told[one.name] for one in heavy} == {one.name: one.output for one in heavy}


def test_a_form_that_is_open_is_not_guessed() -> None:
    nodes = [
        helper.make_node("Conv", ["pixels", "kernel"], ["maps"], kernel_shape=[3, 3]),
        helper.make_node("GlobalAveragePool", ["maps"], ["mean"]),
    ]
    content = graph_bytes(
        nodes,
        [("pixels", TensorProto.FLOAT, ["batch", 1, "rows", "columns"])],
        [("mean", TensorProto.FLOAT, ["batch", 2, 1, 1])],
        {"kernel": np.zeros((2, 1, 3, 3), np.float32)},
    )
    convolution, mean = graph_layers(content)
    assert (convolution.output, convolution.multiply_adds, convolution.parameters) == ((), 0, 18)
    assert convolution.kernel == (3, 3)
    assert mean.output == (2, 1, 1)


def test_shared_numbers_are_counted_once() -> None:
    nodes = [
        helper.make_node("MatMul", ["row", "matrix"], ["once"]),
        helper.make_node("MatMul", ["once", "matrix"], ["twice"]),
    ]
    row = ("row", TensorProto.FLOAT, ["batch", 3])
    content = graph_bytes(nodes, [row], [("twice", TensorProto.FLOAT, ["batch", 3])], {"matrix": np.eye(3, dtype="f")})
    assert [(one.name, one.parameters, one.multiply_adds) for one in graph_layers(content)] == [
        ("once", 9, 9),
        ("twice", 0, 9),
    ]


def test_numbers_inside_a_node_are_counted() -> None:
    node = helper.make_node(
        "LinearRegressor", ["row"], ["answer"], domain="ai.onnx.ml", coefficients=[1.0, 2.0, 3.0], intercepts=[0.5]
    )
    row = ("row", TensorProto.FLOAT, ["batch", 3])
    content = graph_bytes([node], [row], [("answer", TensorProto.FLOAT, ["batch", 1])], {}, **{"ai.onnx.ml": 3})
    assert [one.parameters for one in graph_layers(content)] == [4]


def test_layers_of_a_network_of_ours_bear_its_names() -> None:
    form = InputForm(channels=1, shape=(16, 16), mean=(0.0,), deviation=(1.0,))
    torch.manual_seed(0)
    settings = {"width": 4, "stages": (1, 1), "stem": "small"}
    network = build_model(ModelRecipe(name="resnet", settings=settings), form, 2).eval()
    names = {one.name for one in graph_layers(export_onnx(network, form, "float32")[0])}
    assert {"conv1", "layer1.0.conv1", "layer2.0.downsample.0", "fc"} <= names
