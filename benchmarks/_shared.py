"""What every benchmark gives back, and how it is shown."""

from __future__ import annotations

import json
import os
import platform
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from statistics import median

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"
"""Real images beside the project; they may be absent."""


@dataclass(frozen=True, kw_only=True)
class Measure:
    """One number.

    Attributes:
        name: what was measured.
        value: the median of `all`, or a ratio of medians; None where it could not be measured.
        unit: of the value.
        all: every repetition.
        least, most: what is wanted, where something is.
        note: what a reader should know.
    """

    name: str
    value: float | None
    unit: str
    all: tuple[float, ...] = ()
    least: float | None = None
    most: float | None = None
    note: str = ""

    @property
    def reached(self) -> bool | None:
        """Whether it is as wanted; None where nothing is."""
        if self.least is None and self.most is None:
            return None
        if self.value is None:
            return False
        return (self.least is None or self.value >= self.least) and (self.most is None or self.value <= self.most)


@dataclass(frozen=True, kw_only=True)
class Result:
    """What a benchmark measured, and on what."""

    measures: tuple[Measure, ...]
    settings: dict[str, str | int | float] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Bench:
    """A benchmark: its title, and the function that runs it; `quick` asks for a tenth of the work."""

    title: str
    run: Callable[[bool], Result]


def measured(name: str, values: list[float], unit: str) -> Measure:
    """A measure that is the median of repetitions."""
    return Measure(name=name, value=median(values), unit=unit, all=tuple(values))


def seconds(work: Callable[[], object]) -> float:
    """How long a piece of work takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def machine() -> dict[str, str | int | float | None]:
    """Where it was measured."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "processor": _processor(),
        "cores": cores,
        "load": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
        "python": platform.python_version(),
        **{name: metadata.version(name) for name in ("isocenter", "pydicom", "numpy")},
    }


def _processor() -> str:
    facts = Path("/proc/cpuinfo")
    lines = facts.read_text().splitlines() if facts.is_file() else []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.processor())


def print_table(result: Result) -> None:
    """The numbers for a person."""
    facts = {**machine(), **result.settings}
    print(", ".join(f"{key} {value}" for key, value in facts.items()))
    rows = [("", "measured", "wanted", "")]
    for one in result.measures:
        value = "not measured" if one.value is None else f"{one.value:,.4g} {one.unit}"
        wanted = [f"at least {one.least:g}"] if one.least is not None else []
        wanted += [f"at most {one.most:g}"] if one.most is not None else []
        verdict = {True: "yes", False: "NO", None: ""}[one.reached]
        rows.append((one.name, value, ", ".join(wanted), f"{verdict} {one.note}".strip()))
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    for row in rows:
        print("  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[3]]).rstrip())
    sys.stdout.flush()


def save(name: str, result: Result, folder: Path, *, quick: bool) -> Path:
    """Keep the numbers as JSON beside the earlier ones."""
    folder.mkdir(exist_ok=True)
    now = datetime.now(UTC)
    path = folder / f"{name}-{now:%Y%m%d-%H%M%S}.json"
    measures = [{**asdict(one), "reached": one.reached} for one in result.measures]
    document = {
        "benchmark": name,
        "time": now.isoformat(timespec="seconds"),
        "quick": quick,
        "machine": machine(),
        "settings": result.settings,
        "measures": measures,
    }
    path.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    return path
