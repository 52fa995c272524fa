"""Isocenter: from a folder of medical images to a diagnostic model you can defend, on one machine.

Every public name is resolved when it is first used, so that `import isocenter` costs nothing.

    import isocenter as iso

    cohort = iso.ingest("scans/", into="cohort")
    for case in cohort.cases:
        print(case.key, case.split, case.labels)
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from isocenter.core.case import Case
    from isocenter.core.cohort import Cohort
    from isocenter.core.errors import IsocenterError
    from isocenter.core.geometry import Geometry
    from isocenter.core.image import Image, ImageFacts
    from isocenter.core.labels import Label, LabelSchema
    from isocenter.core.reading import Readings
    from isocenter.core.recipe import Recipe
    from isocenter.core.run import Model, Run
    from isocenter.data.catalogue.pixels import Pixels
    from isocenter.data.catalogue.store import open_cohort
    from isocenter.data.files import read, write
    from isocenter.stages.convert import convert
    from isocenter.stages.doctor import doctor
    from isocenter.stages.evaluate import evaluate
    from isocenter.stages.explain import explain
    from isocenter.stages.ingest import ingest
    from isocenter.stages.layers import layers
    from isocenter.stages.package import package
    from isocenter.stages.plan import plan
    from isocenter.stages.predict import predict
    from isocenter.stages.show import show
    from isocenter.stages.train import train
    from isocenter.stages.verify import verify
    from isocenter.workflows.compare import compare
    from isocenter.workflows.demo import demo

__version__ = "0.1.0"

_DOOR: dict[str, str] = {
    "Case": "isocenter.core.case",
    "Cohort": "isocenter.core.cohort",
    "Geometry": "isocenter.core.geometry",
    "Image": "isocenter.core.image",
    "ImageFacts": "isocenter.core.image",
    "IsocenterError": "isocenter.core.errors",
    "Label": "isocenter.core.labels",
    "LabelSchema": "isocenter.core.labels",
    "Model": "isocenter.core.run",
    "Pixels": "isocenter.data.catalogue.pixels",
    "Readings": "isocenter.core.reading",
    "Recipe": "isocenter.core.recipe",
    "Run": "isocenter.core.run",
    "compare": "isocenter.workflows.compare",
    "convert": "isocenter.stages.convert",
    "demo": "isocenter.workflows.demo",
    "doctor": "isocenter.stages.doctor",
    "evaluate": "isocenter.stages.evaluate",
    "explain": "isocenter.stages.explain",
    "ingest": "isocenter.stages.ingest",
    "layers": "isocenter.stages.layers",
    "open_cohort": "isocenter.data.catalogue.store",
    "package": "isocenter.stages.package",
    "plan": "isocenter.stages.plan",
    "predict": "isocenter.stages.predict",
    "read": "isocenter.data.files",
    "show": "isocenter.stages.show",
    "train": "isocenter.stages.train",
    "verify": "isocenter.stages.verify",
    "write": "isocenter.data.files",
}

__all__ = [
    "Case",
    "Cohort",
    "Geometry",
    "Image",
    "ImageFacts",
    "IsocenterError",
    "Label",
    "LabelSchema",
    "Model",
    "Pixels",
    "Readings",
    "Recipe",
    "Run",
    "compare",
    "convert",
    "demo",
    "doctor",
    "evaluate",
    "explain",
    "ingest",
    "layers",
    "open_cohort",
    "package",
    "plan",
    "predict",
    "read",
    "show",
    "train",
    "verify",
    "write",
]


def __getattr__(name: str) -> Any:
    if name not in _DOOR:
        raise AttributeError(f"module 'isocenter' has no attribute {name!r}")
    return getattr(import_module(_DOOR[name]), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
