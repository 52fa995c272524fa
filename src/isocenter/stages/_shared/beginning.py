"""What a network begins with: weights from a file, an address, a model or a run, brought here and named by hash."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlparse

from isocenter.core.cohort import Cohort
from isocenter.core.errors import UsageError
from isocenter.core.progress import Progress
from isocenter.core.recipe import ModelRecipe, Recipe
from isocenter.core.run import ENDING, find_model
from isocenter.data.download import download
from isocenter.delivery.modelfile.read import read_model
from isocenter.learning.weights import Tensors, read_weights, tensors_of

if TYPE_CHECKING:
    from isocenter.delivery.modelfile.package import Package

_PLACE = ("cache", "weights")
"""Below the cohort's folder: what lies there may be deleted, and is brought again."""


def weights_of(recipe: Recipe, cohort: Cohort, progress: Progress) -> Tensors | None:
    """The weights that a recipe begins with; refused where they are no longer those that the plan saw."""
    if recipe.model.weights is None:
        return None
    given = _brought(recipe.model.weights, cohort, progress)
    found = digest_of(given)
    if recipe.model.weights_sha256 not in (None, found):
        raise UsageError(
            f"{recipe.model.weights} holds other weights than when the plan was made",
            why=f"SHA-256 {found[:16]}..., the recipe says {str(recipe.model.weights_sha256)[:16]}...",
            remedy="Plan anew, or give the file that the plan was made with",
        )
    return given


def with_digest(recipe: Recipe, cohort: Cohort, progress: Progress) -> Recipe:
    """The recipe with the hash of the weights that it begins with, if with any."""
    given = weights_of(recipe, cohort, progress)
    return recipe if given is None else recipe.changed("model", weights_sha256=digest_of(given))


def network_of(source: str | None) -> ModelRecipe | None:
    """The network whose weights are asked for, where they lie in a model of ours."""
    if source is None or not _is_model(source):
        return None
    return read_model(find_model(Path(source))).recipe.model


def digest_of(given: Tensors) -> str:
    """SHA-256 of names, forms and values, whatever file they lie in."""
    digest = hashlib.sha256()
    for name in sorted(given):
        value = given[name].detach().contiguous()
        digest.update(f"{name}\0{value.dtype}\0{tuple(value.shape)}\0".encode())
        digest.update(value.flatten().view(-1).cpu().numpy().tobytes())
    return digest.hexdigest()


def _brought(source: str, cohort: Cohort, progress: Progress) -> Tensors:
    if _is_address(source):
        name = Path(urlparse(source).path).name or "weights"
        place = cohort.folder.joinpath(*_PLACE, f"{hashlib.sha256(source.encode()).hexdigest()[:16]}-{name}")
        download(source, place, md5=None, progress=progress)
        return read_weights(place)
    if _is_model(source):
        return _of_model(read_model(find_model(Path(source))), source)
    return read_weights(Path(source))


def _is_model(source: str) -> bool:
    return not _is_address(source) and (Path(source).is_dir() or Path(source).suffix == ENDING)


def _is_address(source: str) -> bool:
    return source.startswith(("http://", "https://"))


def _of_model(package: Package, source: str) -> Tensors:
    if not package.weights:
        raise UsageError(
            f"{source} holds no weights to begin with",
            why="it was brought in as a graph alone",
            remedy="Give a model that was trained here, or a file of weights",
        )
    from safetensors.torch import load

    return tensors_of(load(package.weights), source)
