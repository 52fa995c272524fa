"""Show what a reading rests on: a map over the image, in words, and put to a test."""

from __future__ import annotations

from rich.console import Console

from isocenter.cli._command import Command
from isocenter.stages.explain import Explanation, explain


def show(result: Explanation, console: Console) -> None:
    """What is explained, the sentences, and where the pictures are."""
    score = f"{result.probability:.3f}" if result.probability is not None else f"{result.value:.4g}"
    console.print(f"{result.case}: {result.label} {score} ({result.method})", style="bold", markup=False)
    for sentence in result.words:
        console.print(sentence, markup=False)
    for warning in result.warnings:
        console.print(f"Note: {warning}", markup=False)
    for path in result.files.values():
        console.print(f"Written: {path}", markup=False)
    if not result.files:
        console.print("Add `--into FOLDER` for the picture and the map.", markup=False)


COMMAND = Command(verb=explain, show=show, document=lambda result: result.model_dump(mode="json", exclude_none=True))
