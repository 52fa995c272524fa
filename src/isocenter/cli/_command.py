"""A command: a verb with its settings turned into options, and how its result is shown to a person."""

from __future__ import annotations

import types
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Union, get_args, get_origin

import click
from pydantic.fields import FieldInfo
from rich.console import Console

from isocenter.core.settings import Settings, Short, Verb, is_argument, is_subject


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One command of the command line.

    Attributes:
        verb: the stage or workflow behind it.
        show: prints the result for a person.
        document: the result as the one JSON document of `--json`.
        failed: whether the result, though complete, is bad news: the command then exits with 1.
    """

    verb: Verb[Any, Any]
    show: Callable[[Any, Console], None]
    document: Callable[[Any], Any]
    failed: Callable[[Any], bool] = lambda _: False


def parameters(settings: type[Settings]) -> list[click.Parameter]:
    """The settings' fields as an argument (the subject) and options, with the two flags that every command has."""
    fields = [_parameter(name, field) for name, field in settings.model_fields.items()]
    return [
        *fields,
        click.Option(["--json", "json_wanted"], is_flag=True, help="Print one JSON document and nothing else."),
        click.Option(["--debug"], is_flag=True, help="Show where in the code a refusal came from."),
    ]


def given_values(settings: type[Settings], values: dict[str, Any]) -> dict[str, Any]:
    """What was typed; what was not typed is left to the defaults of the settings."""
    return {
        name: value
        for name, value in values.items()
        if value is not None and value != () and not (value is False and _is_flag(settings.model_fields[name]))
    }


def _parameter(name: str, field: FieldInfo) -> click.Parameter:
    kind, several = _kind(field.annotation)
    if is_subject(field) or is_argument(field):
        required = field.is_required()
        return click.Argument([name], type=kind, nargs=-1 if several else 1, required=required)
    # a word that Python keeps for itself ends in an underscore there, and only there
    spellings = [
        f"--{name.rstrip('_').replace('_', '-')}",
        *(f"-{one.letter}" for one in field.metadata if isinstance(one, Short)),
    ]
    if kind is bool:
        return click.Option([*spellings, name], is_flag=True, help=field.description)
    return click.Option(
        [*spellings, name],
        type=kind,
        multiple=several,
        required=field.is_required(),
        help=_help(field),
        metavar=kind.__name__.upper() if kind is not str else "TEXT",
    )


def _help(field: FieldInfo) -> str:
    default = None if field.is_required() else field.get_default(call_default_factory=True)
    shown = "" if default is None or default is False or default == () else f" [default: {default}]"
    return f"{field.description or ''}{shown}"


def _is_flag(field: FieldInfo) -> bool:
    return field.annotation is bool


def _kind(annotation: Any) -> tuple[type, bool]:
    """The plain type that the command line reads, and whether there may be several; pydantic checks the rest."""
    if get_origin(annotation) is Annotated:
        return _kind(get_args(annotation)[0])
    if get_origin(annotation) in (Union, types.UnionType):
        inner = [one for one in get_args(annotation) if one is not type(None)]
        return _kind(inner[0]) if len(inner) == 1 else (str, False)
    if get_origin(annotation) is tuple:
        return _kind(get_args(annotation)[0])[0], True
    return (annotation, False) if annotation in (int, float, bool) else (str, False)
