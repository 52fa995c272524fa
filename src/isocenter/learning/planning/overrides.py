"""Single decisions of a recipe made by hand: `training.batch=64`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import yaml

from isocenter.core.errors import UsageError
from isocenter.core.recipe import REACHES, Recipe, plain_from, recipe_from
from isocenter.learning.planning.variations import ALL, BETWEEN, BOTH, strengths, views


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
    return _followed(recipe, recipe_from(plain, source="--set"), names)


def _followed(recipe: Recipe, made: Recipe, names: set[str]) -> Recipe:
    """What follows from decisions that were made by hand, where it was not decided by hand as well."""
    reasons = dict(made.reasons)
    if made.augmentation.mirrored != recipe.augmentation.mirrored and not names & {"decision", "decision.views"}:
        reasons["decision.views"] = "Read mirrored along the axes along which training mirrors, and no other."
        made = made.changed("decision", views=views(made.augmentation))
    if not names & {"augmentation", "augmentation.in_turn"}:
        if names & {f"augmentation.{name}" for name in REACHES}:
            reasons["augmentation.in_turn"] = "What was set by hand holds for every member."
            made = made.changed("augmentation", in_turn=ALL)
        elif made.model.members == 1 and made.augmentation.in_turn == BOTH:
            reasons["augmentation"] = strengths(1, many=False)
            made = made.changed("augmentation", in_turn=BETWEEN)
    if names & {"decision.sensitivity"}:
        reasons.pop("decision.threshold", None)
    return made.model_copy(update={"reasons": reasons})


def _lay(plain: dict[str, Any], path: Sequence[str], value: Any) -> None:
    place = plain
    for name in path[:-1]:
        inner = place.setdefault(name, {})
        if not isinstance(inner, dict):
            raise UsageError(f"`{'.'.join(path)}` cannot be set", why=f"`{name}` has no parts")
        place = inner
    place[path[-1]] = value
