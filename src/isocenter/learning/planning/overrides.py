"""Single decisions of a recipe made by hand: `training.batch=64`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import yaml

from isocenter.core.errors import UsageError
from isocenter.core.recipe import Recipe, recipe_from


def overridden(recipe: Recipe, given: Sequence[str]) -> Recipe:
    """The recipe with `key=value` pairs laid over it, checked as a recipe file is checked."""
    if not given:
        return recipe
    plain = recipe.model_dump(mode="json")
    for pair in given:
        name, equals, text = pair.partition("=")
        if not equals or not name.strip():
            raise UsageError(f"`--set` must be given as key=value, got `{pair}`", remedy="Such as training.batch=64")
        try:
            value = yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise UsageError(f"The value in `{pair}` cannot be read", why=str(error)) from error
        _lay(plain, name.strip().split("."), value)
        plain["reasons"][name.strip()] = "Set by hand."
    return recipe_from(plain, source="--set")


def _lay(plain: dict[str, Any], path: Sequence[str], value: Any) -> None:
    place = plain
    for name in path[:-1]:
        inner = place.setdefault(name, {})
        if not isinstance(inner, dict):
            raise UsageError(f"`{'.'.join(path)}` cannot be set", why=f"`{name}` has no parts")
        place = inner
    place[path[-1]] = value
