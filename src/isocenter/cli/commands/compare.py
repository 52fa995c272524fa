"""Train several models on one cohort alike, and put how well they do and what they cost in one table."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from isocenter.cli._command import Command
from isocenter.workflows.compare import compare
from isocenter.workflows.compare.results import Comparison
from isocenter.workflows.compare.table import Grid, how_costly, how_well, notes


def show(result: Comparison, console: Console) -> None:
    """How well each model does, what it costs, what must be said of it, and where everything is."""
    title = f"Models for {result.label}, compared on {result.cohort_name}"
    console.print(title, style="bold", markup=False)
    for grid in (how_well(result), how_costly(result)):
        console.print(_table(grid, result), soft_wrap=False)
        console.print()
    for note in notes(result):
        console.print(note, markup=False)
    console.print(f"\nTable  {result.table}", markup=False)
    if result.picture:
        console.print(f"Picture  {result.picture}", markup=False)


def _table(grid: Grid, result: Comparison) -> Table:
    table = Table(box=None, pad_edge=False)
    for place, head in enumerate(grid[0]):
        table.add_column(Text(head), justify="right" if place else "left")
    for one, cells in zip(result.models, grid[1:], strict=True):
        table.add_row(*map(Text, cells), style="bold" if one.standing == "best" else "")
    return table


COMMAND = Command(
    verb=compare,
    show=show,
    document=lambda result: result.model_dump(mode="json"),
    failed=lambda result: all(one.state == "failed" for one in result.models),
)
