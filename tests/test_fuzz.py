"""Damaged files are read or refused: five hundred of them, in processes of their own."""

from __future__ import annotations

import importlib
import random
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

TOOLS = Path(__file__).resolve().parents[1] / "tools"
COUNT = 500


@pytest.fixture(scope="module")
def fuzz() -> Iterator[ModuleType]:
    sys.path.insert(0, str(TOOLS))
    try:
        yield importlib.import_module("fuzz")
    finally:
        sys.path.remove(str(TOOLS))


def test_five_hundred_damaged_files_are_read_or_refused(fuzz: ModuleType) -> None:
    findings, tally = fuzz.hunt(COUNT)
    assert findings == []
    assert sum(tally.values()) == COUNT
    assert tally["read"] > COUNT // 10
    assert tally["refused"] > COUNT // 10


def test_a_mutant_is_made_from_its_number_alone(fuzz: ModuleType) -> None:
    assert fuzz.mutant(123) == fuzz.mutant(123)
    assert fuzz.mutant(123)[0] != fuzz.mutant(124)[0]
    assert fuzz.mutant(5, "csv")[0] == "csv"
    data = b"0123456789" * 20
    assert len({fuzz.mutate(data, random.Random(number), b"other" * 50) for number in range(200)}) > 150
    assert all(isinstance(fuzz.mutate(b"", random.Random(number)), bytes) for number in range(200))


@pytest.mark.parametrize(
    ("ending", "trouble"),
    [
        ("os.kill(os.getpid(), signal.SIGSEGV)", "SIGSEGV"),
        ("os.kill(os.getpid(), signal.SIGALRM)", "longer than 5 s"),
        ("os._exit(7)", "ended with 7"),
        ("print('end', first, 'finding: ValueError: x', flush=True); os._exit(0)", "ValueError: x"),
    ],
)
def test_every_kind_of_trouble_is_found(fuzz: ModuleType, ending: str, trouble: str) -> None:
    program = f"import os, signal, sys; first = sys.argv[2]; print('start', first, flush=True); {ending}"
    findings, _ = fuzz.hunt(1, first=41, command=[sys.executable, "-c", program])
    assert [finding.number for finding in findings] == [41]
    assert trouble in findings[0].trouble


def test_files_outside_the_destination_are_seen(fuzz: ModuleType, tmp_path: Path) -> None:
    inside = tmp_path / "deep" / "inside" / "destination"
    inside.mkdir(parents=True)
    (inside / "fine.txt").touch()
    (tmp_path / "mutant.zip").touch()
    assert fuzz._strangers(tmp_path, tmp_path / "mutant.zip") == []
    (tmp_path / "deep" / "escaped.txt").touch()
    assert fuzz._strangers(tmp_path, tmp_path / "mutant.zip") == ["deep/escaped.txt"]
