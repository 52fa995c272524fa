"""What the reference pages that are made from the code share: their frame, tables, and settings as rows of a table."""

from __future__ import annotations

import types
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, Union, get_args, get_origin

MADE = "<!-- Made by tools/docs.py from the code: change that, then run `make docs`. -->"

_WORDS = {bool: "true or false", int: "whole number", float: "number", str: "text", Any: "anything"}


def made_page(title: str, *parts: str) -> str:
    """A page with its title and the note that it is made."""
    return "\n\n".join([f"# {title}", MADE, *parts]) + "\n"


def table(head: Sequence[str], rows: Sequence[Sequence[str | None]]) -> str:
    """A table of Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join((cell or "").replace("|", "\\|") for cell in line) + " |" for line in lines)


def settings_table(fields: Mapping[str, Any], *, title: str = "setting") -> str:
    """The fields of a pydantic model: what each may be, what it is unless given, and what it means."""
    rows = []
    for name, field in fields.items():
        meaning = " ".join((field.description or "").split())
        rows.append((f"`{name}`", _kind(field.annotation) + _limits(field.metadata), _default(field), meaning))
    return table((title, "value", "default", "meaning"), rows)


def _kind(annotation: Any) -> str:
    """What may stand there, in words."""
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _kind(inner[0])
    if origin is Literal:
        return ", ".join(f"`{one}`" for one in inner)
    if origin in (Union, types.UnionType):
        return " or ".join("none" if one is type(None) else _kind(one) for one in inner)
    if origin is tuple and inner[-1] is Ellipsis:
        return f"list: {_kind(inner[0])}"
    if origin is tuple:
        return f"{len(inner)} values: {_kind(inner[0])}"
    if origin is dict:
        return f"name to {_kind(inner[1])}"
    return _WORDS.get(annotation, "entry")


def _limits(metadata: Sequence[Any]) -> str:
    """The range of a number."""
    known = {name: getattr(one, name) for one in metadata for name in ("ge", "gt", "le", "lt") if hasattr(one, name)}
    words = {"ge": "from {}", "gt": "above {}", "le": "to {}", "lt": "below {}"}
    said = [text.format(f"{known[name]:g}") for name, text in words.items() if name in known]
    return f", {' '.join(said)}" if said else ""


def _default(field: Any) -> str:
    if field.is_required():
        return "required"
    default = field.get_default(call_default_factory=True)
    if default is None:
        return "none"
    if isinstance(default, bool):
        return f"`{str(default).lower()}`"
    return f"`{list(default)}`" if isinstance(default, tuple) else f"`{default}`"
