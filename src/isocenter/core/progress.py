"""How far a long piece of work has come: the worker says it, a face shows it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol, TypeVar

Item = TypeVar("Item")


class Progress(Protocol):
    """Something that can be told how the work goes on."""

    def start(self, what: str, total: int | None = None) -> None:
        """A new piece of work begins; `total` steps of it are expected."""

    def advance(self, steps: int = 1) -> None:
        """So many more steps are done."""

    def say(self, message: str) -> None:
        """Something a person should read now."""


class Silent:
    """Tells nobody: the default from Python."""

    def start(self, what: str, total: int | None = None) -> None:
        """Nothing to show."""

    def advance(self, steps: int = 1) -> None:
        """Nothing to show."""

    def say(self, message: str) -> None:
        """Nothing to show."""


def tracked(items: Iterable[Item], progress: Progress, what: str, total: int | None = None) -> Iterator[Item]:
    """Walk through `items` and say each step."""
    progress.start(what, total)
    for item in items:
        yield item
        progress.advance()
