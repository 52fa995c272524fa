"""OpenVINO: often the fastest on processors by Intel; also computes in bf16 where the processor has it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isocenter.core.optional import require
from isocenter.delivery.runtimes._shared import Runtime, Session, computing, require_outputs, require_precision

_HINTS = {"fp32": "f32", "bf16": "bf16", "int8": "f32"}
"""Arithmetic of whatever is not quantised in the graph itself."""


_MAKING = Lock()


def _core() -> Any:
    """The one `Core` of this process, also where several threads ask for it first at once."""
    with _MAKING:
        return _made()


@cache
def _made() -> Any:
    """A `Core`, which is never given up.

    Each sets a stack for signals on the thread that makes it. Of two that are not given up in the reverse order, the
    last sets that of the first again, which is gone by then: the next signal that Python hears ends the process.
    """
    return require("openvino").Core()


def _precisions() -> tuple[str, ...]:
    return _able(_core())


def _able(core: Any) -> tuple[str, ...]:
    capable = core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    return ("fp32", "bf16", "int8") if "BF16" in capable else ("fp32", "int8")


class _Session:
    """One graph in OpenVINO, compiled for each set of outputs when that is first asked for."""

    def __init__(self, core: Any, graph: bytes, properties: Mapping[str, Any]) -> None:
        self._core, self._graph, self._properties = core, graph, properties
        self._compiled: dict[tuple[str, ...], Any] = {}
        model = core.read_model(graph)
        self._dtype = np.dtype(model.inputs[0].get_element_type().to_dtype())
        self.outputs = tuple(output.get_any_name() for output in model.outputs)

    def __call__(self, pixels: NDArray[Any], outputs: Sequence[str] = ("logits",)) -> Mapping[str, NDArray[np.float32]]:
        require_outputs(outputs, self.outputs)
        wanted = tuple(outputs)
        with computing("OpenVINO"):
            if pixels.dtype != self._dtype:  # it would convert in silence, and fractions would become 0
                raise TypeError(f"its input is {self._dtype}, not {pixels.dtype}")
            if wanted not in self._compiled:
                self._compiled[wanted] = self._compile(wanted)
            answer = self._compiled[wanted]([np.ascontiguousarray(pixels)])
            return {name: np.array(answer[name]) for name in wanted}

    def _compile(self, wanted: tuple[str, ...]) -> Any:
        """The graph without what is not asked for: a map that nobody looks at is not computed to its end."""
        model = self._core.read_model(self._graph)
        for result in model.get_results():
            if not set(result.input_value(0).get_names()) & set(wanted):
                model.remove_result(result)
        return self._core.compile_model(model, "CPU", self._properties)


def _load(graph: bytes, precision: str, threads: int) -> Session:
    core = _core()
    require_precision(precision, _able(core), runtime="OpenVINO")
    properties: dict[str, Any] = {"INFERENCE_PRECISION_HINT": _HINTS[precision], "PERFORMANCE_HINT": "LATENCY"}
    if threads:
        properties["INFERENCE_NUM_THREADS"] = threads
    with computing("OpenVINO"):
        return _Session(core, graph, properties)


RUNTIME = Runtime(package="openvino", precisions=_precisions, load=_load)
