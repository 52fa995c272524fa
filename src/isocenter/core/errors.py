"""Everything that Isocenter refuses, as one tree.

    IsocenterError            the family: a face prints it as one message and exits with 1
    ├── UsageError            asked in a way that cannot be meant: exits with 2
    │   └── UnknownName       a name that no plug-in carries; names the nearest one
    ├── Unreadable            one file cannot be read: a batch writes it down and goes on
    │   └── GeometryRefused   its pixels are there, its place in space is not sound: may be resampled on request
    ├── OpenQuestion          the one thing that cannot be known from the files: the user answers with an option
    ├── CohortProblem         a cohort folder is missing, damaged, or of another version
    ├── StorageProblem        the disk is full, read-only or held by someone else: nothing was lost, try again
    └── MissingExtra          an optional package is not installed; names the command that installs it

A class exists only where a caller acts differently. Every message says what, why and what to do next.
"""

from __future__ import annotations

from functools import partial
from typing import Any


class IsocenterError(Exception):
    """Something was refused; the text says what, why, and what to do next."""

    exit_code = 1

    def __init__(self, what: str, *, why: str = "", remedy: str = "") -> None:
        super().__init__(what, why, remedy)
        self.what = what
        self.why = why
        self.remedy = remedy

    def __reduce__(self) -> tuple[Any, ...]:
        """How it crosses to another process, which would otherwise lose the words after the first."""
        return partial(type(self), self.what, why=self.why, remedy=self.remedy), ()

    def __str__(self) -> str:
        reason = f"{self.what}: {self.why}" if self.why else self.what
        sentences = [_sentence(part) for part in (reason, self.remedy) if part]
        return " ".join(sentences)

    @property
    def reason(self) -> str:
        """The message without the subject, for a table whose first column is already the subject."""
        return " ".join(_sentence(part) for part in (self.why or self.what, self.remedy) if part)


class UsageError(IsocenterError):
    """Asked in a way that cannot be meant."""

    exit_code = 2


class UnknownName(UsageError):
    """A name that no plug-in carries."""


class Unreadable(IsocenterError):
    """One file cannot be read; the batch goes on without it."""


class GeometryRefused(Unreadable):
    """The pixels can be read, but where they lie in the patient is not sound."""


class OpenQuestion(IsocenterError):
    """The one thing that the files do not tell; answered with an option."""


class CohortProblem(IsocenterError):
    """A cohort folder is missing, damaged, or written by another version."""


class StorageProblem(IsocenterError):
    """The disk is full, read-only, or held by another process; nothing was lost."""


class MissingExtra(IsocenterError):
    """An optional package is needed and not installed."""


def _sentence(text: str) -> str:
    text = text.strip()
    return text if text.endswith((".", "!", "?", ":")) else f"{text}."
