"""The examination tells what is there, what is missing with the command that adds it, and what ails a cohort."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Picture

import isocenter as iso
from isocenter.core.errors import UnknownName
from isocenter.core.fingerprint import Machine
from isocenter.core.optional import EXTRAS
from isocenter.stages import doctor as stage
from isocenter.stages.list import KINDS, list_kinds


def test_a_sound_installation_is_healthy_and_every_extra_is_named() -> None:
    result = iso.doctor()
    assert result.healthy
    assert {f"extra `{extra}`" for extra, _ in EXTRAS.values()} <= {one.what for one in result.findings}


def test_the_machine_is_told_as_a_training_will_find_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stage, "machine", lambda: Machine(cores=3, free_memory=5 * 10**9, bf16=True))
    told = {one.what: one.detail for one in iso.doctor().findings}
    assert (told["processors"], told["memory"]) == ("3 cores, with bf16", "5.0 GB free")


def test_what_is_missing_comes_with_its_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stage, "present", lambda module: False)
    missing = [one for one in iso.doctor().findings if one.state == "missing"]
    assert len(missing) == len(EXTRAS)
    assert all(one.remedy.startswith('pip install "isocenter[') for one in missing)


def test_a_broken_installation_and_a_full_machine_are_trouble(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stage, "version", lambda name: None)
    monkeypatch.setattr(stage, "LITTLE_DISK", 10**18)
    monkeypatch.setattr(stage, "LITTLE_MEMORY", 10**18)
    bad = {one.what for one in iso.doctor().findings if one.state == "bad"}
    assert {"disk", "memory", "numpy"} <= bad


def test_a_cohort_is_examined(tmp_path: Path) -> None:
    for number in range(4):
        (tmp_path / "scans").mkdir(exist_ok=True)
        Picture.fromarray(np.full((4, 4), number, np.uint8)).save(tmp_path / "scans" / f"{number}.png")
    iso.ingest(tmp_path / "scans", into=tmp_path / "cohort")
    assert iso.doctor(tmp_path / "cohort").healthy
    (tmp_path / "scans" / "2.png").unlink()
    result = iso.doctor(tmp_path / "cohort")
    assert not result.healthy
    assert "2.png" in result.findings[-1].detail
    assert not iso.doctor(tmp_path / "nowhere").healthy


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_shelf_is_listed_with_a_word_on_each(kind: str) -> None:
    entries = list_kinds(kind).kinds[kind]
    assert entries
    assert all(entry.blurb for entry in entries)


def test_an_unknown_shelf_is_answered_with_the_nearest() -> None:
    assert set(list_kinds().kinds) == set(KINDS)
    with pytest.raises(UnknownName, match="formats"):
        list_kinds("format")


def test_the_remedy_for_a_cohort_is_told_once(tmp_path: Path) -> None:
    finding = iso.doctor(tmp_path / "nowhere").findings[-1]
    assert finding.remedy
    assert finding.remedy not in finding.detail
