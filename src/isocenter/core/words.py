"""Sentences and numbers for people, in the reader's language."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import Any

LANGUAGES = ("en", "zh")


def language(wanted: str | None = None) -> str:
    """The language to speak: the one asked for, else the machine's, else English."""
    for candidate in (wanted, os.environ.get("LC_ALL"), os.environ.get("LC_MESSAGES"), os.environ.get("LANG")):
        if candidate:
            return "zh" if candidate.lower().startswith("zh") else "en"
    return "en"


def say(key: str, lang: str = "en", /, **values: Any) -> str:
    """A sentence of `locales/LANG.toml` with its values filled in; `key` is `section.name`."""
    section, name = key.split(".", 1)
    return str(_sentences(lang)[section][name]).format(**values)


@cache
def _sentences(lang: str) -> dict[str, dict[str, str]]:
    text = files("isocenter.locales").joinpath(f"{lang}.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


def counted(count: int, singular: str, plural: str | None = None) -> str:
    """`1 case`, `2,000 cases`."""
    return f"{count:,} {singular if count == 1 else plural or singular + 's'}"


def listed(names: Sequence[str], *, most: int = 8) -> str:
    """`a, b and c`; a long list ends with how many more there are."""
    if len(names) > most:
        return f"{', '.join(names[:most])} and {len(names) - most} more"
    if len(names) > 1:
        return f"{', '.join(names[:-1])} and {names[-1]}"
    return "".join(names)


def separated(given: Any) -> tuple[str, ...]:
    """Names that were given one by one, or several at a time with commas between them."""
    several = [given] if isinstance(given, str) else given or ()
    return tuple(name.strip() for one in several for name in str(one).split(",") if name.strip())


def sized(count: float) -> str:
    """Bytes as `3.2 MB`."""
    for unit in ("B", "kB", "MB", "GB"):
        if abs(count) < 1000 or unit == "GB":
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    raise AssertionError("the loop ends at GB")
