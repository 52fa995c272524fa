"""What a person may ask of a plan; everything else is decided by the rules."""

from __future__ import annotations

from typing import Any

from pydantic import Field, field_validator

from isocenter.core.durations import Duration
from isocenter.core.settings import Settings
from isocenter.core.words import separated


class SharedWishes(Settings):
    """What may be asked alike of everything that learns."""

    task: str | None = None
    """What to learn: classify, multilabel, ordinal or regress; by the kind of the label unless given."""
    label: str | None = None
    """Which label of the cohort to learn, where there are several."""
    budget: Duration | None = None
    """How long training may take, such as 10m; without it the number of steps follows from the number of cases."""
    size: int | None = Field(default=None, ge=8, le=1024)
    """Longest side of the prepared images in pixels."""
    features: tuple[str, ...] = ()
    """What is measured of each image and given to the model instead of its pixels, such as hog,glcm."""
    members: int | None = Field(default=None, ge=1, le=20)
    """How many networks are trained and averaged."""
    positive: str | None = None
    """Of two classes, the one that is looked for; by their names unless given."""
    sensitivity: float | None = Field(default=None, gt=0.0, le=1.0)
    """For screening: choose the threshold that finds this share of the positive validation cases."""
    seed: int = Field(default=0, ge=0)
    """The only source of chance."""
    threads: int | None = Field(default=None, ge=1)
    """Processor cores to use; all unless given."""
    set: tuple[str, ...] = ()
    """Any key of the recipe, such as training.batch=64 or model.settings.depth=34; may be given several times."""

    @field_validator("features", mode="before")
    @classmethod
    def _apart(cls, given: Any) -> Any:
        """Names may be joined by commas."""
        return separated(given)


class Wishes(SharedWishes):
    """What is asked, and what is already decided."""

    model: str | None = None
    """What learns: a name from `isocenter list models`."""
    weights: str | None = None
    """What a network begins with: a file or address of weights, a model file or a run; from chance unless given."""
