"""Why a plan decided as it did: a sentence for each decision."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class Reasons:
    """Why, by the dotted name of the decision."""

    given: dict[str, str] = field(default_factory=dict)

    def note(self, name: str, why: str) -> None:
        """Write a reason down."""
        self.given[name] = why
