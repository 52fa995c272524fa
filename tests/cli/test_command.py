"""Options are made from settings, and what was not typed is left to their defaults."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Annotated, Literal

import click
import pytest
from pydantic import Field
from rich.console import Console

from isocenter.cli._command import given_values, parameters
from isocenter.cli.console import Shown
from isocenter.core.settings import Settings, Short, Subject


class EverySettings(Settings):
    """One field of each form."""

    source: Subject[tuple[Path, ...]] = Field(min_length=1)
    """Where from."""
    into: Path
    """Where to."""
    count: Annotated[int, Short("n")] = 0
    """How many."""
    share: float | None = None
    """Which part."""
    loud: bool = False
    """Whether to shout."""
    label: tuple[str, ...] = ()
    """Which columns."""
    long_name: str = "x"
    """A name of two words."""
    kind: Literal["a", "b"] = "a"
    """Which kind."""
    either: int | str | None = None
    """A number or a word."""


class OneSettings(Settings):
    """A subject that may be left out."""

    place: Subject[Path | None] = None
    """Where."""


def parsed(*arguments: str, settings: type[Settings] = EverySettings) -> dict[str, object]:
    """What is left to the settings of what was typed."""
    found: dict[str, object] = {}
    command = click.Command("every", params=parameters(settings), callback=lambda **values: found.update(values))
    command.main(args=list(arguments), standalone_mode=False)
    del found["json_wanted"], found["debug"]
    return given_values(settings, found)


def test_what_was_not_typed_is_left_out() -> None:
    assert parsed("a", "--into", "b") == {"source": ("a",), "into": "b"}
    assert parsed(settings=OneSettings) == {}
    assert parsed("a", settings=OneSettings) == {"place": "a"}


def test_every_form_of_field_is_an_option() -> None:
    typed = parsed(
        *("a", "b", "--into", "c", "-n", "0", "--share", "0.5", "--loud", "--label", "x", "--label", "y"),
        *("--long-name", "z", "--kind", "b", "--either", "7"),
    )
    assert typed == {
        "source": ("a", "b"),
        "into": "c",
        "count": 0,
        "share": 0.5,
        "loud": True,
        "label": ("x", "y"),
        "long_name": "z",
        "kind": "b",
        "either": "7",
    }
    assert EverySettings.model_validate(typed).source == (Path("a"), Path("b"))


def test_help_tells_meaning_and_default() -> None:
    helps = {one.name: one.help for one in parameters(EverySettings) if isinstance(one, click.Option)}
    assert helps["count"] == "How many. [default: 0]"
    assert helps["long_name"] == "A name of two words. [default: x]"
    assert helps["share"] == "Which part."
    assert helps["loud"] == "Whether to shout."
    assert helps["label"] == "Which columns."
    assert helps["into"] == "Where to."


@pytest.mark.parametrize("terminal", [True, False])
def test_progress_is_drawn_for_a_person_and_kept_from_a_file(terminal: bool) -> None:
    file = io.StringIO()
    console = Console(file=file, force_terminal=terminal, force_interactive=terminal, width=80, _environ={})
    shown = Shown(console)
    with shown.running():
        shown.advance()
        shown.start("Reading", 4)
        shown.advance(2)
        shown.start("Writing")
        shown.advance()
        shown.say("half [way]")
    said = file.getvalue()
    assert "half [way]" in said
    assert ("Writing" in said) is terminal
