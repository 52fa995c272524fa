"""How good a model is after ten minutes with no other option, over seeds; judged by the test split, looks counted.

Runs are kept under `results/classify` and taken up again, since five seeds of ten minutes on each cohort take hours.
Published figures are those of the MedMNIST papers; a single run on so few test cases is noise, so means are compared.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
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
    for name, wanted in WANTED.items():
        if not (DATA / f"{name}.npz").is_file():
            measures.append(Measure(name=name, value=None, unit="", note="its images are absent"))
            continue
        found = [_judged(home, name, seed, budget) for seed in range(seeds)]
        looks = max(one["look"] for one in found)
        for metric, least in wanted.items():
            values = [_value(one, metric) for one in found]
            measures.append(_measure(f"{name} {metric}", values, least, looks))
    return Result(measures=tuple(measures), settings={"seeds": seeds, "budget": budget})


def _measure(name: str, values: list[float], least: float, looks: int) -> Measure:
    reach = T_95[len(values)] * stdev(values) / len(values) ** 0.5 if 1 < len(values) <= max(T_95) else float("nan")
    note = f"+- {reach:.3f} over seeds; {looks} looks at the test split"
    return Measure(name=name, value=round(mean(values), 4), unit="", all=tuple(values), least=least, note=note)


def _judged(home: Path, name: str, seed: int, budget: str) -> dict[str, object]:
    """The evaluation of one seed; trained and judged only where that was not done before."""
    cohort, place = home / f"{name}-cohort", home / f"{name}-{seed}"
    told = place / "evidence" / "metrics.json"
    if not told.is_file():
        home.mkdir(parents=True, exist_ok=True)
        if not cohort.is_dir():
            _isocenter("ingest", str(DATA / f"{name}.npz"), "--into", str(cohort))
        _isocenter("train", str(cohort), "--budget", budget, "--seed", str(seed), "--into", str(place))
        _isocenter("evaluate", str(place))
    found: dict[str, object] = json.loads(told.read_text())
    return found


def _value(found: dict[str, object], metric: str) -> float:
    metrics = found["metrics"]
    assert isinstance(metrics, list)
    return float(next(one["value"] for one in metrics if one["name"] == metric))


def _isocenter(*arguments: str) -> None:
    subprocess.run([sys.executable, "-m", "isocenter", *arguments], check=True, stdout=sys.stderr)


BENCH = Bench(title=f"accuracy after {BUDGET} of training, over seeds", run=run)
