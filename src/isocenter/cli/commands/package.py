"""Make a model file of a finished run, or of an ONNX model that was trained elsewhere."""

from __future__ import annotations

from rich.console import Console

from isocenter.cli._command import Command
from isocenter.cli.commands._shared import show_runtimes
from isocenter.stages.package import PackageReport, package


def show(report: PackageReport, console: Console) -> None:
    """Where it lies, how it was understood, and which runtimes it may use."""
    console.print(f"Model: {report.model}", markup=False, style="bold")
    console.print(f"Task: {report.task}{': ' + ', '.join(report.classes) if report.classes else ''}", markup=False)
    for note in report.notes:
        console.print(note, markup=False)
    show_runtimes(report.runtimes, console)
    console.print(f"SHA-256: {report.digest}", markup=False)
    console.print(f"Next: isocenter predict {report.model} IMAGE --into DIR", markup=False)


COMMAND = Command(verb=package, show=show, document=lambda report: report.model_dump(mode="json"))
