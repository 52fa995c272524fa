"""Look at a cohort and write the recipe that training would use, and why."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table

from isocenter.cli._command import Command
from isocenter.core.durations import lasting
from isocenter.core.words import counted
from isocenter.stages.plan import Plan, plan


def show(made: Plan, console: Console) -> None:
    """The decisions with their reasons."""
    recipe, known = made.recipe, made.fingerprint
    cases = ", ".join(f"{count:,} {split}" for split, count in known.cases.items())
    console.print(f"Task {recipe.task} on `{recipe.label}`: {cases}", markup=False, style="bold")
    for name, value in _decisions(made):
        console.print(f"{name:<14}{value}", markup=False)
    table = Table("decision", "reason", box=None, padding=(0, 2, 0, 0))
    for name, reason in recipe.reasons.items():
        table.add_row(name, reason)
    console.print()
    console.print(table, markup=False)
    if made.path is not None:
        console.print(f"Next: isocenter train COHORT --recipe {made.path} --into RUN", markup=False)


def _decisions(made: Plan) -> list[tuple[str, str]]:
    recipe = made.recipe
    shape = " x ".join(str(one) for one in recipe.input.shape)
    seen = recipe.training.steps * recipe.training.batch * recipe.training.accumulate
    length = f"{seen:,} images for each member"
    if recipe.compute.budget:
        length = f"what fits into {lasting(recipe.compute.budget)}; turned into steps when training begins"
    folds = f"{recipe.validation.folds} folds" if recipe.validation.design == "folds" else "the validation split"
    settings = ", ".join(f"{name} {value}" for name, value in recipe.model.settings.items())
    return [
        ("Preparation", " > ".join(one.step for one in recipe.preparation)),
        ("Input", f"{', '.join(recipe.input.channels)}; {shape}; {recipe.input.stored}"),
        ("Model", f"{recipe.model.name} ({settings or 'defaults'}), {counted(recipe.model.members, 'member')}"),
        ("Training", length),
        ("Validation", folds),
    ]


def _document(made: Plan) -> dict[str, Any]:
    return {
        "version": 1,
        "recipe": made.recipe.model_dump(mode="json"),
        "fingerprint": made.fingerprint.model_dump(mode="json"),
        "path": made.path.as_posix() if made.path else None,
    }


COMMAND = Command(verb=plan, show=show, document=_document)
