"""ONNX Runtime: always installed, starts fastest, computes every graph there is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isocenter.delivery.runtimes._shared import Runtime, Session, computing, require_outputs, require_precision

_PRECISIONS = ("fp32", "int8")


def _precisions() -> tuple[str, ...]:
    return _PRECISIONS


class _Session:
    """One graph in ONNX Runtime."""

    def __init__(self, inference: Any) -> None:
        self._inference = inference
        self._input = inference.get_inputs()[0].name
        self.outputs = tuple(output.name for output in inference.get_outputs())

    def __call__(self, pixels: NDArray[Any], outputs: Sequence[str] = ("logits",)) -> Mapping[str, NDArray[np.float32]]:
        require_outputs(outputs, self.outputs)
        with computing("ONNX Runtime"):
            values = self._inference.run(list(outputs), {self._input: np.ascontiguousarray(pixels)})
        return dict(zip(outputs, values, strict=True))


def _load(graph: bytes, precision: str, threads: int) -> Session:
    import onnxruntime

    require_precision(precision, _PRECISIONS, runtime="ONNX Runtime")
    onnxruntime.disable_telemetry_events()  # builds for Windows would tell their maker
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.use_deterministic_compute = True
    options.log_severity_level = 4  # what goes wrong is raised; the rest is for its makers
    with computing("ONNX Runtime"):
        inference = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    return _Session(inference)


RUNTIME = Runtime(package="onnxruntime", precisions=_precisions, load=_load)
