"""A model that was trained elsewhere: its ONNX graph rewritten to take stored pixels and to give logits.

What the graph says of itself is believed (layout, size, outputs); what it cannot say (in which range it expects its
pixels) is asked. Every rewritten graph is held against the one that was given.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isqrt
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from isocenter.core.errors import OpenQuestion, Unreadable, UsageError
from isocenter.core.words import listed
from isocenter.delivery.answers import Asked, Meaning, logit_nodes, logits_of, meaning_of, output_of
from isocenter.delivery.graphs import cut, free_batch, last_map, last_vector, pruned
from isocenter.delivery.modelfile.package import GRAPH, HEAD

if TYPE_CHECKING:
    from onnx import ModelProto

Range = Literal["0..1", "0..255", "imagenet"]

_NORMALISED: dict[str, tuple[tuple[float, ...], tuple[float, ...]]] = {
    "0..1": ((0.0,), (255.0,)),
    "0..255": ((0.0,), (1.0,)),
    "imagenet": ((123.675, 116.28, 103.53), (58.395, 57.12, 57.375)),
}
"""Mean and deviation in 8-bit values; what every ImageNet model was trained with, and no change at all."""

_OLDEST_OPSET, _OPSET = 11, 17
_PROBES = 12
_SAME = 1e-4
_INNER = "model/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a person says of a model that its graph cannot say.

    Attributes:
        labels: classes in the order of the outputs; none for a number.
        task: the question.
        size: rows and columns (and slices), where the graph leaves them open.
        channels: 1 or 3, where the graph leaves it open.
        range: in which range it expects its pixels.
    """

    labels: tuple[str, ...]
    task: Asked = "classify"
    size: int | None = None
    channels: int | None = None
    range: Range | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Adopted:
    """A model from elsewhere, rewritten.

    Attributes:
        graphs: `graph.onnx`, and `head.onnx` where the last map could be told.
        channels, shape, mean, deviation: of its input.
        examples, logits: probing pixels, and what the given graph says of them, for checking runtimes.
        notes: how it was understood.
    """

    graphs: dict[str, bytes]
    channels: int
    shape: tuple[int, ...]
    mean: tuple[float, ...]
    deviation: tuple[float, ...]
    examples: NDArray[np.uint8]
    logits: NDArray[np.float32]
    notes: dict[str, str]


_Nodes = tuple[list[Any], dict[str, Any]]
"""Nodes, and the constants that they need by name."""


@dataclass(frozen=True, slots=True)
class _Form:
    """How a graph wants its input: `NCHW`, `NHWC` or `flat`, its number type, channels and extent."""

    layout: str
    type: int
    channels: int
    shape: tuple[int, ...]


def adopted(path: Path, wanted: Wanted) -> Adopted:
    """Rewrite a model so that it has the input `pixels` and the output `logits`, and `features` where it has a map."""
    model = _loaded(path)
    form = _form(model, wanted)
    mean, deviation = _normalisation(form, wanted)
    drawn = np.random.default_rng(0)
    probes = drawn.integers(0, 256, (_PROBES, form.channels, *form.shape), dtype=np.uint8)
    probes[0], probes[1] = 0, 255
    given = _given(model, form, probes, mean, deviation)
    name = output_of(given, wanted.task, len(wanted.labels))
    meaning = meaning_of(given[name], model, name, wanted.task)
    logits = logits_of(given[name], meaning)
    notes = {
        "input": f"The graph takes {form.layout}, {form.channels} x {' x '.join(str(one) for one in form.shape)}.",
        "output": f"Its output `{name.removeprefix(_INNER)}` was understood as {meaning}.",
    }
    if model.graph.input[0].type.tensor_type.shape.dim[0].dim_value == 1:
        free_batch(model)
    entrance = _entrance(model.graph.input[0].name, form, mean, deviation)
    _rewrite(model, form, entrance, _exit(name, meaning), logits.shape[1])
    graphs = _with_map(model, notes)
    _require_same(graphs[GRAPH], probes, logits)
    return Adopted(
        graphs=graphs,
        channels=form.channels,
        shape=form.shape,
        mean=mean,
        deviation=deviation,
        examples=probes,
        logits=logits,
        notes=notes,
    )


def _loaded(path: Path) -> ModelProto:
    """The graph, its names set apart from ours, with plain numbers as outputs and operators that we can add to."""
    import onnx
    from onnx import compose, version_converter

    try:
        model = onnx.load(path)
        if not model.graph.node:
            raise ValueError("it holds no operation")
        versions = {one.domain: one.version for one in model.opset_import}
        if versions.get("", _OPSET) < _OLDEST_OPSET:
            model = version_converter.convert_version(model, _OPSET)
        if "" not in versions and "ai.onnx" not in versions:
            model.opset_import.append(onnx.helper.make_opsetid("", _OPSET))
        model.ir_version = max(model.ir_version, 8)
        model = compose.add_prefix(model, _INNER)
    except Exception as error:  # a parser and a converter that raise whatever they like
        reason = " ".join(str(error).split())[:300]
        raise Unreadable(f"{path} is not an ONNX model that can be used", why=reason) from error
    stored = {one.name for one in model.graph.initializer}
    inputs = [one for one in model.graph.input if one.name not in stored]
    if len(inputs) != 1:
        raise UsageError(
            f"{path} must have one input, the pixels, got {len(inputs)}",
            why=listed([one.name.removeprefix(_INNER) for one in inputs]),
            remedy="Export it with one input",
        )
    del model.graph.input[:]
    model.graph.input.extend(inputs)
    _without_tables(model)
    return model


def _without_tables(model: ModelProto) -> None:
    """scikit-learn's exporter gives probabilities as tables by class; the numbers in front of them are meant."""
    from onnx import TensorProto, helper

    graph = model.graph
    tables = {node.output[0]: node for node in graph.node if node.op_type == "ZipMap"}
    outputs = [
        helper.make_tensor_value_info(tables[one.name].input[0], TensorProto.FLOAT, None) if one.name in tables else one
        for one in graph.output
    ]
    for node in tables.values():
        graph.node.remove(node)
    del graph.output[:]
    graph.output.extend(outputs)


def _form(model: ModelProto, wanted: Wanted) -> _Form:
    tensor = model.graph.input[0].type.tensor_type
    dims = [int(one.dim_value) for one in tensor.shape.dim]
    if len(dims) == 2:
        channels, side = _flat(dims[1], wanted)
        return _Form("flat", tensor.elem_type, channels, (side, side))
    if len(dims) not in (4, 5):
        raise UsageError(
            f"The model must take images or volumes, got an input of {len(dims)} dimensions",
            remedy="Its input must be cases x channels x rows x columns, with the channels first or last",
        )
    allowed = {wanted.channels} if wanted.channels else {1, 3}
    if dims[1] in allowed or (dims[1] == 0 and wanted.channels and dims[-1] not in allowed):
        layout, channels, open_shape = "NCHW", dims[1] or wanted.channels or 0, dims[2:]
    elif dims[-1] in allowed or (dims[-1] == 0 and wanted.channels):
        layout, channels, open_shape = "NHWC", dims[-1] or wanted.channels or 0, dims[1:-1]
    else:
        raise OpenQuestion(
            "Which axis of the model's input holds the channels is not clear",
            why=f"its extent is {dims} and neither the second nor the last is 1 or 3",
            remedy="Say how many there are with `--channels 1` or `--channels 3`",
        )
    return _Form(layout, tensor.elem_type, channels, _closed(open_shape, wanted))


def _flat(features: int, wanted: Wanted) -> tuple[int, int]:
    """Channels and side of a square image that was flattened into so many numbers."""
    for channels in (wanted.channels,) if wanted.channels else (1, 3):
        pixels = features // channels if features else (wanted.size or 0) ** 2
        side = isqrt(pixels)
        if side and side**2 * channels == (features or side**2 * channels) and wanted.size in (None, side):
            return channels, side
    raise OpenQuestion(
        f"How an image becomes the {features or 'unknown number of'} numbers that the model takes is not clear",
        why="they are not the pixels of a square image in 1 or 3 channels",
        remedy="Say it with `--size` and `--channels`",
    )


def _closed(shape: Sequence[int], wanted: Wanted) -> tuple[int, ...]:
    if not all(shape) and wanted.size is None:
        raise OpenQuestion(
            "For how many pixels the model was made is not clear",
            why="its graph takes images of any size",
            remedy="Say the size that it was trained on, such as `--size 224`",
        )
    closed = tuple(steps or wanted.size or 0 for steps in shape)
    if wanted.size is not None and any(steps != wanted.size for steps in closed):
        raise UsageError(f"`size` must be that of the graph, {listed([str(one) for one in closed])}, got {wanted.size}")
    return closed


def _normalisation(form: _Form, wanted: Wanted) -> tuple[tuple[float, ...], tuple[float, ...]]:
    from onnx import TensorProto

    chosen = wanted.range or ("0..255" if form.type == TensorProto.UINT8 else None)
    if chosen is None:
        raise OpenQuestion(
            "In which range the model expects its pixels is not clear",
            why="its graph does not say, and the wrong one gives wrong answers without a sign",
            remedy="Say how it was trained with `--range 0..1`, `--range 0..255` or `--range imagenet`",
        )
    mean, deviation = _NORMALISED[chosen]
    if len(mean) not in (1, form.channels):
        raise UsageError("`range` imagenet is for three channels", why=f"the model takes {form.channels}")
    return mean * (form.channels // len(mean)), deviation * (form.channels // len(deviation))


def _given(
    model: ModelProto, form: _Form, probes: NDArray[np.uint8], mean: Sequence[float], deviation: Sequence[float]
) -> dict[str, NDArray[Any]]:
    """What the graph as it was given says of each probing image, one at a time; outputs that are numbers."""
    import onnxruntime
    from onnx import helper

    spread = (-1, *[1] * len(form.shape))
    moved = (probes.astype(np.float32) - np.array(mean, np.float32).reshape(spread)) / np.array(
        deviation, np.float32
    ).reshape(spread)
    if form.layout != "NCHW":
        moved = np.moveaxis(moved, 1, -1)
    if form.layout == "flat":
        moved = moved.reshape(len(moved), -1)
    moved = np.ascontiguousarray(moved.astype(helper.tensor_dtype_to_np_dtype(form.type)))
    try:
        session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
        names = [output.name for output in session.get_outputs()]
        said = [session.run(names, {model.graph.input[0].name: case[None]}) for case in moved]
    except Exception as error:
        reason = " ".join(str(error).split())[:300]
        raise Unreadable("The graph of this model cannot be computed", why=reason) from error
    columns = dict(zip(names, zip(*said, strict=True), strict=True))
    tensors = {name: values for name, values in columns.items() if isinstance(values[0], np.ndarray)}
    return {
        name: np.stack([value.reshape(-1) for value in values]).astype(np.float32)
        for name, values in tensors.items()
        if values[0].dtype.kind == "f"
    }


def _entrance(inner: str, form: _Form, mean: Sequence[float], deviation: Sequence[float]) -> _Nodes:
    """Nodes from stored pixels to what the graph takes, and their constants."""
    from onnx import TensorProto, helper

    spread = (1, -1, *[1] * len(form.shape))
    constants = {
        "enter/mean": np.array(mean, np.float32).reshape(spread),
        "enter/deviation": np.array(deviation, np.float32).reshape(spread),
    }
    nodes = [
        helper.make_node("Cast", ["pixels"], ["enter/float"], to=TensorProto.FLOAT),
        helper.make_node("Sub", ["enter/float", "enter/mean"], ["enter/centred"]),
        helper.make_node("Div", ["enter/centred", "enter/deviation"], ["enter/scaled"]),
    ]
    value = "enter/scaled"
    if form.layout != "NCHW":
        order = [0, *range(2, 2 + len(form.shape)), 1]
        nodes.append(helper.make_node("Transpose", [value], ["enter/turned"], perm=order))
        value = "enter/turned"
    if form.layout == "flat":
        nodes.append(helper.make_node("Flatten", [value], ["enter/flat"], axis=1))
        value = "enter/flat"
    nodes.append(helper.make_node("Cast", [value], [inner], to=form.type))
    return nodes, constants


def _exit(name: str, meaning: Meaning) -> _Nodes:
    """Nodes from the graph's own output to `logits`, and their constants."""
    from onnx import TensorProto, helper

    nodes, constants = logit_nodes("answer/given", meaning)
    return [
        helper.make_node("Cast", [name], ["answer/float"], to=TensorProto.FLOAT),
        helper.make_node("Flatten", ["answer/float"], ["answer/given"], axis=1),
        *nodes,
    ], constants


def _rewrite(
    model: ModelProto,
    form: _Form,
    entrance: _Nodes,
    leaving: _Nodes,
    outputs: int,
) -> None:
    """Put nodes before and behind the graph; its input is then `pixels` and its output `logits`."""
    from onnx import TensorProto, helper, numpy_helper

    graph = model.graph
    inner = [type(node).FromString(node.SerializeToString()) for node in graph.node]
    del graph.node[:]
    graph.node.extend([*entrance[0], *inner, *leaving[0]])
    constants = {**entrance[1], **leaving[1]}
    graph.initializer.extend(numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items())
    shape = ["batch", form.channels, *form.shape]
    del graph.input[:]
    graph.input.append(helper.make_tensor_value_info("pixels", TensorProto.UINT8, shape))
    del graph.output[:]
    graph.output.append(helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", outputs]))
    pruned(model)


def _with_map(model: ModelProto, notes: dict[str, str]) -> dict[str, bytes]:
    """The finished graphs: with `features`, `embedding` and a head where the last map can be told."""
    from onnx import TensorProto, helper

    found = last_map(model, "logits", "pixels")
    if found is None:
        notes["map"] = "No last map could be told, so that this model cannot be explained by maps of its own."
        return {GRAPH: model.SerializeToString()}
    name, extent = found
    head = cut(model, name, extent, "logits")
    graph = model.graph
    vector = last_vector(model, "logits", name)
    graph.node.append(helper.make_node("Identity", [name], ["features"]))
    graph.output.append(helper.make_tensor_value_info("features", TensorProto.FLOAT, extent))
    if vector is not None:
        graph.node.append(helper.make_node("Flatten", [vector], ["embedding"], axis=1))
        graph.output.append(helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["batch", "width"]))
    notes["map"] = f"Its last map is `{name.removeprefix(_INNER)}`."
    return {GRAPH: model.SerializeToString(), HEAD: head}


def _require_same(graph: bytes, probes: NDArray[np.uint8], logits: NDArray[np.float32]) -> None:
    """Hold the rewritten graph, given all probes at once, against the graph that was given them one by one."""
    import onnxruntime

    remedy = "Export it with a batch of any size (in PyTorch: `dynamic_axes` or `dynamic_shapes`)"
    try:
        session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
        said = session.run(["logits"], {"pixels": probes})[0]
    except Exception as error:
        reason = " ".join(str(error).split())[:300]
        raise Unreadable("This model cannot be given several cases at once", why=reason, remedy=remedy) from error
    scale = max(1.0, float(np.abs(logits).max()))
    if said.shape != logits.shape or float(np.abs(said - logits).max()) > _SAME * scale:
        raise Unreadable(
            "This model answers otherwise when it is given several cases at once",
            why="a part of its graph was fixed to one case",
            remedy=remedy,
        )
