"""What the output of a model from elsewhere means: logits, probabilities, one of two, or a number."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from isocenter.core.errors import UsageError
from isocenter.core.words import counted, listed

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

Meaning = Literal["logits", "probabilities", "one probability", "one logit", "several probabilities"]
Asked = Literal["classify", "multilabel", "regress"]

TINY = 1e-7
"""Probabilities nearer to 0 or 1 than this are taken for this: a logit must stay a number."""

_LINEAR = {"Gemm", "MatMul", "Add", "Conv"}
_SHAPING = {"Identity", "Flatten", "Reshape", "Squeeze", "Cast"}
_SUM = 1e-3


def output_of(given: Mapping[str, NDArray[Any]], task: Asked, labels: int) -> str:
    """The output that has as many values as there are labels; of two for two labels, one may do."""
    exact = labels if task != "regress" else 1
    allowed = {exact, 1} if task == "classify" and labels == 2 else {exact}
    fitting = [name for name, values in given.items() if values.shape[1] in allowed]
    if not fitting:
        sizes = [counted(values.shape[1], "value") for values in given.values()]
        raise UsageError(
            f"No output of the model fits {counted(labels, 'label')}",
            why=f"it puts out {listed(sizes) or 'no numbers'} for a case",
            remedy="Name every class, in the order of the outputs, with `--labels`",
        )
    return min(fitting, key=lambda name: (given[name].shape[1] != exact, "logit" not in name.lower()))


def meaning_of(values: NDArray[Any], model: ModelProto, name: str, task: Asked) -> Meaning:
    """What some values are, from the operation that made them and from what they are for many images."""
    if task == "regress":
        return "logits"
    last = _last_step(model, name)
    bounded = last not in _LINEAR and bool(((values >= 0) & (values <= 1)).all())
    if task == "multilabel":
        return "several probabilities" if bounded else "logits"
    if values.shape[1] == 1:
        return "one probability" if bounded else "one logit"
    if last == "Sigmoid":
        raise UsageError(
            "The outputs of the model are probabilities that stand each for itself",
            why="its last step is a sigmoid, not a softmax",
            remedy="Bring it in with `--task multilabel`",
        )
    whole = bool(np.allclose(values.sum(axis=1), 1, atol=_SUM))
    return "probabilities" if bounded and whole else "logits"


def logits_of(values: NDArray[np.float32], meaning: Meaning) -> NDArray[np.float32]:
    """The values as logits; `logit_nodes` does the same inside a graph."""
    if meaning == "logits":
        return values
    if meaning == "one logit":
        return np.concatenate([np.zeros_like(values), values], axis=1)
    one, other = np.log(np.maximum(values, TINY)), np.log(np.maximum(1 - values, TINY))
    if meaning == "probabilities":
        return one
    return np.concatenate([other, one], axis=1) if meaning == "one probability" else one - other


def logit_nodes(name: str, meaning: Meaning) -> tuple[list[NodeProto], dict[str, np.float32]]:
    """Nodes that turn a value (cases, outputs) into `logits`, and the constants that they need."""
    from onnx import helper

    if meaning == "logits":
        return [helper.make_node("Identity", [name], ["logits"])], {}
    if meaning == "one logit":
        return [
            helper.make_node("Mul", [name, "answer/none"], ["answer/zero"]),
            helper.make_node("Concat", ["answer/zero", name], ["logits"], axis=1),
        ], {"answer/none": np.float32(0)}
    constants = {"answer/tiny": np.float32(TINY), "answer/whole": np.float32(1)}
    one = [
        helper.make_node("Max", [name, "answer/tiny"], ["answer/kept"]),
        helper.make_node("Log", ["answer/kept"], ["logits" if meaning == "probabilities" else "answer/one"]),
    ]
    if meaning == "probabilities":
        return one, {"answer/tiny": constants["answer/tiny"]}
    other = [
        helper.make_node("Sub", ["answer/whole", name], ["answer/rest"]),
        helper.make_node("Max", ["answer/rest", "answer/tiny"], ["answer/rest_kept"]),
        helper.make_node("Log", ["answer/rest_kept"], ["answer/other"]),
    ]
    if meaning == "one probability":
        joined = helper.make_node("Concat", ["answer/other", "answer/one"], ["logits"], axis=1)
    else:
        joined = helper.make_node("Sub", ["answer/one", "answer/other"], ["logits"])
    return [*one, *other, joined], constants


def _last_step(model: ModelProto, name: str) -> str:
    """The operation that made a value, past those that only change its form."""
    makers = {output: node for node in model.graph.node for output in node.output}
    node = makers.get(name)
    while node is not None and node.op_type in _SHAPING:
        node = makers.get(node.input[0])
    return node.op_type if node is not None else ""
