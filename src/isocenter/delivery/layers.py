"""The layers of a model that is known by its ONNX graph alone: what each is, what it gives and what it costs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from math import prod
from typing import TYPE_CHECKING, Any

from isocenter.core.anatomy import Layer
from isocenter.core.words import listed

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto

_BYTES = 4
"""Of a number in single precision."""

_UNSEEN = {"Constant", "Shape", "ConstantOfShape", "Identity"}
"""Operations that reckon with forms or hand on what they are given."""

_MOST_KINDS = 3

_WRAPPING = "network."
"""What our own exporter sets before the names of layers."""


@dataclass(frozen=True, slots=True)
class _Known:
    """What a graph tells of its values: forms (0 where an extent is open) and stored numbers."""

    forms: Mapping[str, tuple[int, ...]]
    stored: Mapping[str, TensorProto]


def graph_layers(graph: bytes) -> list[Layer]:
    """The layers of a graph in its order; nodes that follow each other in one part of a network are one layer.

    A form that the graph leaves open is empty, and its products are not counted.
    """
    import onnx

    model = onnx.load_from_string(graph)
    known = _known(model)
    met: set[str] = set()
    nodes = [node for node in model.graph.node if node.op_type not in _UNSEEN]
    return [_layer(name, list(group), known, met) for name, group in groupby(nodes, _place)]


def _known(model: ModelProto) -> _Known:
    """Forms of all values for one case, as far as they follow from each other."""
    from onnx import shape_inference

    stored = {one.name: one for one in model.graph.initializer}
    for one in model.graph.input:
        if one.name not in stored and one.type.tensor_type.shape.dim:
            one.type.tensor_type.shape.dim[0].dim_value = 1
    graph = shape_inference.infer_shapes(model, data_prop=True).graph
    forms = {name: tuple(int(extent) for extent in one.dims) for name, one in stored.items()}
    forms |= {one.name: _form(one) for one in _values(graph)}
    return _Known(forms, stored)


def _values(graph: GraphProto) -> Iterator[ValueInfoProto]:
    # What was inferred comes last, because an output may have been declared for any number of cases.
    yield from graph.input
    yield from graph.output
    yield from graph.value_info


def _form(value: ValueInfoProto) -> tuple[int, ...]:
    return tuple(int(one.dim_value) for one in value.type.tensor_type.shape.dim)


def _place(node: NodeProto) -> str:
    """The part of the network that a node belongs to, as exporters write it: `/layer1/conv1/Conv` is of the second."""
    name = node.name or node.output[0]
    parts = [part for part in name.split("/") if part]
    # PyTorch tells a part of a row by the name of the row as well: /layer1/layer1.0/conv1
    inner = [one for one, following in pairwise(parts) if not following.startswith(f"{one}.")]
    return ".".join(inner).removeprefix(_WRAPPING) or parts[-1]


def _layer(name: str, nodes: Sequence[NodeProto], known: _Known, met: set[str]) -> Layer:
    """Some nodes as one layer; what was learned is counted where it is met first."""
    kinds = list(dict.fromkeys(node.op_type for node in nodes))
    fresh = [one for node in nodes for one in node.input if one in known.stored and one not in met]
    met.update(fresh)
    output = _case(known.forms.get(nodes[-1].output[0], ()))
    return Layer(
        name=name,
        kind=listed(kinds, most=_MOST_KINDS),
        kernel=next((tuple(_attribute(node, "kernel_shape", ())) for node in nodes if _looks(node)), ()),
        output=output,
        parameters=sum(_numbers(known.stored[one]) for one in dict.fromkeys(fresh)) + sum(map(_within, nodes)),
        multiply_adds=sum(_products(node, known.forms) for node in nodes),
        megabytes=prod(output) * _BYTES / 1e6 if output else 0.0,
    )


def _case(form: tuple[int, ...]) -> tuple[int, ...]:
    """The form of one case; empty where an extent is open."""
    return () if 0 in form[1:] else form[1:]


def _looks(node: NodeProto) -> bool:
    return bool(_attribute(node, "kernel_shape", ()))


def _attribute(node: NodeProto, name: str, missing: Any) -> Any:
    from onnx import helper

    return next((helper.get_attribute_value(one) for one in node.attribute if one.name == name), missing)


def _numbers(stored: TensorProto) -> int:
    """How many numbers were learned: whole ones are forms and places."""
    from onnx import TensorProto

    return int(prod(stored.dims)) if stored.data_type in (TensorProto.FLOAT, TensorProto.DOUBLE) else 0


def _within(node: NodeProto) -> int:
    """Numbers that classical models keep in the node itself."""
    return sum(len(one.floats) for one in node.attribute) if node.domain == "ai.onnx.ml" else 0


def _products(node: NodeProto, forms: Mapping[str, tuple[int, ...]]) -> int:
    """Products that are summed up in a convolution or a product of matrices."""
    given = [forms.get(name, ()) for name in node.input[:2]]
    made = forms.get(node.output[0], ())
    if len(given) < 2 or not made or not all(given) or 0 in (*made[1:], *given[0][1:], *given[1]):
        return 0
    cases = prod(extent or 1 for extent in made)
    if node.op_type == "Conv":
        return cases * prod(given[1][1:])
    if node.op_type == "Gemm":
        return cases * given[0][0 if _attribute(node, "transA", 0) else 1]
    return cases * given[0][-1] if node.op_type == "MatMul" else 0
