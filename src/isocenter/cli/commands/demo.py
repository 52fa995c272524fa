"""The whole path on built-in phantom scans; ends with a page to open."""

from __future__ import annotations

from rich.console import Console

from isocenter.cli._command import Command
from isocenter.cli.commands._shared import show_labels
from isocenter.core.words import counted
from isocenter.workflows.demo import Demonstration, demo


def show(result: Demonstration, console: Console) -> None:
    """What was made, and how to go on."""
    report = result.report
    console.print(f"{counted(report.cases, 'phantom scan')} of {counted(report.patients, 'patient')}", style="bold")
    show_labels(report.labels, report.splits, console)
    console.print()
    console.print(f"Open  {result.pages[0]}    (中文: {result.pages[-1]})", markup=False)
    console.print("Go on with", markup=False)
    console.print(f"  isocenter show {result.cohort}", markup=False)
    console.print(f"  isocenter convert {result.scans} --into nifti", markup=False)
    console.print("  isocenter ingest YOUR-FOLDER --into my-cohort --dry-run", markup=False)


COMMAND = Command(verb=demo, show=show, document=lambda result: result.model_dump(mode="json"))
