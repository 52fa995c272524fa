"""Models that were trained elsewhere: Keras's, PyTorch's and scikit-learn's ways of writing a graph, and traps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, external_data_helper, helper

from isocenter.core import registry
from isocenter.core.errors import OpenQuestion, Unreadable, UsageError
from isocenter.delivery import runtimes
from isocenter.delivery.foreign import Adopted, Wanted, adopted
from isocenter.delivery.modelfile.outside import reads_other_files
from isocenter.delivery.modelfile.package import GRAPH, HEAD
from isocenter.delivery.runtimes._shared import Runtime
from model_samples import graph_bytes

F32, F64, U8 = TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.UINT8
DRAWN = np.random.default_rng(4)
KERNEL = DRAWN.normal(0, 0.5, (5, 3, 3, 3)).astype(np.float32)
WEIGHT = DRAWN.normal(0, 2, (5, 3)).astype(np.float32)
node = helper.make_node


def convolution(
    path: Path,
    *,
    layout: str = "NCHW",
    extent: tuple[Any, ...] = (16, 16),
    end: str | None = "Softmax",
    outputs: int = 3,
    batch: Any = "N",
    channels: Any = 3,
) -> Path:
    """A network as exporters write it: Keras has its channels last and turns them; PyTorch has them first."""
    lead = [node("Transpose", ["image"], ["turned"], perm=[0, 3, 1, 2])] if layout == "NHWC" else []
    nodes = [
        *lead,
        node("Conv", ["turned" if lead else "image", "kernel"], ["maps"], pads=[1, 1, 1, 1]),
        node("Relu", ["maps"], ["active"]),
    ]
    if layout == "NHWC":
        nodes.append(node("Transpose", ["active"], ["back"], perm=[0, 2, 3, 1]))
    nodes += [
        node("ReduceMean", ["back" if lead else "active", "axes"], ["mean"], keepdims=0),
        node("MatMul", ["mean", "weight"], ["scores"]),
    ]
    if end:
        nodes.append(node(end, ["scores"], ["probabilities"]))
    shape = [batch, *extent, channels] if layout == "NHWC" else [batch, channels, *extent]
    constants = {
        "kernel": KERNEL,
        "weight": WEIGHT[:, :outputs],
        "axes": np.array([1, 2] if lead else [2, 3]),
    }
    name = "probabilities" if end else "scores"
    path.write_bytes(graph_bytes(nodes, [("image", F32, shape)], [(name, F32, [batch, outputs])], constants))
    return path


def sklearn_pipeline(path: Path, *, table: bool, features: int = 64, kind: int = F32) -> Path:
    """A logistic regression as skl2onnx writes it: flattened numbers in, a label and probabilities out."""
    weight = DRAWN.normal(0, 0.05, (2, features))
    nodes = [
        node(
            "LinearClassifier",
            ["float_input"],
            ["label", "raw"],
            domain="ai.onnx.ml",
            classlabels_ints=[0, 1],
            coefficients=weight.ravel().tolist(),
            intercepts=[0.1, -0.1],
            multi_class=0,
            post_transform="SOFTMAX",
        ),
        node("Normalizer", ["raw"], ["probabilities"], domain="ai.onnx.ml", norm="L1"),
    ]
    last: Any = ("probabilities", F32, ["N", 2])
    if table:
        nodes.append(
            node("ZipMap", ["probabilities"], ["output_probability"], domain="ai.onnx.ml", classlabels_int64s=[0, 1])
        )
        inside = helper.make_map_type_proto(TensorProto.INT64, helper.make_tensor_type_proto(F32, []))
        last = helper.make_value_info("output_probability", helper.make_sequence_type_proto(inside))
    outputs = [("label", TensorProto.INT64, ["N"]), last]
    path.write_bytes(graph_bytes(nodes, [("float_input", kind, ["N", features])], outputs, {}, **{"ai.onnx.ml": 3}))
    return path


def computed(found: Adopted, name: str = "onnxruntime") -> dict[str, np.ndarray]:
    engine: Runtime = registry.get(runtimes, name)
    session = engine.load(found.graphs[GRAPH], "fp32", 1)
    return dict(session(found.examples, session.outputs))


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
@pytest.mark.parametrize("scale", ["0..1", "0..255", "imagenet"])
def test_networks_of_either_layout_answer_as_before(tmp_path: Path, layout: str, scale: Any) -> None:
    path = convolution(tmp_path / "m.onnx", layout=layout, extent=(12, 16))
    found = adopted(path, Wanted(labels=("a", "b", "c"), range=scale))
    assert (found.channels, found.shape) == (3, (12, 16))
    for name in registry.names(runtimes):
        answer = computed(found, name)
        assert np.allclose(answer["logits"], found.logits, atol=1e-4)
        assert answer["features"].shape == (len(found.examples), 5, 12, 16)
        assert answer["embedding"].shape == (len(found.examples), 5)
        head = registry.get(runtimes, name).load(found.graphs[HEAD], "fp32", 1)
        assert np.allclose(head(answer["features"])["logits"], found.logits, atol=1e-4)
    assert np.exp(found.logits).sum(axis=1) == pytest.approx(1, abs=1e-5)
    assert layout in found.notes["input"]


def test_the_range_is_what_it_says(tmp_path: Path) -> None:
    path = convolution(tmp_path / "m.onnx", end=None)
    unit = adopted(path, Wanted(labels=("a", "b", "c"), range="0..1"))
    byte = adopted(path, Wanted(labels=("a", "b", "c"), range="0..255"))
    assert np.allclose(byte.logits, 255 * unit.logits, rtol=1e-4)
    assert unit.deviation == (255.0,) * 3
    imagenet = adopted(path, Wanted(labels=("a", "b", "c"), range="imagenet"))
    assert imagenet.mean[0] == pytest.approx(0.485 * 255)


def test_plain_outputs_stay_logits(tmp_path: Path) -> None:
    found = adopted(convolution(tmp_path / "m.onnx", end=None), Wanted(labels=("a", "b", "c"), range="0..1"))
    assert "understood as logits" in found.notes["output"]
    assert not np.allclose(np.exp(found.logits).sum(axis=1), 1)


@pytest.mark.parametrize(("end", "meaning"), [("Sigmoid", "one probability"), (None, "one logit")])
def test_one_output_for_two_classes_becomes_two(tmp_path: Path, end: str | None, meaning: str) -> None:
    path = convolution(tmp_path / "m.onnx", end=end, outputs=1)
    found = adopted(path, Wanted(labels=("a", "b"), range="0..1"))
    assert meaning in found.notes["output"]
    assert np.allclose(computed(found)["logits"], found.logits, atol=1e-4)
    plain = adopted(convolution(tmp_path / "p.onnx", end=None, outputs=1), Wanted(labels=("a", "b"), range="0..1"))
    assert np.allclose(np.diff(found.logits), np.diff(plain.logits), atol=1e-3)


def test_findings_and_numbers(tmp_path: Path) -> None:
    several = convolution(tmp_path / "m.onnx", end="Sigmoid")
    found = adopted(several, Wanted(labels=("a", "b", "c"), range="0..1", task="multilabel"))
    plain = adopted(
        convolution(tmp_path / "p.onnx", end=None), Wanted(labels=("a", "b", "c"), range="0..1", task="multilabel")
    )
    assert np.allclose(found.logits, plain.logits, atol=1e-3)
    with pytest.raises(UsageError, match="--task multilabel"):
        adopted(several, Wanted(labels=("a", "b", "c"), range="0..1"))
    number = convolution(tmp_path / "n.onnx", end=None, outputs=1)
    assert adopted(number, Wanted(labels=(), range="0..1", task="regress")).logits.shape == (12, 1)


@pytest.mark.parametrize("table", [True, False])
def test_flattened_pixels_and_tables_of_probabilities(tmp_path: Path, table: bool) -> None:
    found = adopted(sklearn_pipeline(tmp_path / "m.onnx", table=table), Wanted(labels=("a", "b"), range="0..255"))
    assert (found.channels, found.shape) == (1, (8, 8))
    assert set(found.graphs) == {GRAPH}
    assert "cannot be explained" in found.notes["map"]
    assert np.allclose(computed(found)["logits"], found.logits, atol=1e-4)
    assert np.exp(found.logits).sum(axis=1) == pytest.approx(1, abs=1e-4)


def test_flattened_colours_lie_as_pillow_lays_them(tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    pick = np.zeros((48, 2), np.float32)
    pick[1, 0] = 1  # the green of the first pixel
    path.write_bytes(
        graph_bytes([node("MatMul", ["x", "w"], ["y"])], [("x", F32, ["N", 48])], [("y", F32, ["N", 2])], {"w": pick})
    )
    found = adopted(path, Wanted(labels=("a", "b"), range="0..255"))
    assert (found.channels, found.shape) == (3, (4, 4))
    assert np.array_equal(found.logits[:, 0], found.examples[:, 1, 0, 0].astype(np.float32))
    assert np.allclose(computed(found)["logits"], found.logits)


def test_double_precision_and_bytes_are_taken(tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    nodes = [node("Cast", ["x"], ["f"], to=F32), node("MatMul", ["f", "w"], ["y"])]
    weight = DRAWN.normal(size=(64, 2)).astype(np.float32)
    for kind, wanted in ((F64, Wanted(labels=("a", "b"), range="0..1")), (U8, Wanted(labels=("a", "b")))):
        path.write_bytes(graph_bytes(nodes, [("x", kind, ["N", 64])], [("y", F32, ["N", 2])], {"w": weight}))
        assert np.allclose(computed(adopted(path, wanted))["logits"], adopted(path, wanted).logits, atol=1e-2)


def test_open_sizes_are_asked_for(tmp_path: Path) -> None:
    path = convolution(tmp_path / "m.onnx", extent=("h", "w"))
    with pytest.raises(OpenQuestion, match="--size 224"):
        adopted(path, Wanted(labels=("a", "b", "c"), range="0..1"))
    assert adopted(path, Wanted(labels=("a", "b", "c"), range="0..1", size=10)).shape == (10, 10)


@pytest.mark.parametrize(
    ("wanted", "error", "words"),
    [
        (Wanted(labels=("a", "b", "c")), OpenQuestion, "--range imagenet"),
        (Wanted(labels=("a", "b"), range="0..1"), UsageError, "No output of the model fits 2 labels"),
        (Wanted(labels=("a", "b", "c"), range="0..1", size=20), UsageError, "`size` must be that of the graph"),
        (Wanted(labels=("a", "b", "c"), range="0..1", channels=1), OpenQuestion, "holds the channels is not clear"),
    ],
)
def test_what_does_not_fit_is_asked_or_refused(tmp_path: Path, wanted: Wanted, error: Any, words: str) -> None:
    with pytest.raises(error, match=words):
        adopted(convolution(tmp_path / "m.onnx"), wanted)


def test_imagenet_is_for_colours(tmp_path: Path) -> None:
    path = sklearn_pipeline(tmp_path / "m.onnx", table=False)
    with pytest.raises(UsageError, match="three channels"):
        adopted(path, Wanted(labels=("a", "b"), range="imagenet"))


def test_numbers_that_are_no_square_are_asked_for(tmp_path: Path) -> None:
    path = sklearn_pipeline(tmp_path / "m.onnx", table=False, features=50)
    with pytest.raises(OpenQuestion, match="the 50 numbers"):
        adopted(path, Wanted(labels=("a", "b"), range="0..1"))


def test_channels_that_the_graph_leaves_open_are_said(tmp_path: Path) -> None:
    first = convolution(tmp_path / "m.onnx", channels="c")
    assert adopted(first, Wanted(labels=("a", "b", "c"), range="0..1", channels=3)).channels == 3
    last = convolution(tmp_path / "n.onnx", channels=3, layout="NHWC")
    assert adopted(last, Wanted(labels=("a", "b", "c"), range="0..1", channels=3)).channels == 3


def test_a_graph_for_one_case_at_a_time_is_freed_or_refused(tmp_path: Path) -> None:
    fixed = convolution(tmp_path / "m.onnx", batch=1)
    assert computed(adopted(fixed, Wanted(labels=("a", "b", "c"), range="0..1")))["logits"].shape == (12, 3)
    nodes = [node("Reshape", ["x", "shape"], ["flat"]), node("MatMul", ["flat", "w"], ["y"])]
    constants = {"shape": np.array([1, 64]), "w": np.ones((64, 2), np.float32)}
    stuck = tmp_path / "stuck.onnx"
    stuck.write_bytes(graph_bytes(nodes, [("x", F32, [1, 1, 8, 8])], [("y", F32, [1, 2])], constants))
    assert computed(adopted(stuck, Wanted(labels=("a", "b"), range="0..1")))["logits"].shape == (12, 2)
    constants["shape"] = np.array([-1, 16, 4])
    nodes = [
        node("Reshape", ["x", "shape"], ["flat"]),
        node("ReduceMean", ["flat", "axes"], ["all"], keepdims=0),
        node("Reshape", ["all", "one"], ["y"]),
    ]
    constants |= {"axes": np.array([0, 2]), "one": np.array([1, 16])}
    stuck.write_bytes(graph_bytes(nodes, [("x", F32, [1, 1, 8, 8])], [("y", F32, [1, 16])], constants))
    with pytest.raises(Unreadable, match="several cases at once"):
        adopted(stuck, Wanted(labels=tuple("abcdefghijklmnop"), range="0..1"))


def test_a_map_that_is_passed_by_is_none(tmp_path: Path) -> None:
    nodes = [
        node("Conv", ["x", "k"], ["maps"]),
        node("ReduceMean", ["maps", "axes"], ["m"], keepdims=0),
        node("ReduceMean", ["x", "axes"], ["passed"], keepdims=0),
        node("Concat", ["m", "passed"], ["y"], axis=1),
    ]
    constants = {"k": np.ones((1, 1, 3, 3), np.float32), "axes": np.array([2, 3])}
    path = tmp_path / "m.onnx"
    path.write_bytes(graph_bytes(nodes, [("x", F32, ["N", 1, 8, 8])], [("y", F32, ["N", 2])], constants))
    assert set(adopted(path, Wanted(labels=("a", "b"), range="0..1")).graphs) == {GRAPH}


@pytest.mark.parametrize("content", [b"", b"no graph", b"\x08\x07"])
def test_what_is_no_graph_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "m.onnx"
    path.write_bytes(content)
    with pytest.raises(Unreadable, match="not an ONNX model"):
        adopted(path, Wanted(labels=("a", "b"), range="0..1"))


def test_strange_inputs_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    path.write_bytes(
        graph_bytes([node("Add", ["x", "z"], ["y"])], [("x", F32, [1]), ("z", F32, [1])], [("y", F32, [1])], {})
    )
    with pytest.raises(UsageError, match="one input, the pixels, got 2"):
        adopted(path, Wanted(labels=("a", "b"), range="0..1"))
    path.write_bytes(graph_bytes([node("Relu", ["x"], ["y"])], [("x", F32, ["N", 3, 4])], [("y", F32, None)], {}))
    with pytest.raises(UsageError, match="3 dimensions"):
        adopted(path, Wanted(labels=("a", "b"), range="0..1"))


def outside(path: Path, place: str) -> Path:
    """A model whose kernel lies in another file, as exporters write large models."""
    model = onnx.load(convolution(path))
    kernel = next(one for one in model.graph.initializer if one.name == "kernel")
    external_data_helper.set_external_data(kernel, location=place)
    kernel.data_location = TensorProto.EXTERNAL
    kernel.ClearField("raw_data")
    path.write_bytes(model.SerializeToString())
    return path


def test_weights_beside_the_graph_are_taken_into_it(tmp_path: Path) -> None:
    (tmp_path / "m.onnx.data").write_bytes(KERNEL.tobytes())
    found = adopted(outside(tmp_path / "m.onnx", "m.onnx.data"), Wanted(labels=("a", "b", "c"), range="0..1"))
    whole = adopted(convolution(tmp_path / "whole.onnx"), Wanted(labels=("a", "b", "c"), range="0..1"))
    assert not reads_other_files(found.graphs[GRAPH])
    assert np.array_equal(found.logits, whole.logits)


@pytest.mark.parametrize("place", ["../secret.bin", "{absolute}"])
def test_no_file_elsewhere_is_read_for_a_graph(tmp_path: Path, place: str) -> None:
    secret = tmp_path / "secret.bin"
    secret.write_bytes(KERNEL.tobytes())
    folder = tmp_path / "given"
    folder.mkdir()
    path = outside(folder / "m.onnx", place.format(absolute=secret.as_posix()))
    with pytest.raises(Unreadable, match="not an ONNX model that can be used"):
        adopted(path, Wanted(labels=("a", "b", "c"), range="0..1"))
