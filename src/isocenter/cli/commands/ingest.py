"""Recognise a folder, archive or collection of images and catalogue it as a cohort."""

from __future__ import annotations

from rich.console import Console

from isocenter.cli._command import Command
from isocenter.cli.commands._shared import show_labels, show_refusals
from isocenter.core.cohort import Cohort, IngestReport
from isocenter.core.words import counted
from isocenter.stages.ingest import ingest


def _report(cohort: Cohort) -> IngestReport:
    assert cohort.report is not None
    return cohort.report


def show(cohort: Cohort, console: Console) -> None:
    """The counts, the labels and splits, and what was refused."""
    report = _report(cohort)
    head = "Would be catalogued" if report.dry_run else "Cohort"
    counts = [counted(report.cases, "case"), counted(report.patients, "patient"), counted(report.images, "image")]
    console.print(f"{head} {cohort.name}: {', '.join(counts)}", markup=False, style="bold")
    console.print(f"Layout: {report.layout or 'none recognised'}", markup=False)
    show_labels(report.labels, report.splits, console)
    _show_changes(report, console)
    show_refusals(report.refused, console)
    if not report.dry_run:
        console.print(f"Next: isocenter show {report.cohort}", markup=False)


def _show_changes(report: IngestReport, console: Console) -> None:
    changes = {"new": report.added, "changed": report.changed, "gone": report.gone, "as before": report.unchanged}
    parts = [f"{count:,} {what}" for what, count in changes.items() if count]
    console.print(f"Files: {', '.join(parts) or 'none'}; {report.seconds:.1f} s", markup=False)


COMMAND = Command(verb=ingest, show=show, document=lambda cohort: _report(cohort).model_dump(mode="json"))
