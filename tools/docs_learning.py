"""The reference pages of learning: recipe, steps, features, models, tasks, metrics, explainers and runtimes."""

from __future__ import annotations

import math
from collections.abc import Iterator
from types import ModuleType
from typing import Any

from docs_parts import made_page, settings_table, table

_KINDS = {2: "images", 3: "volumes"}


def recipe_page() -> str:
    """Every key of a recipe."""
    from isocenter.core.recipe import Recipe

    own = {name: field for name, field in Recipe.model_fields.items() if not _is_part(field.annotation)}
    parts = {name: field.annotation for name, field in Recipe.model_fields.items() if _is_part(field.annotation)}
    return made_page(
        "Recipe keys",
        "A recipe is a YAML file; `isocenter plan COHORT --into recipe.yaml` writes one, and a key that is not listed\n"
        "here is refused. `--set` takes the dotted name: `--set training.batch=64`. What the parts are for is told in\n"
        "[The recipe](../concepts/recipe.md).",
        settings_table(own, title="key"),
        *(text for name, part in parts.items() for text in _part(name, part)),
        "## preparation",
        "A list; each entry names one step of [the shelf](steps.md).",
        settings_table(_step_fields(), title="key of an entry"),
    )


def _is_part(annotation: Any) -> bool:
    return hasattr(annotation, "model_fields")


def _part(name: str, part: Any) -> tuple[str, str, str]:
    return f"## {name}", part.__doc__ or "", settings_table(part.model_fields, title=f"key of `{name}`")


def _step_fields() -> Any:
    from isocenter.core.recipe import StepRecipe

    return StepRecipe.model_fields


def steps_page() -> str:
    """Every preparation step with its settings."""
    from isocenter.pathway import prepare

    return made_page(
        "Preparation steps",
        "The way of an image, in the order in which the recipe names its steps. A setting that is learned is found on\n"
        "training cases when the recipe is made, and stands in the recipe from then on. `isocenter list steps` prints\n"
        "this list.",
        *_sections(prepare, "STEP"),
    )


def features_page() -> str:
    """Every family of features with its settings."""
    from isocenter.pathway import features

    return made_page(
        "Features",
        "What is measured of an image before any learning. A column is named for its family and its number, such as\n"
        "`statistics.mean`; with several channels for the channel too, and in volumes, where pictures are measured,\n"
        "for the plane. With a mask, what lies inside it is measured; of an empty one every number is 0.\n"
        "`isocenter list features` prints this list.",
        *_sections(features, "FEATURES"),
    )


def models_page() -> str:
    """Every model with its settings."""
    from isocenter.core.registry import get, names
    from isocenter.learning import models

    rows = []
    for name in names(models):
        model = get(models, name)
        learns = "step by step" if model.kind == "network" else "at once"
        rows.append((f"[`{name}`](#{name})", learns, ", ".join(_KINDS[one] for one in model.dimensions)))
    return made_page(
        "Models",
        "`--model NAME` chooses one, `--set model.settings.KEY=VALUE` sets one of its settings.\n"
        "`isocenter list models` prints this list.",
        table(("name", "learns", "takes"), rows),
        *_sections(models),
    )


def _sections(shelf: ModuleType, public: str | None = None) -> Iterator[str]:
    """A section for each thing on a shelf that has settings."""
    from isocenter.core.registry import blurb, get, names

    for name in names(shelf):
        fields = get(shelf, name, public).settings.model_fields
        yield f"## {name}"
        yield blurb(shelf, name)
        yield settings_table(fields) if fields else "It has no settings."


def tasks_page() -> str:
    """Every task: the labels it learns, and the metrics it is judged by."""
    from isocenter.core.registry import blurb, get, names
    from isocenter.pathway import tasks

    rows = []
    for name in names(tasks):
        task = get(tasks, name)
        kinds = ", ".join(f"`{kind.value}`" for kind in task.kinds)
        rows.append((f"`{name}`", blurb(tasks, name), kinds, " ".join(f"`{one}`" for one in task.metrics(_recipe(2)))))
    of_three = " ".join(f"`{one}`" for one in get(tasks, "classify").metrics(_recipe(3)))
    return made_page(
        "Tasks",
        "What can be asked. The task follows from the kind of the label unless `--task` names one; the first metric\n"
        "is the one that training is judged by. `isocenter list tasks` prints this list.",
        table(("name", "what is asked", "kind of label", "metrics"), rows),
        f"With three classes or more `classify` is judged by {of_three}.",
    )


def _recipe(classes: int) -> Any:
    """A recipe of so many classes; tasks choose their metrics by it."""
    from isocenter.core.recipe import InputRecipe, ModelRecipe, Recipe

    given = InputRecipe(channels=("intensity",), shape=(8, 8), mean=(0.0,), deviation=(1.0,))
    names = tuple(f"class {number}" for number in range(classes))
    return Recipe(task="", label="", classes=names, input=given, model=ModelRecipe(name=""))


def metrics_page() -> str:
    """Every metric: its range, its direction, and its rule for empty cases."""
    from isocenter.core.registry import blurb, get, names
    from isocenter.evidence import metrics

    rows = []
    for name in names(metrics):
        metric = get(metrics, name)
        extent = f"{_end(metric.low)} to {_end(metric.high)}"
        forms = ", ".join(metric.forms)
        rows.append((f"`{name}`", blurb(metrics, name), forms, extent, metric.better, metric.rule))
    return made_page(
        "Metrics",
        "The only home of each formula. *For* names the answers that it is defined for: `classes` (one of several),\n"
        "`several` (any number of findings), `number`. `isocenter list metrics` prints this list.",
        table(("name", "what it is", "for", "range", "better", "where it is not defined"), rows),
    )


def _end(value: float) -> str:
    return f"{value:g}" if math.isfinite(value) else "no end"


def explainers_page() -> str:
    """Every explainer and every runtime."""
    from isocenter.core.registry import blurb, get, names
    from isocenter.delivery import runtimes
    from isocenter.evidence import explainers

    engines = [
        (f"`{name}`", blurb(runtimes, name), f"`{get(runtimes, name).package}`") for name in sorted(names(runtimes))
    ]
    return made_page(
        "Explainers and runtimes",
        "`isocenter explain --method NAME` chooses an explainer.",
        table(("name", "how it explains"), [(f"`{name}`", blurb(explainers, name)) for name in names(explainers)]),
        "## Runtimes",
        "What computes a packaged model. `isocenter predict --runtime NAME` chooses one; the fastest that was checked\n"
        "when the model was packaged and that is installed is taken otherwise.",
        table(("name", "what it is", "Python package"), engines),
    )
