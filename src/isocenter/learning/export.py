"""A trained network as ONNX graphs, which run wherever there is no torch."""

from __future__ import annotations

import copy
import io
import warnings
from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

from isocenter.core.errors import UsageError
from isocenter.learning.models._shared import InputForm, Network

OPSET = 18
STORED = {"uint8": torch.uint8, "float32": torch.float32}
"""How prepared pixels may be kept."""


class _Whole(nn.Module):
    """Stored pixels to logits, features and embedding."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        logits, features, embedding = self.network(pixels.float())
        return logits, features, embedding


class _Head(nn.Module):
    """Features to logits."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network

    def forward(self, features: Tensor) -> Tensor:
        return self.network.head(features)[0]


def export_onnx(network: Network, form: InputForm, dtype: str) -> tuple[bytes, bytes]:
    """A network as two ONNX files, the same bytes for the same weights.

    Args:
        network: trained; it is left as it is.
        form: the input that it was built for.
        dtype: how prepared pixels are stored and given: `uint8` or `float32`.

    Returns:
        The whole network (input `pixels`; outputs `logits`, `features`, `embedding`), and what follows its last map
        (input `features`; output `logits`). The first axis of each is the batch, of any length.
    """
    if dtype not in STORED:
        raise UsageError(f"Stored pixels must be {' or '.join(STORED)}, got {dtype}")
    still = copy.deepcopy(network).cpu().float().eval()
    pixels = torch.zeros((2, form.channels, *form.shape), dtype=STORED[dtype])
    with torch.no_grad():
        features = still(pixels.float())[1]
    graph = _graph(_Whole(still), pixels, "pixels", ("logits", "features", "embedding"))
    return graph, _graph(_Head(still), features, "features", ("logits",))


def _graph(module: nn.Module, example: Tensor, given: str, outputs: Sequence[str]) -> bytes:
    """One module as the bytes of an ONNX file.

    The exporter that traces (`dynamo=False`) is taken on purpose. The contract test holds its answers equal to torch's
    for every model of the shelf; with torch 2.13 it took 0.2 seconds for a network of 17 convolutions where the one
    that is to replace it took 4 to 8, wrote log lines, and put paths of this machine into the file. When torch drops
    it, this function is all that changes.
    """
    import onnx

    buffer = io.BytesIO()
    with warnings.catch_warnings():
        # That it will be replaced is known, see above.
        warnings.filterwarnings(
            "ignore", category=DeprecationWarning, module=r"torch\.onnx|isocenter\.learning\.export"
        )
        torch.onnx.export(
            module.eval(),
            (example,),
            cast(str, buffer),  # A file in memory is taken as well; only the exporter's annotation leaves it out.
            dynamo=False,
            opset_version=OPSET,
            input_names=[given],
            output_names=list(outputs),
            dynamic_axes={name: {0: "batch"} for name in (given, *outputs)},
        )
    model = onnx.load_from_string(buffer.getvalue())
    # Names of modules are kept; where the code that wrote them lies is nobody's business.
    for part in (model, model.graph, *model.graph.node):
        part.ClearField("doc_string")
        part.ClearField("metadata_props")
    onnx.checker.check_model(model)
    plain: bytes = model.SerializeToString(deterministic=True)
    return plain
