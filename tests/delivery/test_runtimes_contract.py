"""Every runtime on the shelf: the answers of ONNX Runtime, asked outputs only, the same twice, refusals in words."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from isocenter.core import registry
from isocenter.core.errors import IsocenterError, UsageError
from isocenter.core.optional import present
from isocenter.delivery import runtimes
from isocenter.delivery.check import TOLERANCES, quantise
from isocenter.delivery.modelfile.package import GRAPH, HEAD
from isocenter.delivery.runtimes import openvino
from isocenter.delivery.runtimes._shared import Runtime
from model_samples import SIDE, tiny_graphs

NAMES = registry.names(runtimes)
OUTPUTS = {"logits", "features", "embedding"}


@pytest.fixture(scope="module", params=NAMES)
def runtime(request: pytest.FixtureRequest) -> Runtime:
    found: Runtime = registry.get(runtimes, request.param)
    return found


def pixels(stored: str = "uint8", *, channels: int = 1, shape: tuple[int, ...] = (SIDE, SIDE)) -> np.ndarray:
    drawn = np.random.default_rng(1).integers(0, 256, (5, channels, *shape), dtype=np.uint8)
    return drawn if stored == "uint8" else (drawn / 255).astype(np.float32)


def reference(graph: bytes, given: np.ndarray) -> np.ndarray:
    engine: Runtime = registry.get(runtimes, "onnxruntime")
    return engine.load(graph, "fp32", 1)(given)["logits"]


@pytest.mark.parametrize("name", NAMES)
def test_it_says_what_it_is_and_needs_something_that_is_here(name: str, runtime: Runtime) -> None:
    assert registry.blurb(runtimes, name).endswith(".")
    assert present(runtime.package)
    assert "fp32" in runtime.precisions()
    assert set(runtime.precisions()) <= {"fp32", "bf16", "int8"}


@pytest.mark.parametrize("stored", ["uint8", "float32"])
@pytest.mark.parametrize(("channels", "shape"), [(1, (SIDE, SIDE)), (3, (12, 20)), (2, (6, 8, 10))])
def test_every_form_of_input_gives_the_same_answers(
    runtime: Runtime, stored: str, channels: int, shape: tuple[int, ...]
) -> None:
    graph = tiny_graphs(channels=channels, shape=shape, stored=stored)[GRAPH]
    given = pixels(stored, channels=channels, shape=shape)
    for precision in runtime.precisions():
        if precision == "int8":
            continue
        session = runtime.load(graph, precision, 1)
        found = session(given)["logits"]
        assert found.dtype == np.float32
        assert np.abs(found - reference(graph, given)).max() <= TOLERANCES[precision]
        assert np.array_equal(found, session(given)["logits"])
        alone = np.concatenate([session(case[None])["logits"] for case in given])
        assert np.abs(alone - found).max() <= TOLERANCES[precision]


def test_only_the_asked_outputs_are_given(runtime: Runtime) -> None:
    session = runtime.load(tiny_graphs()[GRAPH], "fp32", 1)
    assert set(session.outputs) == OUTPUTS
    assert set(session(pixels())) == {"logits"}
    found = session(pixels(), ("embedding", "features"))
    assert list(found) == ["embedding", "features"]
    assert found["features"].shape == (5, 4, SIDE, SIDE)
    assert np.allclose(found["features"].mean(axis=(2, 3)), found["embedding"], atol=1e-5)
    with pytest.raises(UsageError, match="no output maps"):
        session(pixels(), ("maps",))


def test_the_head_takes_features(runtime: Runtime) -> None:
    graphs = tiny_graphs()
    whole = runtime.load(graphs[GRAPH], "fp32", 1)(pixels(), ("features", "logits"))
    head = runtime.load(graphs[HEAD], "fp32", 1)(whole["features"])
    assert np.allclose(head["logits"], whole["logits"], atol=1e-5)


def test_threads_change_no_answer_by_more_than_rounding(runtime: Runtime) -> None:
    graph = tiny_graphs()[GRAPH]
    one, two = (runtime.load(graph, "fp32", threads)(pixels())["logits"] for threads in (1, 2))
    assert np.allclose(one, two, atol=1e-5)


def test_eight_bit_graphs_are_computed(runtime: Runtime) -> None:
    graph = tiny_graphs()[GRAPH]
    smaller = quantise(graph, pixels())
    assert smaller is not None
    found = runtime.load(smaller, "int8", 1)(pixels())["logits"]
    assert np.allclose(found, reference(graph, pixels()), atol=0.3)


SIGNALLED = """
import os, signal, sys
from pathlib import Path
import numpy as np
from isocenter.core import registry
from isocenter.delivery import runtimes

runtime = registry.get(runtimes, sys.argv[1])
graph, pixels = Path(sys.argv[2]).read_bytes(), np.load(sys.argv[3])
first, second = runtime.load(graph, "fp32", 1), runtime.load(graph, "fp32", 1)
first(pixels), second(pixels)
del first
del second
signal.signal(signal.SIGINT, lambda *_: print("heard"))
os.kill(os.getpid(), signal.SIGINT)
"""


@pytest.mark.skipif(os.name != "posix", reason="signals of this kind are POSIX's")
@pytest.mark.parametrize("name", NAMES)
def test_a_signal_is_heard_after_sessions_were_given_up(name: str, tmp_path: Path) -> None:
    """OpenVINO sets a stack for signals; where that was lost, Ctrl-C ended the process in a crash."""
    (tmp_path / GRAPH).write_bytes(tiny_graphs()[GRAPH])
    np.save(tmp_path / "pixels.npy", pixels())
    command = [sys.executable, "-c", SIGNALLED, name, str(tmp_path / GRAPH), str(tmp_path / "pixels.npy")]
    child = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (child.returncode, child.stdout.strip()) == (0, "heard"), child.stderr


@pytest.mark.parametrize("damaged", [b"", b"no graph", tiny_graphs()[GRAPH][:200]])
def test_a_damaged_graph_is_refused_in_words(runtime: Runtime, damaged: bytes) -> None:
    with pytest.raises(IsocenterError, match="cannot be computed by"):
        runtime.load(damaged, "fp32", 1)


@pytest.mark.parametrize("wrong", [pixels("float32"), pixels()[:, :, :8], pixels(channels=2), np.zeros((0,), np.uint8)])
def test_pixels_that_do_not_fit_are_refused_in_words(runtime: Runtime, wrong: np.ndarray) -> None:
    session = runtime.load(tiny_graphs()[GRAPH], "fp32", 1)
    with pytest.raises(IsocenterError, match="cannot be computed by"):
        session(wrong)


def test_unknown_arithmetic_is_refused(runtime: Runtime) -> None:
    with pytest.raises(UsageError, match="cannot compute in fp8"):
        runtime.load(tiny_graphs()[GRAPH], "fp8", 1)


class Processor:
    """A processor that says what it can do."""

    def __init__(self, *capable: str) -> None:
        self.capable = list(capable)

    def get_property(self, device: str, name: str) -> list[str]:
        assert (device, name) == ("CPU", "OPTIMIZATION_CAPABILITIES")
        return self.capable


def test_bf16_is_offered_where_the_processor_has_it() -> None:
    assert "bf16" in openvino._able(Processor("FP32", "BF16"))
    assert "bf16" not in openvino._able(Processor("FP32", "INT8"))
