"""Benchmarks run: a tiny amount of each, of which every number is there and none is believed."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import predict, train
from benchmarks.__main__ import benches
from benchmarks._shared import Bench, Result, print_table, save


@pytest.fixture(autouse=True)
def _phantoms(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Made-up pictures do; the number of threads is as before."""
    for module in (train, predict):
        monkeypatch.setattr(module, "SHARED", tmp_path)
    monkeypatch.setattr(train, "JUDGED", 16)
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


def told(result: Result, folder: Path) -> dict[str, float | None]:
    """What was measured by its name, after it was printed and kept."""
    print_table(result)
    assert save("tiny", result, folder, quick=True).is_file()
    return {one.name: one.value for one in result.measures}


def test_each_has_a_title_and_something_to_run() -> None:
    assert {"ingest", "train", "predict"} <= set(benches())
    for name in benches():
        bench: Bench = import_module(f"benchmarks.{name}").BENCH
        assert bench.title
        assert callable(bench.run)


def test_training_is_compared_with_a_plain_loop(tmp_path: Path) -> None:
    amount = train.Amount(cases=48, width=2, steps=1, turns=1, epochs=2, our_epochs=1)
    found = told(train.compared(amount), tmp_path)
    for name in ("step: plain / ours", "picture: plain / ours", "seconds of the plain loop"):
        assert found[name] is not None
        assert found[name] > 0
    assert "time to accuracy: ours / plain" in found  # which may not have been reached


@pytest.mark.slow
def test_answers_are_compared_with_torch(tmp_path: Path) -> None:
    amount = predict.Amount(side=32, width=8, calls=1, files=2, processes=1, steps=2, phantoms=24)
    found = told(predict.answered(amount), tmp_path)
    assert found["one image: torch eager / the quickest"] is not None
    assert found["isocenter predict, one picture"] is not None
    assert found["auroc, int8"] is not None
