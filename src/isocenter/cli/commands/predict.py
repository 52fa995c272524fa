"""Read new cases with a model: findings, probabilities, warnings, and what was refused and why."""

from __future__ import annotations

from rich.console import Console

from isocenter.cli._command import Command
from isocenter.cli.commands._shared import show_readings
from isocenter.core.reading import Readings
from isocenter.stages.predict import predict


def show(result: Readings, console: Console) -> None:
    """A table of the cases, and every refusal with its reason."""
    show_readings(result, console, all_of_them="`--into DIR` writes them all")


COMMAND = Command(
    verb=predict,
    show=show,
    document=lambda result: result.model_dump(mode="json"),
    failed=lambda result: not result.readings,
)
