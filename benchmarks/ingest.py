"""How fast files are catalogued, beside a plain pydicom loop in the same run, and in how much memory."""

from __future__ import annotations

import json
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from benchmarks._dicom import SLICES, make_series
from benchmarks._shared import Bench, Measure, Result, measured, seconds

FILES = 10_000
EDGE = 64
"""Pixels along each side: about 10 kB a file."""

REPETITIONS = 3
MEMORY_FILES = 100_000
MEMORY_EDGE = 16
"""Files of about 2 kB: what is measured is what is remembered of them, not their pixels."""


def run(quick: bool) -> Result:
    """Rates first, then memory, each in a folder of its own that goes away."""
    share = 10 if quick else 1
    with tempfile.TemporaryDirectory(prefix="isocenter-bench-") as place:
        rates, size = _rates(Path(place), FILES // share)
    with tempfile.TemporaryDirectory(prefix="isocenter-bench-") as place:
        memory = _memory(Path(place), MEMORY_FILES // share)
    settings: dict[str, str | int | float] = {
        "files": FILES // share,
        "kilobytes a file": round(size / 1000, 1),
        "slices a series": SLICES,
        "repetitions": REPETITIONS,
    }
    return Result(measures=(*rates, memory), settings=settings)


def _rates(place: Path, count: int) -> tuple[list[Measure], int]:
    """Everything in turn, over and over, so that a busy moment of the machine meets all alike."""
    import isocenter
    from isocenter.data.files import describe

    paths = make_series(place / "scans", count, EDGE)
    cohort = place / "cohort"
    loop, headers, fresh, again = [], [], [], []
    _plain_loop(paths[:100])  # modules and caches warm for everybody
    describe(paths[:100])
    for _ in range(REPETITIONS):
        shutil.rmtree(cohort, ignore_errors=True)
        loop.append(count / seconds(lambda: _plain_loop(paths)))
        headers.append(count / seconds(lambda: describe(paths)))
        fresh.append(count / seconds(lambda: isocenter.ingest(place / "scans", into=cohort)))
        again.append(count / seconds(lambda: isocenter.ingest(place / "scans", into=cohort)))
    found = isocenter.open_cohort(cohort)
    expected = -(-count // SLICES)
    if len(found) != expected:
        raise SystemExit(f"{expected} series were written and {len(found)} cases found: nothing was measured")
    unit = "files/s"
    plain = median(loop)
    measures = [
        measured("pydicom.dcmread(stop_before_pixels=True)", loop, unit),
        measured("headers described, nothing written", headers, unit),
        measured("ingest", fresh, unit),
        measured("ingest again, nothing new", again, unit),
        Measure(name="ingest / pydicom", value=median(fresh) / plain, unit="x", least=2),
        Measure(name="ingest again / pydicom", value=median(again) / plain, unit="x", least=20),
    ]
    return measures, paths[0].stat().st_size


def _plain_loop(paths: list[Path]) -> None:
    from pydicom import dcmread

    for path in paths:
        dcmread(path, stop_before_pixels=True)


def _memory(place: Path, count: int) -> Measure:
    """The peak of a process that does nothing but this one ingest."""
    paths = make_series(place / "scans", count, MEMORY_EDGE)
    size = paths[0].stat().st_size
    command = [sys.executable, "-m", "benchmarks.ingest", str(place / "scans"), str(place / "cohort")]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    told = json.loads(done.stdout)
    if told["files"] != count:
        raise SystemExit(f"{count} files were written and {told['files']} catalogued: nothing was measured")
    return Measure(
        name=f"peak memory for {count:,} files",
        value=told["megabytes"],
        unit="MB",
        most=400,
        note=f"({size / 1000:.1f} kB each, {told['seconds']:.0f} s)",
    )


def _ingest_and_tell(source: str, into: str) -> None:
    """The work of the process whose memory is measured."""
    import isocenter

    start = time.perf_counter()
    report = isocenter.ingest(source, into=into).report
    took = time.perf_counter() - start
    files = report.files if report else 0
    print(json.dumps({"megabytes": round(_peak_megabytes(), 1), "seconds": took, "files": files}))


def _peak_megabytes() -> float:
    """The most memory that this process held, and the largest of its helpers, had they been at work together."""
    helpers = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * _RSS_BYTES
    return (_own_peak() + helpers) / 1e6


def _own_peak() -> int:
    """On Linux from the process's own record: what `getrusage` says may be inherited from the one that started it."""
    record = Path("/proc/self/status")
    if record.is_file():
        line = next(line for line in record.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _RSS_BYTES


_RSS_BYTES = 1 if sys.platform == "darwin" else 1024
"""macOS counts in bytes, Linux in kilobytes."""

BENCH = Bench(title="files catalogued per second, and the memory it takes", run=run)

if __name__ == "__main__":
    _ingest_and_tell(*sys.argv[1:3])
