"""Show a cohort, a folder or a file: counts, balance, sizes, spacings, and a picture of it all."""

from __future__ import annotations

from statistics import median

from rich.console import Console

from isocenter.cli._command import Command
from isocenter.cli.commands._shared import show_labels, show_refusals
from isocenter.core.words import counted
from isocenter.data.summary import Item, Summary
from isocenter.drawing.terminal import bars, sparkline
from isocenter.stages.show import show

MOST_ROWS = 6
MOST_ITEMS = 20


def show_summary(summary: Summary, console: Console) -> None:
    """The numbers as small charts."""
    parts = [counted(summary.images, "image")]
    if summary.patients:
        parts.append(counted(summary.patients, "patient"))
    if summary.kind == "cohort":
        parts.insert(0, counted(summary.cases, "case"))
    console.print(f"{summary.name} ({summary.kind}): {', '.join(parts)}", style="bold", markup=False)
    show_labels(summary.labels, summary.splits, console)
    if set(summary.readers) - {"reference"}:
        console.print("Readers: " + ", ".join(f"{name} {count:,}" for name, count in summary.readers.items()))
    _spread("Size", summary.sizes, summary.extents, "", console)
    _spread("Spacing", summary.spacings, summary.steps, " mm", console)
    charts = {
        "Modality": summary.modalities,
        "Device": summary.devices,
        "Format": summary.formats,
    }
    for title, counts in charts.items():
        _chart(title, counts, console)
    if summary.kind != "cohort":
        _items(summary.items, console)
    for note in summary.notes:
        console.print(f"Note: {note}", markup=False)
    show_refusals(summary.refused, console)
    for path in summary.files:
        console.print(f"Drawn: {path}", markup=False)


def _chart(title: str, counts: dict[str, int], console: Console) -> None:
    if not counts or set(counts) == {"not said"}:
        return
    shown = dict(list(counts.items())[:MOST_ROWS])
    rest = sum(counts.values()) - sum(shown.values())
    if rest:
        shown[f"{len(counts) - len(shown)} others"] = rest
    console.print(title, style="bold")
    console.print(bars(shown, width=min(console.width, 72)), markup=False)


def _spread(title: str, counts: dict[str, int], values: dict[str, list[float]], unit: str, console: Console) -> None:
    """A row for each size where there are few, else the spread along each axis."""
    if len(counts) <= MOST_ROWS:
        _chart(title, counts, console)
        return
    console.print(title, style="bold")
    for axis, numbers in values.items():
        if numbers:
            low, middle, high = min(numbers), median(numbers), max(numbers)
            line = f"{axis}  {low:.4g} to {high:.4g}{unit}, median {middle:.4g}  {sparkline(numbers)}"
            console.print(line, markup=False)
    if "unknown" in counts:
        console.print(f"unknown for {counts['unknown']:,}", markup=False)


def _items(items: list[Item], console: Console) -> None:
    console.print("Images", style="bold")
    for item in items[:MOST_ITEMS]:
        size = "x".join(str(step) for step in item.shape)
        spacing = (
            "spacing unknown" if item.spacing is None else " x ".join(f"{step:.3g}" for step in item.spacing) + " mm"
        )
        facts = [item.format, f"{item.axes} {size}", spacing, item.modality or "", item.intensity, item.patient or ""]
        mark = " (mask)" if item.role == "mask" else ""
        console.print(f"  {item.name}{mark}: {', '.join(one for one in facts if one)}", markup=False)
        for note in item.notes:
            console.print(f"    {note}", markup=False)
    if len(items) > MOST_ITEMS:
        console.print(f"  and {len(items) - MOST_ITEMS} more", markup=False)


COMMAND = Command(verb=show, show=show_summary, document=lambda summary: summary.model_dump(mode="json"))
