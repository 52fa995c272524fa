"""Whether an ONNX graph keeps its weights in other files: such a graph could have any file of a machine read."""

from __future__ import annotations

from typing import Any

_SIGN = b"location"
"""The key under which a graph names another file; it stands as it is in every graph that does."""


def reads_other_files(graph: bytes) -> bool:
    """Whether some tensor of a graph lies elsewhere; a graph that may be such and cannot be parsed counts as one."""
    if _SIGN not in graph:
        return False  # ONNX is not loaded to read one picture
    from google.protobuf.message import DecodeError
    from onnx import ModelProto

    try:
        return _outside(ModelProto.FromString(graph))
    except DecodeError:
        return True


def _outside(message: Any) -> bool:
    """Look through all parts of a message: a tensor may be a constant, an attribute, in a graph inside, a function."""
    if message.DESCRIPTOR.name == "TensorProto":
        return bool(message.external_data) or message.data_location == message.EXTERNAL
    for field, value in message.ListFields():
        if field.type != field.TYPE_MESSAGE:
            continue
        parts = value if hasattr(value, "__len__") else (value,)
        if any(_outside(part) for part in parts):
            return True
    return False
