"""Train a model on a labelled cohort and package it as one file."""

from __future__ import annotations

from rich.console import Console

from isocenter.cli._command import Command
from isocenter.cli.commands._shared import show_course, show_measures
from isocenter.core.durations import lasting
from isocenter.core.run import LOG_FILE, Run
from isocenter.learning.training.log import read_log
from isocenter.stages.train import train


def show(run: Run, console: Console) -> None:
    """What it came to on cases that were not learned from."""
    report = run.report
    assert report is not None
    console.print(f"Trained in {lasting(report.seconds)}: {report.model}", markup=False, style="bold")
    show_measures(report.metrics, console, title="On validation cases")
    for warning in report.warnings:
        console.print(f"Note: {warning}", markup=False)
    show_course(read_log(run.folder / LOG_FILE), run.folder, console)
    console.print(f"Next: isocenter evaluate {report.run}", markup=False)


def _document(run: Run) -> object:
    assert run.report is not None
    return run.report.model_dump(mode="json")


COMMAND = Command(verb=train, show=show, document=_document)
