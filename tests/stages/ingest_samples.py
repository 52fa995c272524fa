"""Pictures and a fixture that the tests of ingest share."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image as Picture

from isocenter.core.cohort import Cohort, IngestReport


def picture(path: Path, seed: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Picture.fromarray(np.random.default_rng(seed).integers(0, 255, (12, 10), dtype=np.uint8)).save(path)
    return path


def two_classes(root: Path) -> Path:
    """Twelve pictures of two classes."""
    for number in range(12):
        picture(root / ("benign" if number % 2 else "malignant") / f"p{number:02}.png", number)
    return root


def report(cohort: Cohort) -> IngestReport:
    assert cohort.report is not None
    return cohort.report
