"""How good a model is after ten minutes of one core, over seeds; judged by the test split, looks counted.

As many are trained at a time as there are cores, each on one (`--threads 1`): more cores would give each more steps.
Runs are kept under `results/classify` and taken up again, since five seeds of ten minutes on each cohort take an hour.
Published figures are those of the MedMNIST papers; a single run on so few test cases is noise, so means are compared.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path
from statistics import mean, stdev

from benchmarks._shared import Bench, Measure, Result

SEEDS = 5
BUDGET = "10m"
DATA = Path(__file__).resolve().parents[2] / "shared" / "data" / "medmnist"
KEPT = Path(__file__).parent / "results" / "classify"
WANTED = {"pneumoniamnist": {"auroc": 0.972, "accuracy": 0.905}, "breastmnist": {"auroc": 0.890, "accuracy": 0.855}}
"""Means over seeds that are to be reached or passed."""

T_95 = {2: 12.706, 3: 4.303, 4: 3.182, 5: 2.776}
"""Student's t for 95 % intervals of a mean over so many seeds."""


def run(quick: bool) -> Result:
    """Train and judge each seed of each cohort that is there."""
    seeds, budget = (1, "30s") if quick else (int(os.environ.get("SEEDS", SEEDS)), BUDGET)
    home = KEPT.with_name("classify-quick") if quick else KEPT
    measures: list[Measure] = []
    there = [name for name in WANTED if (DATA / f"{name}.npz").is_file()]
    _train_all(home, there, range(seeds), budget)
    for name, wanted in WANTED.items():
        if name not in there:
            measures.append(Measure(name=name, value=None, unit="", note="its images are absent"))
            continue
        found = [_judged(home, name, seed) for seed in range(seeds)]
        looks = max(one["look"] for one in found)
        for metric, least in wanted.items():
            values = [_value(one, metric) for one in found]
            measures.append(_measure(f"{name} {metric}", values, least, looks))
    return Result(measures=tuple(measures), settings={"seeds": seeds, "budget": budget})


def _measure(name: str, values: list[float], least: float, looks: int) -> Measure:
    reach = T_95[len(values)] * stdev(values) / len(values) ** 0.5 if 1 < len(values) <= max(T_95) else float("nan")
    note = f"+- {reach:.3f} over seeds; {looks} looks at the test split"
    return Measure(name=name, value=round(mean(values), 4), unit="", all=tuple(values), least=least, note=note)


def _train_all(home: Path, names: Sequence[str], seeds: Sequence[int], budget: str) -> None:
    """Train each seed of each cohort, a core each; what is trained already is left as it is."""
    home.mkdir(parents=True, exist_ok=True)
    for name in names:
        if not _cohort(home, name).is_dir():
            _isocenter("ingest", str(DATA / f"{name}.npz"), "--into", str(_cohort(home, name)))

    def work(one: tuple[int, str]) -> None:
        seed, name = one
        options = ("--budget", budget, "--seed", str(seed), "--threads", "1")
        _isocenter("train", str(_cohort(home, name)), *options, "--into", str(_run(home, name, seed)))

    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        list(pool.map(work, product(seeds, names)))


def _cohort(home: Path, name: str) -> Path:
    return home / f"{name}-cohort"


def _run(home: Path, name: str, seed: int) -> Path:
    return home / f"{name}-{seed}"


def _judged(home: Path, name: str, seed: int) -> dict[str, object]:
    """The evaluation of one seed; looked at only where that was not done before."""
    place = _run(home, name, seed)
    told = place / "evidence" / "metrics.json"
    if not told.is_file():
        _isocenter("evaluate", str(place))
    found: dict[str, object] = json.loads(told.read_text())
    return found


def _value(found: dict[str, object], metric: str) -> float:
    metrics = found["metrics"]
    assert isinstance(metrics, list)
    return float(next(one["value"] for one in metrics if one["name"] == metric))


def _isocenter(*arguments: str) -> None:
    subprocess.run([sys.executable, "-m", "isocenter", *arguments], check=True, stdout=sys.stderr)


BENCH = Bench(title=f"accuracy after {BUDGET} of training on one core, over seeds", run=run)
