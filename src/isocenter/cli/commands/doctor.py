"""Say what this machine and this installation can do, and what is missing."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from isocenter.cli._command import Command
from isocenter.stages.doctor import Examination, doctor

_MARKS = {"good": "[green]ok[/]", "missing": "[yellow]not installed[/]", "bad": "[red]trouble[/]"}


def show(result: Examination, console: Console) -> None:
    """A row for each thing looked at."""
    console.print(f"Isocenter {result.isocenter}", style="bold")
    table = Table(box=None, show_header=False, pad_edge=False)
    for finding in result.findings:
        table.add_row(_MARKS[finding.state], finding.what, finding.detail, finding.remedy)
    console.print(table)
    console.print("All is well." if result.healthy else "Something needs attention: see the rows marked trouble.")


COMMAND = Command(
    verb=doctor,
    show=show,
    document=lambda result: result.model_dump(mode="json"),
    failed=lambda result: not result.healthy,
)
