"""What a person sees: results on stdout, progress and log on stderr, one JSON document where a program asked."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from isocenter.core.errors import IsocenterError

if TYPE_CHECKING:
    # Rich takes a while to load, and `isocenter --help` draws nothing.
    from rich.console import Console
    from rich.progress import TaskID


class Shown:
    """Progress drawn on stderr; a log line each where stderr is a file."""

    def __init__(self, console: Console) -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        self._console = console
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=30),
            MofNCompleteColumn(),
            TimeRemainingColumn(compact=True, elapsed_when_finished=True),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task: TaskID | None = None

    def start(self, what: str, total: int | None = None) -> None:
        """A new piece of work begins."""
        if self._task is not None:
            self._bar.remove_task(self._task)
        self._task = self._bar.add_task(what, total=total)

    def advance(self, steps: int = 1) -> None:
        """So many more steps are done."""
        if self._task is not None:
            self._bar.advance(self._task, steps)

    def say(self, message: str) -> None:
        """Something a person should read now."""
        self._console.print(message, markup=False, highlight=False, soft_wrap=True)

    @contextmanager
    def running(self) -> Iterator[Shown]:
        """Draw while the block runs."""
        with self._bar:
            yield self


def output() -> Console:
    """Where results go."""
    from rich.console import Console

    return Console(file=sys.stdout, highlight=False, soft_wrap=not sys.stdout.isatty())


def log() -> Console:
    """Where progress and messages go."""
    from rich.console import Console

    return Console(file=sys.stderr, highlight=False)


def print_json(document: Any) -> None:
    """Exactly one JSON document on stdout."""
    sys.stdout.write(json.dumps(document, ensure_ascii=False, indent=2) + "\n")


def print_error(error: IsocenterError, *, json_wanted: bool) -> None:
    """One message: what, why, what to do next."""
    if json_wanted:
        print_json({"error": {"what": error.what, "why": error.why, "remedy": error.remedy}})
    log().print(f"isocenter: {error}", markup=False, style="red", soft_wrap=True)
