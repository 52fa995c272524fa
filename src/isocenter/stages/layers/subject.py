"""What is to be looked at: a model file, a run, or a model of the shelf as it is before it learns."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from isocenter.core import registry
from isocenter.core.errors import UsageError
from isocenter.core.recipe import InputRecipe, ModelRecipe, Recipe
from isocenter.core.run import find_model
from isocenter.delivery.modelfile.package import Package
from isocenter.delivery.modelfile.read import read_model
from isocenter.learning import models
from isocenter.stages._shared.material import task_named

if TYPE_CHECKING:
    from isocenter.learning.models._shared import Network

_USUAL = {2: 224, 3: 64}
"""Extent along each axis of an image and of a volume, where none is given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A model, however it was given.

    Attributes:
        name: what it is called.
        place: the file, or the name of the model.
        recipe: what it is, and what it is given.
        network: one member, with its weights; None where only a graph tells of it.
        package: the model file; None for a model of the shelf.
        notes: what a person should know of it.
    """

    name: str
    place: str
    recipe: Recipe
    network: Network | None
    package: Package | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What may be said of a model that is given by its name alone."""

    size: int | None
    channels: int | None
    volume: bool
    set: tuple[str, ...]

    @property
    def given(self) -> list[str]:
        """The names of what was said."""
        return [name for name in ("size", "channels", "volume", "set") if getattr(self, name)]


def subject_of(given: Path, wanted: Wanted) -> Subject:
    """The model that is meant by a path or a name."""
    names = registry.names(models)
    if not given.exists() and not given.suffix and len(given.parts) == 1:
        if given.name in names:
            return _of_shelf(given.name, wanted)
        raise registry.unknown("model", given.name, names)
    for name in wanted.given:
        raise UsageError(
            f"`{name}` is for a model that is given by its name",
            why=f"{given} says itself what it is",
            remedy=f"Leave `--{name}` out",
        )
    return _of_file(find_model(given))


def _of_shelf(name: str, wanted: Wanted) -> Subject:
    """A model before it learns, its weights drawn by chance."""
    import torch

    from isocenter.learning.build import build_model, input_form, model_named
    from isocenter.learning.planning.overrides import overridden

    if model_named(name).kind == "estimator":
        raise UsageError(
            f"`{name}` has no layers before it has learned",
            why="it is made from the cases that it learns from",
            remedy="Give a model file or a run",
        )
    recipe = overridden(_recipe(name, wanted), wanted.set)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        network: Network = build_model(recipe.model, input_form(recipe), task_named(recipe.task).outputs(recipe))
    note = "It has not learned: its weights are drawn by chance, and it answers for two classes."
    return Subject(name=name, place=name, recipe=recipe, network=network.eval(), notes=(note,))


def _recipe(name: str, wanted: Wanted) -> Recipe:
    dimensions, channels = 3 if wanted.volume else 2, wanted.channels or 1
    return Recipe(
        task="classify",
        label="class",
        classes=("no", "yes"),
        input=InputRecipe(
            channels=tuple(f"channel {number + 1}" for number in range(channels)),
            shape=(wanted.size or _USUAL[dimensions],) * dimensions,
            mean=(0.0,) * channels,
            deviation=(1.0,) * channels,
        ),
        model=ModelRecipe(name=name),
    )


def _of_file(path: Path) -> Subject:
    package = read_model(path)
    note = _only_graph(package)
    return Subject(
        name=package.manifest.name,
        place=path.as_posix(),
        recipe=package.recipe,
        network=_network(package, path) if note is None else None,
        package=package,
        notes=() if note is None else (note,),
    )


def _only_graph(package: Package) -> str | None:
    """Why there is no network to be looked into; None where there is one."""
    lead = "The layers are what its ONNX graph tells, constants among the parameters, without a receptive field"
    if not package.weights:
        return f"{lead}: the file holds no weights of a network of ours."
    from isocenter.learning.build import model_named

    name = package.recipe.model.name
    return None if model_named(name).kind == "network" else f"{lead}: `{name}` is a classical model."


def _network(package: Package, path: Path) -> Network:
    from isocenter.learning.rebuilt import rebuilt

    outputs = task_named(package.recipe.task).outputs(package.recipe)
    return rebuilt(package.recipe, package.weights or b"", outputs, source=str(path))
