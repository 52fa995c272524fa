"""A training that is killed over and over ends with the weights of one that was left alone, to the last bit."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path
from shutil import rmtree

import numpy as np

from benchmarks._shared import Bench, Measure, Result

KILLS = 25
STEPS = 80
CASES = 60
WEIGHTS = "weights.safetensors"


def run(quick: bool) -> Result:
    """One training left alone, one more of the same seed, and one that is killed at random moments."""
    kills = max(KILLS // 10, 2) if quick else KILLS
    steps = STEPS // 4 if quick else STEPS
    with tempfile.TemporaryDirectory(prefix="isocenter-bench-") as place:
        home = Path(place)
        _cohort(home)
        start = time.monotonic()
        _train(home, "alone", steps).wait()
        lasted = time.monotonic() - start
        _train(home, "again", steps).wait()
        inside, finished, damaged = _killed(home, steps, kills, lasted)
        hashes = {name: _weights(home / name) for name in ("alone", "again", "killed")}
    same = hashes["alone"] == hashes["again"]
    survived = hashes["alone"] == hashes["killed"]
    note = f"SHA-256 {hashes['alone'][:16]}"
    return Result(
        measures=(
            Measure(name="same seed, same weights", value=float(same), unit="(1 is yes)", least=1, note=note),
            Measure(name="killed, same weights", value=float(survived), unit="(1 is yes)", least=1, note=note),
            Measure(
                name="kills",
                value=float(kills),
                unit="kills",
                note=f"in {finished + 1} whole trainings",
            ),
            Measure(name="kills inside a checkpoint's writing", value=float(inside), unit="kills"),
            Measure(name="damaged files", value=float(damaged), unit="files", most=0),
        ),
        settings={"steps": steps, "cases": CASES, "seconds left alone": round(lasted, 1)},
    )


def _killed(home: Path, steps: int, kills: int, lasted: float) -> tuple[int, int, int]:
    """Kill the training so many times, then let it end; counts kills inside a write, trainings that ended, and damage.

    The moments are spread uniformly over the time that a whole training takes, start-up and packaging included; the
    run begins anew from its first step whenever it has ended, so that every moment of a training can be hit. Every
    third kill waits from its moment on for the next file that is being written: few would fall into a write by chance.
    """
    rng = np.random.default_rng(0)
    inside = finished = damaged = done = 0
    left: set[Path] = set()
    while done < kills:
        child = _train(home, "killed", steps)
        try:
            child.wait(timeout=float(rng.uniform(0.0, lasted)))
        except subprocess.TimeoutExpired:
            if done % 3 == 2:
                _await_writing(child, home / "killed", left)
            child.kill()
            child.wait()
            done += 1
            halves = set((home / "killed").rglob("*.partial"))
            inside += bool(halves - left)
            left |= halves
            damaged += _damaged(home / "killed")
            continue
        finished += 1
        damaged += _weights(home / "killed") != _weights(home / "alone")
        rmtree(home / "killed")
    if _train(home, "killed", steps).wait() != 0:
        damaged += 1
    return inside, finished, damaged


def _await_writing(child: subprocess.Popen[bytes], run: Path, left: set[Path]) -> None:
    """Wait until a file is being written, or until the training has ended."""
    while child.poll() is None and not set((run / "checkpoints").glob("*.partial")) - left:
        time.sleep(0.0002)


def _damaged(run: Path) -> int:
    """Files that are there under their own name and cannot be read."""
    from safetensors import SafetensorError, safe_open

    broken = 0
    for path in run.rglob("*.safetensors"):
        try:
            with safe_open(path, framework="np") as file:
                file.metadata()
        except (SafetensorError, OSError):
            broken += 1
    for path in (*run.glob("record.json"),):
        try:
            json.loads(path.read_text())
        except ValueError:
            broken += 1
    return broken


def _cohort(home: Path) -> None:
    from isocenter import ingest
    from isocenter.data.phantoms.shapes import write_pictures

    write_pictures(home / "pictures", cases=CASES, classes=("round", "lobed"), seed=0, size=28, dimensions=2)
    ingest(home / "pictures", into=home / "cohort")


def _train(home: Path, name: str, steps: int) -> subprocess.Popen[bytes]:
    settings = (f"training.steps={steps}", "model.settings.width=8", "training.batch=16")
    chosen = [part for one in settings for part in ("--set", one)]
    command = [sys.executable, "-m", "isocenter", "train", str(home / "cohort"), "--into", str(home / name)]
    command += ["--members", "2", "--threads", "1", "--checkpoints", "0.1s", *chosen]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _weights(run: Path) -> str:
    with zipfile.ZipFile(run / "model.isomodel") as file:
        return hashlib.sha256(file.read(WEIGHTS)).hexdigest()


BENCH = Bench(title="trainings killed at random moments", run=run)
