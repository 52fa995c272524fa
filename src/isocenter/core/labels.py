"""What is said of a case, and by whom: a schema of labels and their values.

Three things are kept apart. A label is *absent* where nobody looked (there is no value), *unknown* where somebody
looked and could not tell (`Unknown`), and *negative* where somebody looked and found none (a class or an empty mask).
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field


class Kind(StrEnum):
    """What form a label takes."""

    CLASS = "class"
    CLASSES = "classes"
    MASK = "mask"
    BOXES = "boxes"
    POINTS = "points"
    NUMBER = "number"
    TEXT = "text"


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ClassDefinition(_Value):
    """One class of a label, such as `malignant`."""

    name: str
    value: int | None = None
    """The number that stands for it in masks or tables, restored on output."""
    code: str | None = None
    """SNOMED CT or RadLex code, such as `SCT:86049000`."""
    recommendation: str | None = None
    """What a clinician wrote should follow, shown beside the finding."""


class LabelDefinition(_Value):
    """One question asked of every case, such as `class` or `vessels`."""

    name: str
    kind: Kind
    classes: tuple[ClassDefinition, ...] = ()
    unit: str | None = None

    def named(self, value: int) -> str | None:
        """The class that a number stands for."""
        return next((one.name for one in self.classes if one.value == value), None)


class LabelSchema(_Value):
    """Every question asked of the cases of a cohort, in order."""

    labels: tuple[LabelDefinition, ...] = ()

    def __contains__(self, name: str) -> bool:
        return any(label.name == name for label in self.labels)

    def __getitem__(self, name: str) -> LabelDefinition:
        for label in self.labels:
            if label.name == name:
                return label
        raise KeyError(name)

    @property
    def names(self) -> tuple[str, ...]:
        """The label names in order."""
        return tuple(label.name for label in self.labels)


class Box(_Value):
    """A rectangle in pixels of the image: left and top edge, width and height."""

    label: str
    x: float
    y: float
    width: float
    height: float
    frame: int | None = None


class Point(_Value):
    """A marked place in pixels of the image."""

    label: str
    x: float
    y: float
    z: float | None = None


class ClassValue(_Value):
    """One of the classes."""

    kind: Literal["class"] = "class"
    value: str


class ClassesValue(_Value):
    """Any number of the classes; those not named are negative unless listed as unknown."""

    kind: Literal["classes"] = "classes"
    values: tuple[str, ...]
    unknown: tuple[str, ...] = ()


class MaskValue(_Value):
    """An outline drawn on the image, kept in a file of its own."""

    kind: Literal["mask"] = "mask"
    format: str
    files: tuple[str, ...]
    part: str = ""
    mapping: dict[int, str] = Field(default_factory=dict)
    """Pixel value to class name; 0 is background unless it is listed."""
    noisy: bool = False
    """Whether other pixel values count as the nearest listed one, as in masks saved as JPEG; else they are an error."""
    channel: str | None = None
    """The channel or segment of the file to take, where it holds several."""


class BoxesValue(_Value):
    """Rectangles around objects; none is a negative."""

    kind: Literal["boxes"] = "boxes"
    boxes: tuple[Box, ...]


class PointsValue(_Value):
    """Marked places; none is a negative."""

    kind: Literal["points"] = "points"
    points: tuple[Point, ...]


class NumberValue(_Value):
    """A measured or graded number."""

    kind: Literal["number"] = "number"
    value: float


class TextValue(_Value):
    """Words."""

    kind: Literal["text"] = "text"
    value: str


class Unknown(_Value):
    """Somebody looked and could not tell."""

    kind: Literal["unknown"] = "unknown"


Value = Annotated[
    ClassValue | ClassesValue | MaskValue | BoxesValue | PointsValue | NumberValue | TextValue | Unknown,
    Field(discriminator="kind"),
]


class Label(_Value):
    """What one reader said of one case, and in which version."""

    name: str
    value: Value
    reader: str = "reference"
    version: int = 1
