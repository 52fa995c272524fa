"""Finished models that look for something bright, with an average head, with nothing but logits, and for volumes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from onnx import TensorProto, helper

from isocenter.delivery.modelfile.package import GRAPH, HEAD
from isocenter.delivery.modelfile.write import write_model
from model_samples import graph_bytes, tiny_package

CELL = 4


def bright_model(
    path: Path, *, shape: tuple[int, ...] = (32, 32), features: bool = True, sign: float = 1.0, **given: Any
) -> Path:
    """A model whose second output follows how bright the brightest places are; `sign` turns it over."""
    package = tiny_package(shape=shape, **given)
    outputs = len(package.recipe.classes) or 1
    cells = [extent // CELL for extent in shape]
    weight = np.zeros((outputs, 2), np.float32)
    weight[-1] = sign * np.float32([0.4, -0.01])
    values: dict[str, Any] = {"level": np.float32(90), "weight": weight, "bias": np.zeros(outputs, np.float32)}
    body = [
        helper.make_node("Cast", ["pixels"], ["float"], to=TensorProto.FLOAT),
        helper.make_node(
            "AveragePool", ["float"], ["coarse"], kernel_shape=[CELL] * len(shape), strides=[CELL] * len(shape)
        ),
        helper.make_node("Sub", ["coarse", "level"], ["over"]),
        helper.make_node("Sub", ["level", "coarse"], ["under"]),
        helper.make_node("Concat", ["over", "under"], ["both"], axis=1),
        helper.make_node("Relu", ["both"], ["features"]),
    ]
    head = [
        helper.make_node("GlobalAveragePool", ["features"], ["mean"]),
        helper.make_node("Flatten", ["mean"], ["embedding"]),
        helper.make_node("Gemm", ["embedding", "weight", "bias"], ["logits"], transB=1),
    ]
    pixels = ("pixels", TensorProto.UINT8, ["batch", 1, *shape])
    maps = ("features", TensorProto.FLOAT, ["batch", 2, *cells])
    logits = ("logits", TensorProto.FLOAT, ["batch", outputs])
    told = [logits, maps, ("embedding", TensorProto.FLOAT, ["batch", 2])] if features else [logits]
    graphs = {GRAPH: graph_bytes([*body, *head], [pixels], told, values)}
    if features:
        graphs[HEAD] = graph_bytes(head, [maps], [logits], {name: values[name] for name in ("weight", "bias")})
    mean = package.recipe.changed("input", mean=(40.0,))
    write_model(path, replace(package, graphs=graphs, recipe=mean))
    return path
