"""A model from its recipe."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from isocenter.core import registry
from isocenter.core.errors import UsageError
from isocenter.core.recipe import ModelRecipe, Recipe
from isocenter.learning import models
from isocenter.learning.models._shared import InputForm, Model, ModelSettings


def model_named(name: str) -> Model:
    """A family on the shelf."""
    model: Model = registry.get(models, name)
    return model


def build_model(recipe: ModelRecipe, form: InputForm, outputs: int) -> Any:
    """A network or an estimator, its settings checked."""
    model = model_named(recipe.name)
    if form.dimensions not in model.dimensions:
        raise UsageError(
            f"`{recipe.name}` cannot take {'volumes' if form.dimensions == 3 else 'images'}",
            remedy="`isocenter list models` shows what can",
        )
    return model.build(checked_settings(recipe), form, outputs)


def checked_settings(recipe: ModelRecipe) -> ModelSettings:
    """A model's settings, completed by its defaults; an unknown one is answered with the nearest."""
    model = model_named(recipe.name)
    for name in recipe.settings:
        if name not in model.settings.model_fields:
            raise registry.unknown(f"setting of {recipe.name}", name, model.settings.model_fields)
    try:
        return model.settings.model_validate(recipe.settings)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise UsageError(
            f"`{place}` of the model `{recipe.name}` must fit its rule, got {first.get('input')!r}", why=first["msg"]
        ) from error


def input_form(recipe: Recipe) -> InputForm:
    """The form of a recipe's input."""
    given = recipe.input
    if given.features:
        # Features have scales of their own, which whatever learns from rows standardises one by one.
        return InputForm(channels=1, shape=given.given_shape[1:], mean=(0.0,), deviation=(1.0,))
    return InputForm(channels=len(given.channels), shape=given.shape, mean=given.mean, deviation=given.deviation)
