"""Weights that other libraries saved answer in our networks as they do in theirs."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from benchmarks._shared import Bench, Measure, Result
from isocenter.core import registry
from isocenter.learning import models
from isocenter.learning.models._shared import InputForm, Network
from isocenter.learning.weights import lay_in, read_weights

ROOT = Path(__file__).resolve().parents[1]
SCRIPT = Path(__file__).parent / "peers" / "original_weights.py"
PACKAGES = ("torchvision==0.28.0", "timm==1.0.31")
FAMILIES: dict[str, tuple[str, dict[str, Any]]] = {
    "resnet18": ("resnet", {"depth": 18, "stem": "large"}),
    "resnet34": ("resnet", {"depth": 34, "stem": "large"}),
    "resnet50": ("resnet", {"depth": 50, "stem": "large"}),
    "alexnet": ("alexnet", {"stem": "large"}),
    "vgg11": ("vgg", {"depth": 11, "batch_normalisation": False, "head": "dense"}),
    "vgg16_bn": ("vgg", {"depth": 16, "head": "dense"}),
    "googlenet": ("googlenet", {"stem": "large"}),
}
"""Their name to our family, set up as theirs is."""


def run(quick: bool) -> Result:
    """Bring the libraries into a folder of their own, let them save random weights, and compare."""
    del quick
    with tempfile.TemporaryDirectory(prefix="isocenter-bench-") as place:
        home = Path(place)
        problem = _saved(home)
        if problem:
            return Result(measures=(Measure(name="networks compared", value=None, unit="", note=problem),))
        measures = [_compared(path) for path in sorted(home.glob("*.pth"))]
    return Result(measures=tuple(measures), settings={"torch": torch.__version__, "packages": ", ".join(PACKAGES)})


def _saved(home: Path) -> str:
    """Let the other libraries write their files; says what was in the way."""
    beside = home / "packages"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(beside), *PACKAGES]
    if subprocess.run([*pip, "-c", str(ROOT / "constraints.txt")], check=False).returncode:
        return "the other libraries cannot be installed here"
    around = os.environ | {"PYTHONPATH": str(beside)}
    subprocess.run([sys.executable, str(SCRIPT), str(home)], check=True, env=around, stdout=sys.stderr)
    return ""


def _compared(path: Path) -> Measure:
    """The largest difference between their answer and ours, as a share of the largest answer."""
    theirs = load_file(path.with_suffix(".safetensors"))
    given, answer = theirs["given"], theirs["answer"]
    network = _ours(path.stem.split()[-1], given, answer.shape[1])
    taken = lay_in(network, read_weights(path))
    with torch.no_grad():
        ours = network.eval()(given)[0]
    apart = float((ours - answer).abs().max() / answer.abs().max())
    note = f"{len(taken.names)} arrays, {len(taken.left)} left"
    return Measure(name=path.stem, value=apart, unit="of the largest answer", most=1e-5, note=note)


def _ours(name: str, given: torch.Tensor, outputs: int) -> Network:
    family, settings = FAMILIES[name]
    channels, shape = given.shape[1], tuple(given.shape[2:])
    form = InputForm(channels=channels, shape=shape, mean=(0.0,) * channels, deviation=(1.0,) * channels)
    model = registry.get(models, family)
    built: Network = model.build(model.settings(**settings), form, outputs)
    return built


BENCH = Bench(title="weights of other libraries in our networks", run=run)
