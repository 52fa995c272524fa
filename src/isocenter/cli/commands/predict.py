"""Read new cases with a model: findings, probabilities, warnings, and what was refused and why."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from isocenter.cli._command import Command
from isocenter.core.reading import ClassFinding, Finding, Reading, Readings
from isocenter.core.words import counted
from isocenter.stages.predict import predict

MOST_CASES = 40
MOST_CLASSES = 6
MOST_REFUSED = 12


def show(result: Readings, console: Console) -> None:
    """A table of the cases, and every refusal with its reason."""
    if result.readings:
        table = Table(box=None, pad_edge=False)
        for title in ("Case", "Finding", "Probability", "Called"):
            table.add_column(title, justify="right" if title == "Probability" else "left")
        for reading in result.readings[:MOST_CASES]:
            _add(table, reading)
        console.print(table)
    if len(result.readings) > MOST_CASES:
        console.print(f"and {counted(len(result.readings) - MOST_CASES, 'more case')}; `--into DIR` writes them all")
    for reading in result.readings[:MOST_CASES]:
        for warning in reading.warnings:
            console.print(f"{reading.case}: {warning}", markup=False)
    for one in result.refused[:MOST_REFUSED]:
        console.print(f"Refused: {one.source}: {one.reason}", markup=False)
    if len(result.refused) > MOST_REFUSED:
        console.print(f"and {len(result.refused) - MOST_REFUSED} more refused; `--json` lists every one")
    cases = counted(len(result.readings), "case")
    console.print(f"{cases} read with {result.runtime} in {result.seconds:.2f} s", markup=False)


def _add(table: Table, reading: Reading) -> None:
    """A row for each finding, the called and the likelier ones first."""
    if reading.abstained:
        table.add_row(Text(reading.case), Text(f"no answer: {reading.reason}"), "", "")
        return
    findings = sorted(reading.findings, key=_weight)[:MOST_CLASSES]
    for place, finding in enumerate(findings):
        case = Text(reading.case) if place == 0 else ""
        if isinstance(finding, ClassFinding):
            mark = "yes" if finding.called else ""
            table.add_row(case, Text(finding.label), f"{finding.probability:.3f}", mark)
        else:
            table.add_row(case, Text(f"{finding.label} {finding.value:.4g} {finding.unit or ''}".rstrip()), "", "")


def _weight(finding: Finding) -> tuple[bool, float]:
    if isinstance(finding, ClassFinding):
        return not finding.called, -finding.probability
    return False, 0.0


COMMAND = Command(
    verb=predict,
    show=show,
    document=lambda result: result.model_dump(mode="json"),
    failed=lambda result: not result.readings,
)
