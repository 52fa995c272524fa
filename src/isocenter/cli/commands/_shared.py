"""What several commands print alike."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from isocenter.core.cohort import Refusal
from isocenter.core.reading import ClassFinding, Finding, Measure, Reading, Readings
from isocenter.core.run import CURVES, EVIDENCE, LOG_FILE
from isocenter.core.words import counted
from isocenter.drawing.terminal import bars

if TYPE_CHECKING:
    from isocenter.delivery.modelfile.package import RuntimeChoice

MOST_REASONS = 12
MOST_CLASSES = 20
MOST_CASES = 40
MOST_FINDINGS = 6
MOST_REFUSED = 12


def show_refusals(refused: Sequence[Refusal], console: Console) -> None:
    """Every reason with how often it was given, and the first files of each."""
    if not refused:
        return
    console.print(f"Not taken: {counted(len(refused), 'file')}", style="bold", markup=False)
    reasons = Counter(refusal.reason for refusal in refused)
    for reason, count in reasons.most_common(MOST_REASONS):
        first = next(refusal.path for refusal in refused if refusal.reason == reason)
        more = f" and {count - 1:,} more" if count > 1 else ""
        console.print(f"  {first}{more}: {reason}", markup=False)
    if len(reasons) > MOST_REASONS:
        console.print(f"  and {len(reasons) - MOST_REASONS} more reasons; `--json` lists every file", markup=False)


def show_measures(measures: Sequence[Measure], console: Console, *, title: str) -> None:
    """Numbers with their intervals and what they rest on."""
    if not measures:
        return
    table = Table(escape(title), "value", "95 % interval", "n", box=None, padding=(0, 2, 0, 0), header_style="bold")
    for one in measures:
        value = "-" if one.value is None else f"{one.value:.3f}"
        interval = "-" if one.low is None or one.high is None else f"{one.low:.3f} to {one.high:.3f}"
        table.add_row(one.name.replace("_", " "), value, interval, f"{one.n:,}")
    console.print(table)


def show_labels(labels: Mapping[str, Mapping[str, int]], splits: Mapping[str, int], console: Console) -> None:
    """The balance of each label, and the splits."""
    for name, classes in labels.items():
        console.print(f"Label {name}", style="bold", markup=False)
        shown = dict(sorted(classes.items(), key=lambda item: -item[1])[:MOST_CLASSES]) if classes else {"none": 0}
        console.print(bars(shown, width=min(console.width, 72)), markup=False)
        if len(classes) > MOST_CLASSES:
            console.print(f"and {len(classes) - MOST_CLASSES} more classes", markup=False)
    if splits:
        console.print("Splits: " + ", ".join(f"{name} {count:,}" for name, count in splits.items()))


def show_readings(result: Readings, console: Console, *, all_of_them: str) -> None:
    """A table of the cases, and every refusal with its reason; `all_of_them` says where the rest of many cases is."""
    if result.readings:
        table = Table(box=None, pad_edge=False)
        for title in ("Case", "Finding", "Probability", "Called"):
            table.add_column(title, justify="right" if title == "Probability" else "left")
        for reading in result.readings[:MOST_CASES]:
            _add(table, reading)
        console.print(table)
    if len(result.readings) > MOST_CASES:
        console.print(f"and {counted(len(result.readings) - MOST_CASES, 'more case')}; {all_of_them}", markup=False)
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
    findings = sorted(reading.findings, key=_weight)[:MOST_FINDINGS]
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


def show_runtimes(runtimes: Sequence[RuntimeChoice], console: Console) -> None:
    """A line for each program that may compute a model, the fastest first."""
    for one in runtimes:
        console.print(
            f"  {one.name} {one.precision}: {one.milliseconds:.2f} ms a case, differs by at most {one.difference:.1e}",
            markup=False,
        )


def show_course(entries: Sequence[Mapping[str, Any]], run: Path, console: Console) -> None:
    """How a training went by the lines of its log, as one word of columns, and where log and curves are."""
    # Other commands draw no curve, and are not to wait for what draws one.
    from isocenter.drawing.training import training_line

    line = training_line(entries)
    if line:
        console.print(f"How it went: {line}", markup=False)
    log, curves = run / LOG_FILE, run / EVIDENCE / CURVES
    if log.is_file():
        more = f"; curves: {curves}" if curves.is_file() else ""
        console.print(f"Log: {log}{more}", markup=False)
