"""A trained network from its model file: built as its recipe says, with the weights laid in that it learned."""

from __future__ import annotations

from isocenter.core.errors import Unreadable
from isocenter.core.recipe import Recipe
from isocenter.learning.build import build_model, input_form
from isocenter.learning.models._shared import Network
from isocenter.learning.weights import of_member


def rebuilt(recipe: Recipe, weights: bytes, outputs: int, *, source: str) -> Network:
    """The network as it was when its training ended; of several members, the first one.

    Args:
        recipe: of the model file.
        weights: of the model file, as safetensors.
        outputs: of the network.
        source: the name of the model file, for whoever reads a refusal.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load

    network: Network = build_model(recipe.model, input_form(recipe), outputs)
    try:
        network.load_state_dict(of_member(load(weights), 0))
    except (RuntimeError, SafetensorError) as error:
        reason = " ".join(str(error).split())[:200]
        raise Unreadable(source, why=f"its weights are not those of the network in its recipe ({reason})") from error
    return network.eval()
