"""The whole path on built-in phantom scans; ends with a page to open."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from isocenter.cli._command import Command
from isocenter.cli.commands._shared import show_labels
from isocenter.core.words import counted, say
from isocenter.delivery.reports.evaluation import interval, short_name, valued
from isocenter.workflows.demo import Demonstration, demo

SHOWN = ("auroc", "sensitivity", "specificity")


def show(result: Demonstration, console: Console) -> None:
    """What was made, how well it went, the three cases, and how to go on."""
    report, judged = result.report, result.evaluation
    console.print(f"{counted(report.cases, 'phantom scan')} of {counted(report.patients, 'patient')}", style="bold")
    show_labels(report.labels, report.splits, console)
    console.print()
    console.print(f"The model on {counted(judged.cases, 'test case')} that it had not seen", style="bold")
    for one in judged.metrics:
        if one.name in SHOWN:
            console.print(f"{short_name(one.name):<26}{valued(one.value)}  ({interval(one)})", markup=False)
    console.print()
    console.print("Three readings, explained", style="bold")
    for example in result.examples:
        said = f"true {example.truth}, called {example.called}, {example.asked} {example.likelihood}"
        console.print(Text(f"{example.kind:<11}{said}  {example.pictures['en']}"))
    for kind in result.missing:
        console.print(say(f"demo.no_{kind}"), markup=False)
    console.print()
    console.print(f"Open  {result.pages[0]}    (中文: {result.pages[-1]})", markup=False)
    console.print("Go on with", markup=False)
    console.print(f"  isocenter predict {result.model} {result.examples[0].source}", markup=False)
    console.print(f"  isocenter show {result.cohort}", markup=False)
    console.print("  isocenter ingest YOUR-FOLDER --into my-cohort --dry-run", markup=False)


COMMAND = Command(verb=demo, show=show, document=lambda result: result.model_dump(mode="json"))
