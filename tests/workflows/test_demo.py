"""The demonstration makes scans, a cohort and pages, twice the same, and leaves other people's folders alone."""

from __future__ import annotations

from pathlib import Path

import pytest

import isocenter as iso
from isocenter.core.errors import UsageError


def test_the_demonstration_ends_with_pages_and_can_be_repeated(tmp_path: Path) -> None:
    first = iso.demo(tmp_path / "demo", patients=4)
    assert first.report.labels == {"class": {"clear": 2, "nodule": 2}}
    assert first.report.refused == []
    assert all(Path(page).is_file() for page in first.pages)
    again = iso.demo(tmp_path / "demo", patients=4)
    assert again.report.added == 0
    assert again.summary.cases == 4


def test_somebody_elses_folder_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.doc").touch()
    with pytest.raises(UsageError, match="holds other things"):
        iso.demo(tmp_path)
