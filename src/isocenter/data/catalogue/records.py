"""Image facts and labels as the text that the tables hold, and back."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import fields
from typing import Any

from pydantic import TypeAdapter

from isocenter.core.image import ImageFacts
from isocenter.core.labels import MaskValue, Value

VALUE: TypeAdapter[Value] = TypeAdapter(Value)

# Files and their SOP instance UIDs have rows of their own.
_STORED = tuple(one.name for one in fields(ImageFacts) if one.name not in {"files", "instances"})
_TUPLES = {"shape", "affine", "spacing", "channels", "times", "refers_to", "notes"}


def facts_to_text(facts: ImageFacts) -> str:
    """Everything but the files, leaving out what is empty."""
    values = {name: getattr(facts, name) for name in _STORED}
    return json.dumps({name: value for name, value in values.items() if value not in (None, "", (), {})})


def facts_from_text(text: str, files: Sequence[str], instances: Sequence[str]) -> ImageFacts:
    """The facts of an image whose files are given in the order of its slices."""
    stored: dict[str, Any] = json.loads(text)
    for name in _TUPLES & stored.keys():
        stored[name] = tuple(stored[name])
    if "classes" in stored:
        stored["classes"] = {int(value): name for value, name in stored["classes"].items()}
    return ImageFacts(files=tuple(files), instances=tuple(instances), **stored)


def value_to_text(value: Value, stored: Callable[[str], str]) -> str:
    """A label's value as JSON; `stored` turns the paths of masks into those that the tables hold."""
    return VALUE.dump_json(_relocated(value, stored)).decode()


def value_from_text(text: str, absolute: Callable[[str], str]) -> Value:
    """A label's value from JSON; `absolute` turns stored paths into those that can be opened."""
    return _relocated(VALUE.validate_json(text), absolute)


def _relocated(value: Value, where: Callable[[str], str]) -> Value:
    if not isinstance(value, MaskValue):
        return value
    return value.model_copy(update={"files": tuple(where(path) for path in value.files)})
