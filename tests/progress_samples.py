"""A progress that remembers what it was told."""

from __future__ import annotations

from isocenter.core.progress import Silent


class Told(Silent):
    """Keeps what was said."""

    def __init__(self) -> None:
        self.messages: list[str] = []

    def say(self, message: str) -> None:
        self.messages.append(message)
