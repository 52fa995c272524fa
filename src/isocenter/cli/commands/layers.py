"""Look inside a network: its layers and what they cost, how far it sees, its filters and its maps."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from isocenter.cli._command import Command
from isocenter.core.anatomy import Layer
from isocenter.core.words import counted, sized
from isocenter.drawing.layers import in_short
from isocenter.stages.layers import layers
from isocenter.stages.layers.results import LayersShown

WIDEST = 22
"""Letters of a name that stay in one line, however narrow the terminal is."""


def show(result: LayersShown, console: Console) -> None:
    """The layers as a table, what they come to, how far a place of the last map sees, and the pictures."""
    kind = f" ({result.network})" if result.network else ""
    console.print(f"{result.name}{kind}: {_times(result.input)} in", style="bold", markup=False)
    console.print(_table(result))
    resting = f", {result.resting:,} of which only help it to learn" if result.resting else ""
    console.print(
        f"In all: {counted(result.parameters, 'parameter')}{resting}; "
        f"{in_short(result.multiply_adds)} multiply-adds and {sized(result.megabytes * 1e6)} of outputs for a case",
        markup=False,
    )
    if result.sight is not None:
        for sentence in result.sight.words:
            console.print(sentence, markup=False)
    for note in result.notes:
        console.print(f"Note: {note}", markup=False)
    for path in result.files.values():
        console.print(f"Written: {path}", markup=False)
    if not result.files:
        console.print("Add `--into FOLDER` for pictures.", markup=False)


def _table(result: LayersShown) -> Table:
    """A row for each layer; how far its places see where that is known of any."""
    sighted = any(one.receptive_field is not None for one in result.layers)
    table = Table(box=None, padding=(0, 1, 0, 0))
    longest = max((len(one.name) for one in result.layers), default=0)
    table.add_column("layer", min_width=min(longest, WIDEST), overflow="fold")
    table.add_column("kind", overflow="fold")
    table.add_column("gives", no_wrap=True)
    for name in ("parameters", "multiply-\nadds", "memory", *(("sees", "every") if sighted else ())):
        table.add_column(name, justify="right", no_wrap=True)
    for one in result.layers:
        costs = (
            f"{one.parameters:,}" if one.parameters else "",
            in_short(one.multiply_adds) if one.multiply_adds else "",
            sized(one.megabytes * 1e6) if one.megabytes else "",
        )
        cells = (one.name, _kind(one), _times(one.output), *costs, *(_sees(one) if sighted else ()))
        table.add_row(*map(Text, cells))
    return table


def _kind(layer: Layer) -> str:
    """`Conv2d 3`, where its window is as long along every axis."""
    return f"{layer.kind} {_alike(layer.kernel)}".rstrip()


def _sees(layer: Layer) -> tuple[str, str]:
    """How many pixels a place sees along each axis, and how many lie between what two places see."""
    field = layer.receptive_field
    if field is None:
        return "", ""
    return _alike(["all" if one is None else one for one in field.size]), _alike([one or "" for one in field.stride])


def _alike(extents: Sequence[int | str]) -> str:
    """One number where all are alike."""
    return str(extents[0]) if len(set(extents)) == 1 else _times(extents)


def _times(extents: Sequence[int | str]) -> str:
    return "x".join(map(str, extents))


COMMAND = Command(verb=layers, show=show, document=lambda result: result.model_dump(mode="json"))
