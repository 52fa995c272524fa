"""Single decisions of a recipe made by hand: `training.batch=64`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import yaml

from isocenter.core.errors import UsageError
from isocenter.core.recipe import Recipe, plain_from, recipe_from
from isocenter.learning.planning.variations import views


def overridden(recipe: Recipe, given: Sequence[str]) -> Recipe:
    """The recipe with `key=value` pairs laid over it, checked as a recipe file is checked."""
    if not given:
        return recipe
    plain = recipe.model_dump(mode="json")
    names = set()
    for pair in given:
        name, equals, text = pair.partition("=")
        if not equals or not name.strip():
            raise UsageError(f"`--set` must be given as key=value, got `{pair}`", remedy="Such as training.batch=64")
        try:
            value = plain_from(text)
        except yaml.YAMLError as error:
            raise UsageError(f"The value in `{pair}` cannot be read", why=str(error)) from error
        names.add(name.strip())
        _lay(plain, name.strip().split("."), value)
        plain["reasons"][name.strip()] = "Set by hand."
    made = recipe_from(plain, source="--set")
    if made.augmentation.mirrored == recipe.augmentation.mirrored or names & {"decision", "decision.views"}:
        return made
    made.reasons["decision.views"] = "Read mirrored along the axes along which training mirrors, and no other."
    return made.changed("decision", views=views(made.augmentation))


def _lay(plain: dict[str, Any], path: Sequence[str], value: Any) -> None:
    place = plain
    for name in path[:-1]:
        inner = place.setdefault(name, {})
        if not isinstance(inner, dict):
            raise UsageError(f"`{'.'.join(path)}` cannot be set", why=f"`{name}` has no parts")
        place = inner
    place[path[-1]] = value
