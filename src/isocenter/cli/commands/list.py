"""List what Isocenter knows: formats, layouts, tasks, models, metrics, explainers and others."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from isocenter.cli._command import Command
from isocenter.stages.list import Shelves, list_kinds


def show(result: Shelves, console: Console) -> None:
    """A table for each shelf."""
    for kind, entries in result.kinds.items():
        console.print(kind, style="bold")
        table = Table(box=None, show_header=False, pad_edge=False)
        for entry in entries:
            table.add_row(f"  {entry.name}", entry.blurb)
        console.print(table)


COMMAND = Command(verb=list_kinds, show=show, document=lambda result: result.model_dump(mode="json"))
