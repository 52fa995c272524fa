"""Tiny finished models for tests: graphs drawn by hand, so that no network has to learn."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from isocenter.core.labels import ClassDefinition, Kind, LabelDefinition
from isocenter.core.recipe import InputRecipe, ModelRecipe, Recipe, StepRecipe
from isocenter.core.record import Record
from isocenter.delivery.modelfile.package import GRAPH, HEAD, Manifest, Package, Reference, RuntimeChoice
from isocenter.delivery.modelfile.write import write_model
from isocenter.pathway.tasks._shared import Decision

MAPS = 4
SIDE = 16


def tiny_graphs(
    *, channels: int = 1, shape: tuple[int, ...] = (SIDE, SIDE), outputs: int = 2, stored: str = "uint8"
) -> dict[str, bytes]:
    """A convolution, its mean over the image, a linear layer: the graph and its head."""
    drawn = np.random.default_rng(0)
    form = TensorProto.UINT8 if stored == "uint8" else TensorProto.FLOAT
    kernel = drawn.normal(0, 0.5, (MAPS, channels, *[3] * len(shape))).astype(np.float32)
    constants = {
        "scale": np.float32(255 if stored == "uint8" else 1),
        "kernel": kernel,
        "weight": drawn.normal(0, 2, (outputs, MAPS)).astype(np.float32),
        "bias": np.zeros(outputs, np.float32),
    }
    body = [
        helper.make_node("Cast", ["pixels"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("Div", ["float", "scale"], ["scaled"]),
        helper.make_node("Conv", ["scaled", "kernel"], ["maps"], pads=[1] * (2 * len(shape))),
        helper.make_node("Relu", ["maps"], ["features"]),
    ]
    head = [
        helper.make_node("GlobalAveragePool", ["features"], ["mean"]),
        helper.make_node("Flatten", ["mean"], ["embedding"]),
        helper.make_node("Gemm", ["embedding", "weight", "bias"], ["logits"], transB=1),
    ]
    pixels = ("pixels", form, ["batch", channels, *shape])
    features = ("features", TensorProto.FLOAT, ["batch", MAPS, *shape])
    embedding = ("embedding", TensorProto.FLOAT, ["batch", MAPS])
    logits = ("logits", TensorProto.FLOAT, ["batch", outputs])
    return {
        GRAPH: graph_bytes([*body, *head], [pixels], [logits, features, embedding], constants),
        HEAD: graph_bytes(head, [features], [logits], {name: constants[name] for name in ("weight", "bias")}),
    }


def graph_bytes(
    nodes: list[Any], inputs: list[Any], outputs: list[Any], constants: dict[str, Any], **opsets: int
) -> bytes:
    """An ONNX file of nodes; inputs and outputs are (name, type, shape)."""
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info(*one) for one in inputs],
        [one if hasattr(one, "name") else helper.make_tensor_value_info(*one) for one in outputs],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    imports = [helper.make_opsetid("", 18), *(helper.make_opsetid(name, number) for name, number in opsets.items())]
    model = helper.make_model(graph, opset_imports=imports, ir_version=9)
    return bytes(model.SerializeToString())


def tiny_recipe(
    *,
    task: str = "classify",
    classes: tuple[str, ...] = ("benign", "malignant"),
    channels: tuple[str, ...] = ("intensity",),
    shape: tuple[int, ...] = (SIDE, SIDE),
    stored: str = "uint8",
    **given: Any,
) -> Recipe:
    """A recipe that only brings images to one size."""
    steps = (StepRecipe(step="orient", settings={"dimensions": len(shape)}),)
    if len(channels) == 1 and len(shape) == 2:
        steps += (StepRecipe(step="grey"),)
    return Recipe(
        task=task,
        label="class",
        classes=classes,
        positive=classes[1] if len(classes) == 2 else None,
        preparation=given.pop("preparation", (*steps, StepRecipe(step="resize", settings={"shape": list(shape)}))),
        input=InputRecipe(
            channels=channels,
            shape=shape,
            stored=stored,
            mean=(0.0,) * len(channels),
            deviation=(255.0 if stored == "uint8" else 1.0,) * len(channels),
            modalities=given.pop("modalities", ()),
            missing=given.pop("missing", False),
        ),
        model=ModelRecipe(name="cnn"),
        **given,
    )


def tiny_package(**given: Any) -> Package:
    """A package with everything that a finished model has but weights."""
    recipe = tiny_recipe(**given)
    graphs = tiny_graphs(
        channels=len(recipe.input.channels),
        shape=recipe.input.shape,
        outputs=len(recipe.classes) or 1,
        stored=recipe.input.stored,
    )
    kind = {"classify": Kind.CLASS, "multilabel": Kind.CLASSES, "regress": Kind.NUMBER}[recipe.task]
    return Package(
        manifest=Manifest(
            name="tiny",
            made="2026-01-01T00:00:00+00:00",
            program="0.1.0",
            runtimes=[RuntimeChoice(name="onnxruntime", precision="fp32", milliseconds=1.0, difference=0.0, cases=8)],
        ),
        recipe=recipe,
        label=LabelDefinition(
            name="class", kind=kind, classes=tuple(ClassDefinition(name=name) for name in recipe.classes)
        ),
        decision=Decision(thresholds={}),
        reference=Reference(),
        record=Record(started="2026-01-01T00:00:00+00:00", machine="a machine", versions={}),
        card="# tiny\n",
        graphs=graphs,
    )


def tiny_model(path: Path, **given: Any) -> Path:
    """A model file."""
    write_model(path, tiny_package(**given))
    return path
