"""Runtimes are held against the trained network; 8 bits must be as good and faster."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper
from scipy.special import softmax

from isocenter.core import registry
from isocenter.core.errors import IsocenterError
from isocenter.delivery import check as check_module
from isocenter.delivery import runtimes
from isocenter.delivery.check import TOLERANCES, Examples, checked_runtimes, quantise
from isocenter.delivery.modelfile.package import GRAPH, INT8
from isocenter.delivery.runtimes._shared import Runtime
from model_samples import SIDE, graph_bytes, tiny_graphs
from progress_samples import Told

GRAPHS = tiny_graphs()
PIXELS = np.random.default_rng(3).integers(0, 256, (20, 1, SIDE, SIDE), dtype=np.uint8)


@pytest.fixture
def examples() -> Examples:
    engine: Runtime = registry.get(runtimes, "onnxruntime")
    return Examples(
        pixels=PIXELS,
        logits=engine.load(GRAPHS[GRAPH], "fp32", 1)(PIXELS)["logits"],
        decode=lambda logits: softmax(logits, axis=1),
        call=lambda scores: scores.argmax(axis=1),
    )


def slowed(monkeypatch: pytest.MonkeyPatch, **milliseconds: float) -> None:
    """Let each precision take a time that the test decides; those it names are all that there are."""

    def load(engine: Runtime) -> Callable[[bytes, str, int], Any]:
        def loading(graph: bytes, precision: str, threads: int) -> Any:
            session = engine.load(graph, precision, threads)
            precisions[id(session)] = precision
            return session

        return loading

    precisions: dict[int, str] = {}
    real = registry.get

    def get(shelf: Any, name: str) -> Runtime:
        engine: Runtime = real(shelf, name)
        offered = tuple(one for one in engine.precisions() if one in milliseconds)
        return replace(engine, load=load(engine), precisions=lambda: offered)

    monkeypatch.setattr(check_module.registry, "get", get)
    monkeypatch.setattr(check_module, "_milliseconds", lambda session, pixels: milliseconds[precisions[id(session)]])


def test_every_runtime_that_agrees_is_offered_the_fastest_first(examples: Examples) -> None:
    found = checked_runtimes(GRAPHS, examples, threads=1)
    assert {(one.name, one.precision) for one in found} >= {("onnxruntime", "fp32"), ("openvino", "fp32")}
    assert [one.milliseconds for one in found] == sorted(one.milliseconds for one in found)
    assert all(one.difference <= TOLERANCES[one.precision] for one in found)
    assert all(one.cases == 20 and one.milliseconds > 0 for one in found)


def test_a_graph_that_answers_otherwise_is_refused(examples: Examples) -> None:
    with pytest.raises(IsocenterError, match="does not answer as the trained network does.*a probability differs"):
        checked_runtimes(GRAPHS, replace(examples, logits=examples.logits + np.float32([[0.01, 0]])))


def test_coarse_arithmetic_cannot_vouch_for_a_graph_that_answers_otherwise(examples: Examples) -> None:
    smaller = quantise(GRAPHS[GRAPH], PIXELS)
    assert smaller is not None
    lenient = replace(examples, logits=examples.logits + np.float32([[0.01, 0]]), holds=lambda logits: True)
    with pytest.raises(IsocenterError, match="does not answer as the trained network does"):
        checked_runtimes({**GRAPHS, INT8: smaller}, lenient)


def test_a_graph_that_cannot_be_computed_is_refused(examples: Examples) -> None:
    with pytest.raises(IsocenterError, match="does not answer"):
        checked_runtimes({GRAPH: b"x"}, examples)


def test_answers_that_are_no_numbers_are_refused(examples: Examples) -> None:
    with pytest.raises(IsocenterError, match="no numbers"):
        checked_runtimes(GRAPHS, replace(examples, decode=lambda logits: logits * np.nan))


def test_eight_bits_are_kept_where_they_are_faster_and_as_good(
    examples: Examples, monkeypatch: pytest.MonkeyPatch
) -> None:
    smaller = quantise(GRAPHS[GRAPH], PIXELS)
    assert smaller is not None
    assert smaller == quantise(GRAPHS[GRAPH], PIXELS)
    both = {**GRAPHS, INT8: smaller}
    good = replace(examples, holds=lambda logits: len(logits) == 20)
    slowed(monkeypatch, fp32=2.0, int8=1.0)
    assert checked_runtimes(both, good)[0].precision == "int8"
    heard = Told()
    assert {one.precision for one in checked_runtimes(both, examples, progress=heard)} == {"fp32"}
    assert "quality leaves its interval" in heard.messages[0]


def test_eight_bits_that_are_slower_are_left_out_and_it_is_said_why(
    examples: Examples, monkeypatch: pytest.MonkeyPatch
) -> None:
    smaller = quantise(GRAPHS[GRAPH], PIXELS)
    assert smaller is not None
    slowed(monkeypatch, fp32=1.0, int8=3.0)
    heard = Told()
    good = replace(examples, holds=lambda logits: True)
    found = checked_runtimes({**GRAPHS, INT8: smaller}, good, progress=heard)
    assert {one.precision for one in found} == {"fp32"}
    assert any("not 1.3 times as fast as fp32 here (3.0 ms, fp32 1.0 ms)" in said for said in heard.messages)


def test_coarse_arithmetic_must_call_the_same_classes(examples: Examples) -> None:
    scores = examples.decode(examples.logits)
    near = scores + 0.01
    assert check_module._difference("bf16", 0.01, near, scores, examples.logits, examples) == ""
    turned = scores[:, ::-1].copy()
    assert "called as by the trained network" in check_module._difference(
        "bf16", 0.01, turned, scores, examples.logits, examples
    )
    assert "differs by 0.03" in check_module._difference("bf16", 0.03, near, scores, examples.logits, examples)


def test_a_graph_that_cannot_be_quantised_is_left_as_it_is() -> None:
    nodes = [helper.make_node("Loop", ["n", "go"], ["out"], body=helper.make_graph([], "b", [], []))]
    broken = graph_bytes(nodes, [("pixels", TensorProto.UINT8, ["batch", 1])], [("out", TensorProto.FLOAT, None)], {})
    assert quantise(broken, PIXELS) is None
