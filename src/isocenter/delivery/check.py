"""Check a packaged model: every runtime is timed and held against the trained network before it may compute."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isocenter.core import registry
from isocenter.core.errors import IsocenterError, Unreadable
from isocenter.core.optional import present
from isocenter.core.progress import Progress, Silent
from isocenter.delivery import runtimes
from isocenter.delivery.modelfile.package import GRAPH, INT8, RuntimeChoice
from isocenter.delivery.runtimes._shared import Runtime, Session, computing
from isocenter.pathway.tasks._shared import Floats

TOLERANCES = {"fp32": 1e-4, "bf16": 2e-2}
"""The largest difference of a probability that is taken for the same answer."""

SAME_CLASS = 0.995
"""The share of the cases that must be called alike."""

WORTH = 1.3
"""How many times as fast as fp32 coarser arithmetic must be: for less, no digit of a probability is to change."""

_WARM, _TIMED, _BATCH = 2, 9, 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Examples:
    """Cases by which runtimes are checked.

    Attributes:
        pixels: prepared cases as stored (cases, channels, ...).
        logits: what the trained network says of them (cases, outputs).
        decode: logits -> scores: probabilities, or numbers in units of their spread.
        call: scores -> what is called, one row or number per case.
        holds: logits of the 8-bit graph -> whether the metric stays inside its interval; without it 8 bits are refused.
    """

    pixels: NDArray[Any]
    logits: Floats
    decode: Callable[[Floats], Floats]
    call: Callable[[Floats], NDArray[Any]]
    holds: Callable[[Floats], bool] | None = None


def checked_runtimes(
    graphs: Mapping[str, bytes], examples: Examples, *, threads: int = 0, progress: Progress | None = None
) -> list[RuntimeChoice]:
    """The runtimes whose answers are those of the trained network, the fastest first.

    Args:
        graphs: of the package, by member name; `GRAPH` and perhaps `INT8`.
        examples: the cases to check on, and what the network says of them.
        threads: processor cores; 0 for all.
        progress: is told of each runtime that is left out, and why.

    Raises:
        IsocenterError: no runtime gives the answers of the trained network.
    """
    told = progress or Silent()
    choices: list[RuntimeChoice] = []
    reasons = []
    for name, precision in _offers(graphs):
        choice = _checked(name, precision, graphs, examples, threads)
        if isinstance(choice, RuntimeChoice):
            choices.append(choice)
        else:
            reasons.append(f"{name} in {precision}: {choice}")
    fp32 = min((one.milliseconds for one in choices if one.precision == "fp32"), default=None)
    if fp32 is None:  # coarse arithmetic is allowed to differ, and so cannot vouch for a graph
        raise IsocenterError(
            "The exported graph does not answer as the trained network does",
            why="; ".join(reasons) or "no runtime is installed that could tell",
            remedy="`isocenter doctor` tells what is installed; another version of onnxruntime may compute it rightly",
        )
    for choice in [one for one in choices if one.precision != "fp32" and one.milliseconds * WORTH > fp32]:
        choices.remove(choice)
        slow = f"{choice.name} in {choice.precision}: it is not {WORTH} times as fast as fp32 here"
        reasons.append(f"{slow} ({choice.milliseconds} ms, fp32 {fp32} ms)")
    for reason in reasons:
        told.say(f"Not used: {reason}")
    return sorted(choices, key=lambda one: (one.milliseconds, one.name, one.precision))


def quantise(graph: bytes, pixels: NDArray[Any]) -> bytes | None:
    """The graph in 8-bit integers, its ranges found on example cases; None where it cannot be had.

    Weights keep 7 bits, so that processors without 8-bit instructions that add without overflow give the same answer.

    Args:
        graph: an ONNX graph whose one input is `pixels`.
        pixels: prepared training cases (cases, channels, ...), some dozens.
    """
    from onnx import ModelProto
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    model = ModelProto.FromString(graph)
    try:
        with computing("the quantiser"), TemporaryDirectory() as folder:
            folded, place = Path(folder) / "folded.onnx", Path(folder) / "int8.onnx"
            quant_pre_process(model, folded, skip_symbolic_shape=True)
            quantize_static(
                folded,
                place,
                _Calibration(model.graph.input[0].name, pixels),
                quant_format=QuantFormat.QDQ,
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
                per_channel=True,
                reduce_range=True,
            )
            return place.read_bytes()
    except Unreadable:
        return None  # an operation that the quantiser does not know: the model stays as it is


class _Calibration:
    """Feeds example cases to the quantiser, one at a time."""

    def __init__(self, name: str, pixels: NDArray[Any]) -> None:
        self._name, self._pixels = name, pixels
        self._cases = iter(pixels)

    def get_next(self) -> dict[str, NDArray[Any]] | None:
        """The next case, None after the last."""
        case = next(self._cases, None)
        return None if case is None else {self._name: case[None]}

    def rewind(self) -> None:
        """Begin again."""
        self._cases = iter(self._pixels)


def _offers(graphs: Mapping[str, bytes]) -> Iterator[tuple[str, str]]:
    for name in registry.names(runtimes):
        engine: Runtime = registry.get(runtimes, name)
        if present(engine.package):
            for precision in engine.precisions():
                if precision != "int8" or INT8 in graphs:
                    yield name, precision


def _checked(
    name: str, precision: str, graphs: Mapping[str, bytes], examples: Examples, threads: int
) -> RuntimeChoice | str:
    """A runtime that gives the right answers, or why it does not."""
    engine: Runtime = registry.get(runtimes, name)
    try:
        session = engine.load(graphs[INT8 if precision == "int8" else GRAPH], precision, threads)
        logits = _all(session, examples.pixels)
    except IsocenterError as error:
        return error.reason
    scores, expected = examples.decode(logits), examples.decode(examples.logits)
    if not np.isfinite(scores).all():
        return "its answers are no numbers"
    difference = float(np.abs(scores - expected).max(initial=0.0))
    problem = _difference(precision, difference, scores, expected, logits, examples)
    if problem:
        return problem
    return RuntimeChoice(
        name=name,
        precision=precision,
        milliseconds=round(_milliseconds(session, examples.pixels), 3),
        difference=difference,
        cases=len(examples.pixels),
    )


def _difference(
    precision: str, difference: float, scores: Floats, expected: Floats, logits: Floats, examples: Examples
) -> str:
    """Why its answers are not those of the trained network; empty where they are."""
    if precision == "int8":
        if examples.holds is None or not examples.holds(logits):
            return "the measured quality leaves its interval"
        return ""
    if difference > TOLERANCES[precision]:
        return (
            f"a probability differs by {difference:.2g} from the trained network's, allowed are {TOLERANCES[precision]}"
        )
    if precision != "fp32":
        alike = examples.call(scores) == examples.call(expected)
        share = float(alike.reshape(len(alike), -1).all(axis=1).mean()) if len(alike) else 1.0
        if share < SAME_CLASS:
            return f"only {share:.1%} of the cases are called as by the trained network, {SAME_CLASS:.1%} must be"
    return ""


def _all(session: Session, pixels: NDArray[Any]) -> Floats:
    parts = [session(pixels[start : start + _BATCH])["logits"] for start in range(0, len(pixels), _BATCH)]
    return np.concatenate(parts)


def _milliseconds(session: Session, pixels: NDArray[Any]) -> float:
    """The median time of one case."""
    spans = []
    for turn in range(_WARM + _TIMED):
        begun = perf_counter()
        session(pixels[turn % len(pixels)][None])
        spans.append(perf_counter() - begun)
    return 1000 * median(spans[_WARM:])
