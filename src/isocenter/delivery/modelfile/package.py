"""What a model file holds, as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pydantic import BaseModel, ConfigDict

from isocenter.core.fingerprint import Spread
from isocenter.core.labels import LabelDefinition
from isocenter.core.reading import Measure
from isocenter.core.recipe import Recipe
from isocenter.core.record import Record
from isocenter.pathway.tasks._shared import Decision

GRAPH, HEAD, INT8 = "graph.onnx", "head.onnx", "graph-int8.onnx"
"""The whole network (input `pixels`; outputs `logits`, `features`, `embedding`), what follows its last map (input
`features`; output `logits`), and the whole network in 8-bit integers (as `graph.onnx`)."""


class RuntimeChoice(BaseModel):
    """A runtime whose output was checked against the trained network when the model was packaged."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    precision: str
    milliseconds: float
    """Per case, one at a time, on the machine that packaged it."""
    difference: float
    """Largest difference of a probability from the trained network's, over the cases that were checked."""
    cases: int
    """How many cases were checked."""


class Reference(BaseModel):
    """What the training cases looked like, for judging whether a new case is of their kind."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    prevalence: dict[str, float] = {}
    """Share of each class among the training cases."""
    intensity: dict[str, Spread] = {}
    """Of each channel, the 0.5th, 50th and 99.5th percentile of prepared training pixels."""
    validation: list[Measure] = []
    """What was measured on validation cases."""


class Manifest(BaseModel):
    """The table of contents of a model file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: int = 1
    name: str
    made: str
    """When, in UTC."""
    program: str
    """Which version of Isocenter wrote it."""
    origin: str = "isocenter"
    """`isocenter`, or the name of the file that was brought in from elsewhere."""
    runtimes: list[RuntimeChoice] = []
    """Checked runtimes, the fastest first; the first that is installed is used."""
    members: dict[str, str] = {}
    """SHA-256 of every other member of the file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """A model file, read.

    Attributes:
        weights: safetensors of the trained network; None for a model from elsewhere.
        graphs: by member name, see `GRAPH`, `HEAD`, `INT8`.
        learned: eight bytes for the content of each case that was learned from, in rising order.
        digest: SHA-256 of the file as a whole; empty until it was written.
    """

    manifest: Manifest
    recipe: Recipe
    label: LabelDefinition
    decision: Decision
    reference: Reference
    record: Record
    card: str = ""
    weights: bytes | None = None
    graphs: Mapping[str, bytes] = field(default_factory=dict)
    learned: bytes = b""
    digest: str = ""
