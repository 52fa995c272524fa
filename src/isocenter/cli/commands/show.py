"""Show anything: images as charts and pictures, what a model or a run is, or what readings say."""

from __future__ import annotations

from collections.abc import Sequence
from math import exp
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from rich.console import Console

from isocenter.cli._command import Command
from isocenter.cli.commands._shared import (
    MOST_CLASSES,
    show_course,
    show_labels,
    show_measures,
    show_readings,
    show_refusals,
    show_runtimes,
)
from isocenter.core.durations import lasting
from isocenter.core.reading import Readings
from isocenter.core.words import counted, listed, sized
from isocenter.drawing.terminal import bars, sparkline
from isocenter.stages.show import show

if TYPE_CHECKING:
    # What is loaded for one kind of thing is not loaded for the others.
    from isocenter.data.summary import Item, Summary
    from isocenter.stages.show import Shown
    from isocenter.stages.show.design import Design
    from isocenter.stages.show.model import ModelShown
    from isocenter.stages.show.run import RunShown

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


def _model(model: ModelShown, console: Console) -> None:
    """What a model answers, by what, how well, and where it came from."""
    console.print(f"{model.name} (model), made {model.made} with Isocenter {model.program}", style="bold", markup=False)
    if model.origin != "isocenter":
        console.print(f"Trained elsewhere, brought in from {model.origin}", markup=False)
    _design(model, console, unit=model.unit)
    _fact("Decides", _decision(model), console)
    _fact("Cases", _learned(model), console)
    if model.left_out:
        said = "; ".join(f"{counted(count, 'case')}: {reason}" for reason, count in model.left_out.items())
        _fact("Left out", said, console)
    _fact("File", f"{model.model}, {sized(model.size)}", console)
    _fact("SHA-256", model.digest, console)
    show_measures(model.validation, console, title="On validation cases")
    for note in model.notes:
        console.print(f"Note: {note}", markup=False)
    if model.runtimes:
        checked = counted(max(one.cases for one in model.runtimes), "case")
        console.print(f"Runtimes, held against the trained network on {checked}", style="bold")
        show_runtimes(model.runtimes, console)


def _design(design: Design, console: Console, *, unit: str | None = None) -> None:
    """What is asked of which pixels, and of what network."""
    _fact("Task", f"{design.task}: {design.label}{f' in {unit}' if unit else ''}", console)
    names = [f"{name} (positive)" if name == design.positive else name for name in design.classes]
    if names:
        _fact("Classes", listed(names, most=MOST_CLASSES), console)
    taken, network = design.input, design.network
    extent = " x ".join(str(steps) for steps in taken.shape)
    _fact("Input", f"{listed(taken.channels)}; {extent} pixels; {_modalities(taken.modalities)}", console)
    settings = ", ".join(f"{name} {_plain(value)}" for name, value in network.settings.items())
    parts = [f"{network.name}{f' ({settings})' if settings else ''}", counted(network.members, "member")]
    if network.parameters is not None:
        parts.append(counted(network.parameters, "parameter"))
    _fact("Network", ", ".join(parts), console)


def _modalities(names: Sequence[str]) -> str:
    return listed(names) if names else "no modality said"


def _plain(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _decision(model: ModelShown) -> str:
    """How outputs become findings, in a sentence; nothing for a number."""
    made = model.decision
    if not model.classes:
        return ""
    calibrated = f"calibrated (temperature {made.temperature:.4g})" if made.temperature != 1 else "not calibrated"
    parts = [calibrated, _thresholds(made.thresholds)]
    if made.shift:
        counts = ", ".join(f"{name} {exp(shift):.2f}" for name, shift in made.shift.items())
        parts.append(f"what a case counted in training by its class ({counts}) is taken off")
    return "; ".join(parts)


def _thresholds(thresholds: dict[str, float]) -> str:
    """From where on what is called; many findings with one threshold are told at once."""
    values = set(thresholds.values())
    if not values:
        return "the likeliest class is called"
    if len(values) == 1 and len(thresholds) > 1:
        return f"each finding is called from {values.pop():.3f} on"
    return "called from: " + listed([f"{name} {value:.3f}" for name, value in thresholds.items()], most=MOST_CLASSES)


def _learned(model: ModelShown) -> str:
    """From what, and in which time."""
    if not model.cases:
        return ""
    of = f" of {model.cohort}" if model.cohort else ""
    lasted = f"; trained in {lasting(model.seconds)}" if model.seconds else ""
    return f"{_cases(model.cases)}{of}; seed {model.seed}{lasted}"


def _cases(cases: dict[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in cases.items())


def _fact(name: str, text: str, console: Console) -> None:
    if text:
        console.print(f"  {name:<10}{text}", markup=False)


def _run(run: RunShown, console: Console) -> None:
    """The model of a run and its evidence, or how far the run is and the command that goes on."""
    state = "finished" if run.finished else "being trained now" if run.running else "not finished"
    lasted = f" after {lasting(run.seconds)} of training" if run.seconds else ""
    console.print(f"{run.name} (run): {state}{lasted}", style="bold", markup=False)
    _fact("Begun", f"{run.started}{f' by {run.person}' if run.person else ''}" if run.started else "", console)
    _fact("Cohort", run.cohort, console)
    if run.model is not None:
        _model(run.model, console)
    else:
        _fact("Cases", _cases(run.cases), console)
        if run.design is not None:
            _design(run.design, console)
        _fact("Progress", _progress(run), console)
    for one in run.evaluations:
        seen = ", seen before" if one.seen else ""
        title = f"On the {one.split} split of {Path(one.cohort).name}: look {one.look}{seen}"
        show_measures(one.metrics, console, title=title)
    show_course(run.looks, Path(run.run), console)
    for name in ("recipe", "evidence"):
        if name in run.places:
            console.print(f"{name.capitalize()}: {run.places[name]}", markup=False)
    for one in run.evaluations:
        console.print(f"Report: {one.report or one.folder}", markup=False)
    for note in run.notes:
        console.print(f"Note: {note}", markup=False)
    _next(run, console)


def _progress(run: RunShown) -> str:
    """How far a run is, as far as its log tells."""
    at = run.standing
    if at is None:
        return "its cases were being prepared; there is no recipe yet"
    if not at.member:
        return f"no step was written down yet, of {counted(at.steps, 'step')} for {counted(at.members, 'member')}"
    member = f"member {at.member} of {at.members}"
    done = at.member == at.members and at.step >= at.steps
    rest = "; what is left is to package it" if done else ""
    return f"{member}, step {at.step:,} of {at.steps:,}{rest}" if at.steps else f"{member} has learned{rest}"


def _next(run: RunShown, console: Console) -> None:
    """The command that most people want next."""
    if run.model is not None:
        judged = f"isocenter predict {run.model.model} IMAGE --into DIR"
        console.print(f"Next: {judged if run.evaluations else f'isocenter evaluate {run.run}'}", markup=False)
    elif run.command:
        # A record does not hold the name, which may be another when a run is taken up.
        console.print(f"Go on where it stopped (a `--name` is to be given again): {run.command}", markup=False)
    elif not run.running:
        console.print("Go on where it stopped: the `isocenter train` command that began it, once more", markup=False)


def show_anything(result: Shown, console: Console) -> None:
    """Each kind of thing as a person wants to see it."""
    if isinstance(result, Readings):
        show_readings(result, console, all_of_them="`--json` lists them all")
        return
    if result.kind == "model":
        _model(result, console)
        console.print(f"Next: isocenter predict {result.model} IMAGE --into DIR", markup=False)
    elif result.kind == "run":
        _run(result, console)
    else:
        show_summary(result, console)
        return
    for path in result.files:
        console.print(f"Written: {path}", markup=False)


COMMAND = Command(verb=show, show=show_anything, document=lambda result: result.model_dump(mode="json"))
