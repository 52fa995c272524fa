"""From a trained network to a model file: exported, checked on every runtime, written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from isocenter.core.fingerprint import Spread
from isocenter.core.labels import Kind, LabelDefinition, LabelSchema
from isocenter.core.optional import version
from isocenter.core.progress import Progress
from isocenter.core.reading import Measure
from isocenter.core.recipe import Recipe
from isocenter.core.record import Record, now
from isocenter.delivery.check import Examples, checked_runtimes
from isocenter.delivery.modelfile.card import model_card
from isocenter.delivery.modelfile.package import GRAPH, HEAD, Manifest, Package, Reference
from isocenter.delivery.modelfile.write import write_model
from isocenter.learning.build import input_form
from isocenter.learning.export import export_onnx
from isocenter.learning.models._shared import Network
from isocenter.pathway import decide
from isocenter.pathway.decide import Decision
from isocenter.pathway.given import given_to_model
from isocenter.stages._shared.marks import written
from isocenter.stages._shared.material import Lot, evenly, task_named

CHECKED = 64
"""Cases on which every runtime is held against the trained network; spread evenly over those at hand."""


def packaged(
    network: Network,
    lot: Lot,
    *,
    recipe: Recipe,
    schema: LabelSchema,
    decision: Decision,
    validation: list[Measure],
    record: Record,
    name: str,
    progress: Progress,
) -> Package:
    """The model file's content: graphs, weights, decisions, and where it came from."""
    from safetensors.torch import save

    progress.say("Packaging: exporting the network and checking it on every runtime.")
    graph, head = export_onnx(network, input_form(recipe), recipe.input.given_type)
    graphs = {GRAPH: graph, HEAD: head}
    weights = save({key: value.contiguous() for key, value in network.state_dict().items()})
    package = Package(
        manifest=Manifest(name=name, made=now(), program=version("isocenter") or ""),
        recipe=recipe,
        label=_definition(schema, recipe),
        decision=decision,
        reference=_reference(lot, recipe, validation),
        record=record.to_pass_on(),
        weights=weights,
        graphs=graphs,
        learned=written(lot.marks),
    )
    runtimes = checked_runtimes(graphs, _examples(network, lot, recipe, decision), progress=progress)
    package = replace(package, manifest=package.manifest.model_copy(update={"runtimes": runtimes}))
    return replace(package, card=model_card(package))


def write(package: Package, path: Path) -> Package:
    """Write the model file."""
    return write_model(path, package)


def _examples(network: Network, lot: Lot, recipe: Recipe, decision: Decision) -> Examples:
    """Some cases, what the trained network says of them, and how that is read."""
    import torch

    task = task_named(recipe.task)
    rows = evenly(len(lot.pixels), CHECKED)
    pixels = given_to_model(np.ascontiguousarray(lot.pixels[rows]), recipe.input)
    with torch.no_grad():
        logits = np.concatenate(
            [network(torch.from_numpy(part).float())[0].numpy() for part in np.array_split(pixels, 8)]
        )
    spread = replace(decision, offset=0.0, scale=1.0)
    return Examples(
        pixels=pixels,
        logits=logits,
        decode=lambda given: task.decode(given, spread),
        call=lambda scores: decide.called(scores, recipe, spread, task.form),
    )


def _definition(schema: LabelSchema, recipe: Recipe) -> LabelDefinition:
    if recipe.label in schema:
        return schema[recipe.label]
    return LabelDefinition(name=recipe.label, kind=Kind.CLASS)


def _reference(lot: Lot, recipe: Recipe, validation: list[Measure]) -> Reference:
    """What the cases that were learned from looked like."""
    sample = np.asarray(lot.pixels[evenly(len(lot.pixels), CHECKED)])
    intensity: Mapping[str, Spread] = {}
    for position, channel in enumerate(recipe.input.channels):
        low, middle, high = np.percentile(sample[:, position], [0.5, 50, 99.5])
        intensity = {**intensity, channel: Spread(low=float(low), middle=float(middle), high=float(high))}
    prevalence = {}
    for name, column in zip(recipe.classes, lot.targets.T, strict=False):
        known = column[~np.isnan(column)]
        if len(known):  # a class that nobody looked for has no prevalence
            prevalence[name] = round(float(known.mean()), 4)
    return Reference(prevalence=prevalence, intensity=dict(intensity), validation=validation)
