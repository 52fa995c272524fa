"""A record: who made what, when, with which versions, settings and seeds: enough to do it again bit for bit."""

from __future__ import annotations

import getpass
import platform
from datetime import UTC, datetime

from pydantic import BaseModel, ConfigDict

from isocenter.core.optional import version

PACKAGES = ("isocenter", "torch", "numpy", "scipy", "scikit-learn", "onnx", "onnxruntime", "openvino")


class Record(BaseModel):
    """The provenance of a run or a model."""

    model_config = ConfigDict(extra="forbid")

    version: int = 1
    started: str
    finished: str | None = None
    person: str = ""
    """Who did it; kept in the run alone, like the two below: a model file is passed on."""
    machine: str
    threads: int = 0
    versions: dict[str, str]
    seed: int = 0
    cohort: str = ""
    """The folder of the cohort, for finding it again on this machine."""
    cohort_name: str = ""
    data: str = ""
    """SHA-256 over the keys, labels and contents of the cases that were used."""
    cases: dict[str, int] = {}
    """Cases used of each split."""
    left_out: dict[str, int] = {}
    """Cases left out, by reason."""
    settings: dict[str, object] = {}
    """What the person asked for."""
    seconds: float = 0.0

    def to_pass_on(self) -> Record:
        """The record without what says who and where: no name of a person, no folder, no path that was asked for."""
        return self.model_copy(update={"person": "", "cohort": "", "settings": {}})


def begin(*, seed: int = 0, settings: dict[str, object] | None = None) -> Record:
    """A record of work that begins now."""
    return Record(
        started=now(),
        person=_person(),
        machine=f"{platform.system()} {platform.machine()} Python {platform.python_version()}",
        versions={name: found for name in PACKAGES if (found := version(name))},
        seed=seed,
        settings=settings or {},
    )


def now() -> str:
    """The time, in UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _person() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container whose user has no name
        return "unknown"
