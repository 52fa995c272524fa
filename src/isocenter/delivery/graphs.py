"""Surgery on ONNX graphs: what a result needs, where the last map is, and the part that follows it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, NodeProto, ValueInfoProto

_SPATIAL = {"Conv", "MaxPool", "AveragePool", "BatchNormalization"}
"""Operations whose maps have their channels first, by the definition of ONNX."""

_PLACEWISE = {
    *("Relu", "LeakyRelu", "PRelu", "Elu", "Selu", "Celu", "Sigmoid", "HardSigmoid", "HardSwish", "Tanh", "Gelu"),
    *("Add", "Sub", "Mul", "Div", "Clip", "Concat", "Identity", "Dropout", "Softplus", "Mish", "InstanceNormalization"),
}
"""Operations that keep every value of a map at its place."""


def needed(graph: GraphProto, results: Iterable[str], stop: Iterable[str] = ()) -> tuple[list[NodeProto], set[str]]:
    """The nodes that some results need, in their order, and the names that these nodes do not make themselves.

    Args:
        graph: the graph.
        results: names of values.
        stop: values that are given and need nothing.
    """
    makers = {name: node for node in graph.node for name in node.output if name}
    given = set(stop)
    waiting = [name for name in results if name not in given]
    nodes: set[int] = set()
    free: set[str] = set(given)
    seen: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        node = makers.get(name)
        if node is None:
            free.add(name)
        elif id(node) not in nodes:
            nodes.add(id(node))
            waiting += [one for one in _inputs(node) if one not in given]
    return [node for node in graph.node if id(node) in nodes], free


def pruned(model: ModelProto) -> ModelProto:
    """The model without what none of its outputs needs."""
    graph = model.graph
    nodes, free = needed(graph, [output.name for output in graph.output])
    kept = [one for one in graph.initializer if one.name in free]
    for field, values in ((graph.node, nodes), (graph.initializer, kept)):
        copies = [type(value).FromString(value.SerializeToString()) for value in values]
        del field[:]
        field.extend(copies)
    del graph.value_info[:]
    return model


def free_batch(model: ModelProto) -> None:
    """Exporters that were shown one case write 1 into reshapes; what is meant is as many as come in."""
    from onnx import numpy_helper

    reshapes = [node for node in model.graph.node if node.op_type == "Reshape"]
    for stored in model.graph.initializer:
        users = [node for node in reshapes if node.input[1] == stored.name]
        extent = numpy_helper.to_array(stored).tolist() if users else []
        if len(extent) < 2 or extent[0] != 1 or 0 in extent:
            continue
        extent[0] = 0 if -1 in extent else -1  # 0 copies the extent of what comes in, -1 takes what is left
        stored.CopyFrom(numpy_helper.from_array(np.array(extent, np.int64), stored.name))
        for node in users:
            del node.attribute[:]  # `allowzero`, which would give 0 another meaning


def last_map(model: ModelProto, result: str, pixels: str) -> tuple[str, list[int | str]] | None:
    """The last value on the way to a result that is a map with its channels first, and that all of the way passes.

    Its name and extent are given; an open extent is a text.

    Args:
        model: an ONNX model.
        result: the value that the way leads to.
        pixels: the input; what still needs it behind the map shows that the map is passed by.
    """
    from onnx import shape_inference

    inferred = shape_inference.infer_shapes(model).graph
    extents = {one.name: _extent(one) for one in inferred.value_info if _is_float(one)}
    maps: set[str] = set()
    for node in inferred.node:
        known = [name for name in node.input if len(extents.get(name, ())) > 3]
        if node.op_type in _SPATIAL or (node.op_type in _PLACEWISE and known and set(known) <= maps):
            maps.update(node.output)
    way, _ = needed(inferred, [result])
    for node in reversed(way):
        for name in node.output:
            extent = extents.get(name, ())
            if name in maps and len(extent) > 3 and any(step != 1 for step in extent[2:]):
                _, free = needed(inferred, [result], stop=[name])
                if pixels not in free:
                    named = [step or f"extent{axis}" for axis, step in enumerate(extent)]
                    return name, ["batch", *named[1:]]
    return None


def last_vector(model: ModelProto, result: str, after: str) -> str | None:
    """What the last linear layer on the way from a map to a result is given: the embedding."""
    way, _ = needed(model.graph, [result], stop=[after])
    linear = [node for node in way if node.op_type in {"Gemm", "MatMul"}]
    return linear[-1].input[0] if linear else None


def cut(model: ModelProto, start: str, extent: list[int | str], result: str) -> bytes:
    """The part of a model from one value to another as a model of its own, with the input `features`."""
    from onnx import ModelProto, TensorProto, helper

    part = ModelProto.FromString(model.SerializeToString())
    graph = part.graph
    nodes, free = needed(graph, [result], stop=[start])
    lead = helper.make_node("Identity", ["features"], [start])
    kept = [one for one in graph.initializer if one.name in free]
    made = helper.make_graph(
        [lead, *nodes],
        "head",
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, extent)],
        [output for output in graph.output if output.name == result],
        kept,
    )
    head = helper.make_model(made, opset_imports=part.opset_import, ir_version=part.ir_version)
    head.functions.extend(part.functions)
    return bytes(head.SerializeToString())


def _inputs(node: NodeProto) -> list[str]:
    """What a node takes, that which the graphs inside it take from outside included."""
    inside = [name for one in node.attribute if one.HasField("g") for child in one.g.node for name in _inputs(child)]
    return [name for name in (*node.input, *inside) if name]


def _extent(value: ValueInfoProto) -> tuple[int, ...]:
    """The extent of a value as far as it is known; 0 for what is not."""
    return tuple(int(one.dim_value) for one in value.type.tensor_type.shape.dim)


def _is_float(value: ValueInfoProto) -> bool:
    from onnx import TensorProto

    return bool(value.type.tensor_type.elem_type == TensorProto.FLOAT)
