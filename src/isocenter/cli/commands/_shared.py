"""What several commands print alike."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.table import Table

from isocenter.core.cohort import Refusal
from isocenter.core.reading import Measure
from isocenter.core.words import counted
from isocenter.drawing.terminal import bars

MOST_REASONS = 12
MOST_CLASSES = 20


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
    table = Table(title, "value", "95 % interval", "n", box=None, padding=(0, 2, 0, 0), header_style="bold")
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
