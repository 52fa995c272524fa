"""Judge a model on cases that it has not seen: numbers with intervals, curves, mistakes, and a report."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from isocenter.cli._command import Command
from isocenter.core.reading import Measure
from isocenter.core.words import counted
from isocenter.delivery.reports.evaluation import interval, short_name, split_name, valued
from isocenter.stages.evaluate import Confusion, Evaluation, evaluate

MOST_CLASSES = 8
"""A larger confusion matrix does not fit a terminal; it is in the report."""
BY_CLASS = ("sensitivity", "precision", "auroc")


def show(result: Evaluation, console: Console) -> None:
    """The look, the measures with their intervals, the matrix, and what a person should know."""
    split = split_name(result.split)
    console.print(f"{result.model} judged on {result.cohort}, {split} split", style="bold", markup=False)
    who = f"{counted(result.cases, 'case')} of {counted(result.patients, 'patient')}"
    console.print(f"{who}; look {result.look} at this {split} split", markup=False)
    for warning in result.warnings:
        console.print(Text(f"Warning: {warning}", style="yellow"))
    console.print()
    console.print(_measures(result.metrics, result.validation))
    if result.confusion and len(result.confusion.classes) <= MOST_CLASSES:
        console.print()
        console.print(_matrix(result.confusion))
    if len(result.per_class) > 2:
        console.print()
        console.print(_per_class(result))
    _points(result, console)
    for reason, count in result.left_out.items():
        console.print(f"Left out: {counted(count, 'case')}: {reason}", markup=False)
    console.print(f"\nReport  {result.report}", markup=False)


def _measures(metrics: Sequence[Measure], validation: Sequence[Measure]) -> Table:
    before = {one.name: one for one in validation}
    table = Table(box=None, pad_edge=False)
    table.add_column("Measure", no_wrap=True)
    for title in ("Value", "95 % interval", "Cases", *(["Validation"] if before else [])):
        table.add_column(title, justify="right", no_wrap=True)
    for one in metrics:
        row: list[Text | str] = [Text(short_name(one.name)), valued(one.value, one.unit), interval(one), f"{one.n:,}"]
        if before:
            row.append(valued(before[one.name].value, one.unit) if one.name in before else "")
        table.add_row(*row)
    return table


def _matrix(confusion: Confusion) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("True \\ called")
    for name in confusion.classes:
        table.add_column(Text(name), justify="right")
    for place, (name, counts) in enumerate(zip(confusion.classes, confusion.counts, strict=True)):
        cells = [Text(f"{count:,}", style="bold" if place == column else "") for column, count in enumerate(counts)]
        table.add_row(Text(name), *cells)
    return table


def _per_class(result: Evaluation) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("Class against the rest")
    for name in BY_CLASS:
        table.add_column(short_name(name), justify="right", no_wrap=True)
    for name, measures in result.per_class.items():
        known = {one.name: one for one in measures}
        cells = [f"{valued(known[one].value)} ({interval(known[one])})" if one in known else "" for one in BY_CLASS]
        table.add_row(Text(name), *cells)
    return table


def _points(result: Evaluation, console: Console) -> None:
    for name, threshold in result.thresholds.items():
        known = {one.name: one for one in result.per_class.get(name, [])}
        said = [
            f"{one} {valued(known[one].value)} ({interval(known[one])})"
            for one in ("sensitivity", "specificity")
            if one in known
        ]
        console.print(f"{name} is called from {threshold:.3f} on: {', '.join(said)}", markup=False)


COMMAND = Command(verb=evaluate, show=show, document=lambda result: result.model_dump(mode="json"))
