"""Convert images from any format into any other, keeping their place in the patient."""

from __future__ import annotations

from rich.console import Console

from isocenter.cli._command import Command
from isocenter.cli.commands._shared import show_refusals
from isocenter.stages.convert import Conversion, convert


def show(result: Conversion, console: Console) -> None:
    """A line for each image written."""
    for one in result.written:
        size = "x".join(str(step) for step in one.shape)
        spacing = (
            "spacing unknown" if one.spacing is None else f"{' x '.join(f'{step:.4g}' for step in one.spacing)} mm"
        )
        place = one.files[0] if len(one.files) == 1 else f"{one.files[0]} and {len(one.files) - 1} more"
        console.print(f"{place}: {one.axes} {size}, {spacing}", markup=False)
        for note in one.notes:
            console.print(f"  {note}", markup=False)
    show_refusals(result.refused, console)


COMMAND = Command(verb=convert, show=show, document=lambda result: result.model_dump(mode="json"))
