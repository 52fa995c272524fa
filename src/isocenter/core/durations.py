"""Lengths of time as people write them: `90s`, `10m`, `1h30m`."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator

from isocenter.core.errors import UsageError

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_WHOLE = re.compile(r"(?:\d+(?:\.\d+)?[smhd])+")
_PART = re.compile(r"(\d+(?:\.\d+)?)([smhd])")


def seconds_of(text: str) -> float:
    """The seconds of `90s`, `10m`, `1h30m`; a bare number is refused because its unit would be a guess."""
    plain = text.strip().lower().replace(" ", "")
    if not _WHOLE.fullmatch(plain):
        raise UsageError(f"A length of time must be written like 90s, 10m or 1h30m, got `{text}`")
    total = sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(plain))
    if total <= 0:
        raise UsageError(f"A length of time must be longer than nothing, got `{text}`")
    return total


def lasting(seconds: float) -> str:
    """A length of time in the words of a person in a hurry."""
    whole = round(seconds)
    if whole < 60:
        return f"{max(whole, 1)} s"
    if whole < 3600:
        minutes, rest = divmod(whole, 60)
        return f"{minutes} min {rest} s" if minutes < 10 and rest else f"{round(whole / 60)} min"
    hours, rest = divmod(whole, 3600)
    return f"{hours} h {rest // 60} min"


def _checked(text: str) -> str:
    try:
        seconds_of(text)
    except UsageError as error:
        raise ValueError(error.what) from error
    return text


Duration = Annotated[str, AfterValidator(_checked)]
"""A length of time in a settings model."""
