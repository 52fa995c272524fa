"""Check that a model file is whole and unchanged, member by member."""

from __future__ import annotations

from rich.console import Console

from isocenter.cli._command import Command
from isocenter.core.words import sized
from isocenter.stages.verify import Verification, verify


def show(result: Verification, console: Console) -> None:
    """A line for each member with a check mark or a cross."""
    if result.name:
        console.print(f"{result.name}, made {result.made} with Isocenter {result.program}", markup=False, style="bold")
    for member in result.members:
        mark = "✓" if member.sound else "✗"
        console.print(f"  {mark} {member.name}  {sized(member.size)}  {member.sha256[:12]}", markup=False)
    console.print(f"SHA-256 of the file: {result.digest}", markup=False)
    console.print("Sound: every member is as it was written." if result.sound else f"Damaged: {result.problem}")


COMMAND = Command(
    verb=verify,
    show=show,
    document=lambda result: result.model_dump(mode="json"),
    failed=lambda result: not result.sound,
)
