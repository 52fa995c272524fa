"""The shelf of one kind of thing is its folder: one file is one thing, found by its file name.

Nothing is decorated or listed by hand. Third parties add through an entry-point group that carries the dotted
name of the folder.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable
from difflib import get_close_matches
from functools import cache
from importlib import import_module, metadata
from importlib.util import find_spec
from pathlib import Path
from pkgutil import iter_modules
from types import ModuleType
from typing import Any

from isocenter.core.errors import UnknownName


def names(shelf: ModuleType) -> list[str]:
    """What stands on a shelf, in alphabetical order."""
    return sorted({*_own(tuple(shelf.__path__)), *_foreign(shelf)})


def blurb(shelf: ModuleType, name: str) -> str:
    """The first line of a plug-in's docstring, read from its text without running it."""
    source = _source(shelf, name)
    docstring = ast.get_docstring(ast.parse(source.read_text(encoding="utf-8"))) if source else None
    return docstring.splitlines()[0] if docstring else ""


def get(shelf: ModuleType, name: str, public: str | None = None) -> Any:
    """The thing itself: the module's one fixed public name, such as `FORMAT` in `formats`."""
    if name not in names(shelf):
        raise unknown(_kind(shelf), name, names(shelf))
    foreign = _foreign(shelf)
    if name in foreign:
        return foreign[name].load()
    module = import_module(f"{shelf.__name__}.{name}")
    return getattr(module, public or _kind(shelf).upper())


def unknown(kind: str, name: str, known: Iterable[str]) -> UnknownName:
    """The answer to a name that nobody carries: the nearest known one, and all of them."""
    choices = list(known)
    by_lower = {choice.lower(): choice for choice in choices}
    near = get_close_matches(name.lower(), by_lower, n=1)
    guess = f"Did you mean `{by_lower[near[0]]}`? " if near else ""
    return UnknownName(
        f"There is no {kind.replace('_', ' ')} named `{name}`",
        remedy=f"{guess}Known: {', '.join(choices) or 'none'}",
    )


def _kind(shelf: ModuleType) -> str:
    return shelf.__name__.rsplit(".", 1)[-1].removesuffix("s")


@cache
def _own(folders: tuple[str, ...]) -> tuple[str, ...]:
    """The files of a shelf, listed once: a format is asked for again with every image."""
    return tuple(module.name for module in iter_modules(folders) if not module.name.startswith("_"))


def _foreign(shelf: ModuleType) -> dict[str, metadata.EntryPoint]:
    return _installed(shelf.__name__)


@cache
def _installed(group: str) -> dict[str, metadata.EntryPoint]:
    """Entry points stay as they are while a program runs, and listing them takes long enough to be felt."""
    return {point.name: point for point in metadata.entry_points(group=group)}


def _source(shelf: ModuleType, name: str) -> Path | None:
    for folder in shelf.__path__:
        for candidate in (Path(folder, f"{name}.py"), Path(folder, name, "__init__.py")):
            if candidate.is_file():
                return candidate
    point = _foreign(shelf).get(name)
    spec = find_spec(point.module) if point else None
    return Path(spec.origin) if spec and spec.origin else None
