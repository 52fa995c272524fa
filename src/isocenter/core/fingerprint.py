"""A fingerprint: what a plan must know of a cohort and of the machine, and nothing else."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Spread(BaseModel):
    """The smallest, middle and largest of some values."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    low: float
    middle: float
    high: float


class ChannelFacts(BaseModel):
    """What is known of one channel over the training cases."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    intensity: str
    """The meaning of its values: raw, hu, suv, rgb ..."""
    dtypes: tuple[str, ...]
    present: int
    """In how many training cases it is there."""
    colours: int = 1
    """3 where it is a colour image whose colours differ, else 1."""
    values: tuple[float, float, float, float] = (0.0, 0.0, 1.0, 1.0)
    """0.5th percentile, 50th and 99.5th, and the share of the pixels that are not background, over sampled cases."""
    mean: float = 0.0
    deviation: float = 1.0


class Machine(BaseModel):
    """What this computer has to offer."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    cores: int
    free_memory: int
    """Bytes that may be used, the limit of a container counted in."""
    gpu: str | None = None
    gpu_memory: int = 0
    bf16: bool = False
    """Whether the processor has instructions for bf16."""


class Fingerprint(BaseModel):
    """The training and validation cases of a cohort in figures; the test split is not looked at."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    label: str
    kind: str
    """The form of the label: class, classes or number."""
    classes: tuple[str, ...] = ()
    counts: dict[str, int] = {}
    """Training cases of each class."""
    cases: dict[str, int] = {}
    """Labelled cases of each split."""
    patients: dict[str, int] = {}
    unlabelled: int = 0
    unusable: dict[str, int] = {}
    """Cases that cannot be used, by reason."""
    dimensions: int
    sizes: dict[str, Spread] = {}
    """Steps along x, y (and z)."""
    spacing: dict[str, Spread] = {}
    """Millimetres along x, y (and z), over the images whose files say; empty where none does."""
    spacing_known: float = 0.0
    """Share of the images whose spacing is known."""
    channels: tuple[ChannelFacts, ...] = ()
    modalities: tuple[str, ...] = ()
    sided: bool = False
    """Whether some label or class is named for a side (left, right), so that mirroring would change it."""
    numbers: Spread | None = None
    """Of a number label, the spread over the training cases."""
    machine: Machine
