"""Readings that were written down: the same as `predict` says at once."""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from isocenter.core.errors import Unreadable
from isocenter.core.reading import Readings


def read(path: Path) -> Readings:
    """The readings of a file, as `predict --into DIR` or `predict --json` writes them."""
    try:
        return Readings.model_validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        why = f"`{place}`: {first['msg']}" if place else first["msg"]
        remedy = "Give the readings.json that `isocenter predict MODEL IMAGE --into DIR` writes, or its folder"
        raise Unreadable(f"{path} holds no readings", why=why, remedy=remedy) from error
