"""Write a model file: whole or not at all, and the same bytes for the same values."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import BaseModel, TypeAdapter

from isocenter.core.errors import UsageError
from isocenter.core.run import ENDING
from isocenter.delivery.modelfile.container import (
    CARD,
    DECISION,
    LABELS,
    LEARNED,
    MANIFEST,
    RECIPE,
    RECORD,
    REFERENCE,
    WEIGHTS,
    archive,
    digest,
)
from isocenter.delivery.modelfile.package import Package
from isocenter.delivery.modelfile.read import package_from
from isocenter.pathway.tasks._shared import Decision
from isocenter.storage.atomic import atomic_write


def write_model(path: Path, package: Package) -> Package:
    """Write a package as one file; returns it with the hashes of its members and of the file.

    Of its record goes into the file what may be passed on: no person, no folder.
    What was written is read back before it takes its place, so that no file is left that `read_model` refuses.
    """
    if path.suffix.lower() != ENDING:
        raise UsageError(f"{path} must end in {ENDING}", remedy=f"For example `{path.with_suffix(ENDING).name}`")
    members = _members(package)
    hashes = {name: digest(content) for name, content in sorted(members.items())}
    manifest = package.manifest.model_copy(update={"members": hashes})
    content = archive({**members, MANIFEST: _json(manifest)})
    package_from(content, source=str(path))
    with atomic_write(path) as temporary:
        temporary.write_bytes(content)
    return replace(package, manifest=manifest, digest=digest(content))


def _members(package: Package) -> dict[str, bytes]:
    members = {
        RECIPE: package.recipe.to_yaml().encode(),
        LABELS: _json(package.label),
        DECISION: _text(TypeAdapter(Decision).dump_python(package.decision, mode="json")),
        REFERENCE: _json(package.reference),
        RECORD: _json(package.record.to_pass_on()),
        CARD: package.card.encode(),
        **package.graphs,
    }
    if package.learned:
        members[LEARNED] = package.learned
    if package.weights is not None:
        members[WEIGHTS] = package.weights
    return members


def _json(model: BaseModel) -> bytes:
    return _text(json.loads(model.model_dump_json()))  # by way of JSON: a number that is none becomes null


def _text(plain: Any) -> bytes:
    return (json.dumps(plain, ensure_ascii=False, indent=2, sort_keys=True, allow_nan=False) + "\n").encode()
