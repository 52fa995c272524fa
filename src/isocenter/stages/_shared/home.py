"""Where a model comes from, as its run on this machine knows it; a model file itself names no folder and no person."""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from isocenter.core.record import Record
from isocenter.core.run import RECORD_FILE
from isocenter.delivery.modelfile.package import Package


def home_of(model: Path, package: Package) -> Path | None:
    """The folder of the cohort that a model was trained on: from the record of the run beside it, if it is its own."""
    try:
        record = Record.model_validate_json((model.parent / RECORD_FILE).read_text(encoding="utf-8"))
    except (OSError, ValidationError, UnicodeDecodeError):
        return None
    same = (record.started, record.data) == (package.record.started, package.record.data)
    return Path(record.cohort) if same and record.cohort else None
