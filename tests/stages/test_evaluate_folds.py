"""What an evaluation says where members were trained in folds, and of patients who share an image."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from evaluate_samples import brightness_model, squares
from isocenter.stages.evaluate import bench, evaluate, folder, results
from model_samples import tiny_recipe


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is drawn, neither pictures nor many patients."""
    monkeypatch.setattr(folder, "figures", lambda *_: {})
    monkeypatch.setattr(results, "_REPEATS", 20)


def test_in_folds_validation_cases_were_learned_from_and_read_by_single_members(tmp_path: Path) -> None:
    cohort, plain = squares(tmp_path / "squares"), tiny_recipe(classes=("clear", "bright"))
    folds = {
        "validation": plain.validation.model_copy(update={"design": "folds"}),
        "model": plain.model.model_copy(update={"members": 5}),
    }
    divided = brightness_model(tmp_path / "folds.isomodel", cohort=cohort, changes=folds)
    found = evaluate(divided, cohort=cohort, split="val")
    assert "has learned from these" in found.warnings[0]
    assert any("by the one member that had not seen it" in one for one in found.limits)
    usual = evaluate(brightness_model(tmp_path / "split.isomodel", cohort=cohort), cohort=cohort, split="val")
    assert "helped to choose" in usual.warnings[0]
    assert not any("member" in one for one in usual.limits)


def test_intervals_are_drawn_by_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cohort = squares(tmp_path / "squares")
    monkeypatch.setattr(bench, "blocks_of", lambda cases: np.arange(len(cases)) // 4)
    found = evaluate(brightness_model(tmp_path / "m.isomodel", cohort=cohort), cohort=cohort)
    assert found.patients == 8
    (accuracy,) = [one for one in found.metrics if one.name == "accuracy"]
    assert accuracy.method == "Wilson interval over 4 patients"
