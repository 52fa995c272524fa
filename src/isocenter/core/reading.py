"""A reading: what a model says of a case, how sure it is, what a person should know, and whether it abstains."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SerializerFunctionWrapHandler, model_serializer

READINGS_FILE, READINGS_TABLE = "readings.json", "readings.csv"
"""What `predict --into DIR` writes: for programs, and as a table."""


class _Said(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    @model_serializer(mode="wrap")
    def _without_what_does_not_apply(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """What does not apply is absent, not null."""
        return {name: value for name, value in dump(self).items() if value is not None}


class Measure(_Said):
    """A number with what it takes to judge it: none without its n, and its interval where one exists."""

    name: str
    value: float | None = None
    low: float | None = None
    high: float | None = None
    n: int
    level: float | None = None
    """The level of the interval, such as 0.95."""
    method: str | None = None
    """How the interval was made."""
    unit: str | None = None
    rule: str | None = None
    """What was done where the number is not defined."""


class ClassFinding(_Said):
    """A class and its probability; `called` where the model decides for it."""

    kind: Literal["class"] = "class"
    label: str
    probability: float
    called: bool = False
    threshold: float | None = None
    code: str | None = None
    recommendation: str | None = None


class NumberFinding(_Said):
    """A number that the model estimates."""

    kind: Literal["number"] = "number"
    label: str
    value: float
    low: float | None = None
    high: float | None = None
    unit: str | None = None


Finding = Annotated[ClassFinding | NumberFinding, Field(discriminator="kind")]


class Reading(_Said):
    """What a model says of one case."""

    case: str
    source: str
    task: str
    model: str
    """SHA-256 of the model file."""
    findings: tuple[Finding, ...] = ()
    abstained: bool = False
    reason: str | None = None
    warnings: tuple[str, ...] = ()
    files: dict[str, str] = {}
    seconds: float | None = None

    @property
    def called(self) -> tuple[str, ...]:
        """The classes that the model decides for."""
        return tuple(one.label for one in self.findings if isinstance(one, ClassFinding) and one.called)


class ReadingRefusal(_Said):
    """A source that the model was not made for, or that cannot be read."""

    source: str
    reason: str


class Readings(_Said):
    """What `predict` says; the document that `predict --json` prints."""

    version: int = 1
    model: str
    runtime: str
    readings: tuple[Reading, ...] = ()
    refused: tuple[ReadingRefusal, ...] = ()
    seconds: float = 0.0
