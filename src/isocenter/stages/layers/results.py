"""What there is to know of the layers of a model, as one document."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

from isocenter.core.anatomy import Layer, ReceptiveField


class Objects(BaseModel):
    """How large things are in the prepared images of a cohort, in pixels of those."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["masks", "boxes", "foreground"]
    """What told: outlines, boxes, or what differs from the background, where nobody marked anything."""
    count: int
    cases: int
    """Training and validation cases that were looked at; the test split is left alone."""
    extents: tuple[float, ...]
    """The middle of their extents along each axis ([slices,] rows, columns)."""
    longest: float
    """The middle of their longest extents."""
    covered: float | None = None
    """Share of them that are no longer than a place heeds; null where that is not known."""


class Sight(BaseModel):
    """How much of an image a place of the last map sees."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    map: tuple[int, ...]
    """Form of the last map: channels, places."""
    theory: ReceptiveField
    """What a place could see, by the layers."""
    effective: float | None = None
    """What it heeds, by the weights: the edge of a square, or a cube, as large as the pixels that hold 95 % of the
    gradient of the middle place; null where the map has but one place."""
    by: Literal["image", "cohort", "noise"]
    """Whose gradient that is: the image that was given, cases of the cohort, or noise."""
    images: int
    """Over how many images it is the mean."""
    objects: Objects | None = None
    """What there is to be seen; null where no cohort is at hand."""
    words: tuple[str, ...]
    """The same for a person."""


class LayersShown(BaseModel):
    """The layers of a model; the document that `layers --json` prints."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: int = 1
    name: str
    model: str
    """The file, or the name of the model."""
    network: str
    """Its kind, as `isocenter list models` names it; empty for a model from elsewhere."""
    by: Literal["network", "graph"]
    """Whether the layers are those of the network, or what its ONNX graph tells."""
    input: tuple[int, ...]
    """What it is given of a case: channels, [slices,] rows, columns; of features, a row."""
    members: int
    """Networks that are averaged; the layers are those of one."""
    layers: list[Layer]
    parameters: int
    """Of one member."""
    resting: int = 0
    """Of those, the ones that only help it to learn."""
    multiply_adds: int
    """For one case and one member."""
    megabytes: float
    """Memory of all outputs together, for one case and one member: what training keeps; at work most is freed soon."""
    sight: Sight | None = None
    """How much of an image a place of the last map sees; null where there are no maps, or no network."""
    notes: list[str] = []
    files: dict[str, str] = {}
    """The pictures, with `--into`."""
