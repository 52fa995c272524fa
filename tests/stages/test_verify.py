"""Verify: every member with its state, and a file that is no longer whole."""

from __future__ import annotations

from pathlib import Path

import pytest

import isocenter
from isocenter.core.errors import UsageError
from model_samples import tiny_model


def test_a_sound_file_is_sound(tmp_path: Path) -> None:
    found = isocenter.verify(tiny_model(tmp_path / "tiny.isomodel"))
    assert found.sound
    assert found.name == "tiny"
    assert {member.name for member in found.members} >= {"graph.onnx", "manifest.json", "recipe.yaml"}
    assert all(member.sound and len(member.sha256) == 64 for member in found.members)


def test_a_run_stands_for_its_model(tmp_path: Path) -> None:
    tiny_model(tmp_path / "model.isomodel")
    assert isocenter.verify(tmp_path).sound


def test_a_damaged_file_is_told(tmp_path: Path) -> None:
    path = tiny_model(tmp_path / "tiny.isomodel")
    path.write_bytes(path.read_bytes()[:-30])
    found = isocenter.verify(path)
    assert not found.sound
    assert found.problem
    assert len(found.digest) == 64


def test_no_file_is_no_finding(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="There is no model"):
        isocenter.verify(tmp_path / "nowhere.isomodel")
