"""The entrance to a model: what it was not made for is refused, the rest is prepared; in training and at work alike."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from isocenter.core.errors import UsageError
from isocenter.core.image import Image
from isocenter.core.recipe import Recipe
from isocenter.core.words import listed
from isocenter.pathway.preparation import Preparation, Prepared


class Entrance:
    """The way of a case to the model of one recipe."""

    def __init__(self, recipe: Recipe) -> None:
        self._preparation = Preparation(recipe.preparation, recipe.input)
        self._wanted = recipe.input

    @property
    def key(self) -> str:
        """A text that names the preparation and what is refused: the same text, the same arrays of the same cases."""
        return json.dumps([self._preparation.key, self._wanted.modalities, self._wanted.missing])

    def prepare(self, channels: Mapping[str, Image]) -> Prepared:
        """One case as the model is given it; refuses with `UsageError` what the model was not made for."""
        wanted = self._wanted
        for image in channels.values():
            _require_dimensions(image, wanted.dimensions)
            _require_modality(image, wanted.modalities)
        prepared = self._preparation.apply(channels)
        if prepared.missing and not wanted.missing:
            raise UsageError(
                f"The channel {listed(prepared.missing)} is missing",
                why="this model was not trained to do without",
                remedy=f"Give all of {listed(wanted.channels)}",
            )
        return prepared


def _require_dimensions(image: Image, dimensions: int) -> None:
    if image.extent("T") > 1:
        raise UsageError(
            f"This image holds {image.extent('T')} frames over time",
            why="this model was made for images of one moment",
            remedy="Give each frame as an image of its own",
        )
    found = 3 if image.extent("Z") > 1 else 2
    if found != dimensions:
        had, made = ("a volume", "single images") if found > dimensions else ("a single image", "volumes")
        raise UsageError(f"This is {had}", why=f"this model was made for {made}", remedy=f"Give {made}")


def _require_modality(image: Image, modalities: Sequence[str]) -> None:
    if image.modality and modalities and image.modality not in modalities:
        raise UsageError(
            f"This is an image of the modality {image.modality}",
            why=f"this model was made for {listed(modalities)}",
            remedy=f"Give an image of the modality {' or '.join(modalities)}",
        )
