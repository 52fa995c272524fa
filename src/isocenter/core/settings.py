"""Settings of a verb: one frozen model whose field docstrings feed the command line, Python and the web alike."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Annotated, Any, Generic, TypeVar, cast, get_args, get_origin

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator
from pydantic.fields import FieldInfo

from isocenter.core.errors import UsageError
from isocenter.core.progress import Progress, Silent
from isocenter.core.registry import unknown


@dataclass(frozen=True)
class SubjectMarker:
    """Marks the field that a command is about: the first, unnamed argument."""


@dataclass(frozen=True)
class ArgumentMarker:
    """Marks a field that may follow the subject without its name, on the command line."""


@dataclass(frozen=True)
class Short:
    """A one-letter spelling of an option."""

    letter: str


Given = TypeVar("Given")
Subject = Annotated[Given, SubjectMarker()]
Argument = Annotated[Given, ArgumentMarker()]


class Settings(BaseModel):
    """The base of every stage's settings: frozen, documented per field, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, arbitrary_types_allowed=True)

    @model_validator(mode="before")
    @classmethod
    def _one_or_several(cls, given: Any) -> Any:
        """Where several values may stand, one may stand alone; a path for its text; a cohort or run for its place."""
        if not isinstance(given, dict):
            return given
        given = {name: Path(value) if isinstance(value, PathLike) else value for name, value in given.items()}
        several = {name for name, field in cls.model_fields.items() if get_origin(_bare(field.annotation)) is tuple}
        return {name: _as_tuple(value) if name in several else value for name, value in given.items()}

    @classmethod
    def subject(cls) -> str | None:
        """The name of the field that the command is about."""
        return next((name for name, field in cls.model_fields.items() if is_subject(field)), None)


def is_subject(field: FieldInfo) -> bool:
    """Whether a field is the command's subject."""
    return any(isinstance(mark, SubjectMarker) for mark in field.metadata)


def is_argument(field: FieldInfo) -> bool:
    """Whether a field follows the subject without its name, on the command line."""
    return any(isinstance(mark, ArgumentMarker) for mark in field.metadata)


Chosen = TypeVar("Chosen", bound=Settings)
Result = TypeVar("Result")


class Verb(Generic[Chosen, Result]):
    """A stage's function together with its settings: call it with a subject and keywords, or with the settings."""

    def __init__(self, settings: type[Chosen], function: Callable[[Chosen, Progress], Result]) -> None:
        self.settings = settings
        self.function = function
        self.__name__ = function.__name__
        self.__doc__ = function.__doc__
        self.__module__ = function.__module__
        self.__signature__ = _signature(settings)

    def __call__(
        self, subject: Any = None, /, *following: Any, progress: Progress | None = None, **options: Any
    ) -> Result:
        """Run the stage; what follows the subject without a name is what may do so on the command line."""
        return self.function(self._settings(subject, following, options), progress or Silent())

    def _settings(self, subject: Any, following: tuple[Any, ...], options: dict[str, Any]) -> Chosen:
        if isinstance(subject, self.settings) and not options:
            return subject
        name = self.settings.subject()
        if name is not None and subject is not None:
            options = {name: subject, **options}
        return build(self.settings, {**_unnamed(self.settings, following), **options})


def verb(settings: type[Chosen]) -> Callable[[Callable[[Chosen, Progress], Result]], Verb[Chosen, Result]]:
    """Join a stage's function to its settings."""
    return lambda function: Verb(settings, function)


def _unnamed(settings: type[Settings], given: tuple[Any, ...]) -> dict[str, Any]:
    """The fields meant by values without a name; the last of them takes the rest where it may hold several."""
    names = [name for name, field in settings.model_fields.items() if is_argument(field)]
    if not names and given:
        raise TypeError(f"only the subject may stand without a name, got {len(given)} more")
    placed = dict(zip(names, given, strict=False))
    if len(given) >= len(names) > 0 and get_origin(_bare(settings.model_fields[names[-1]].annotation)) is tuple:
        rest = given[len(names) - 1 :]
        return {**placed, names[-1]: rest[0] if len(rest) == 1 else rest}
    if len(given) > len(names):
        raise TypeError(f"at most {len(names) + 1} values may stand without a name, got {len(given) + 1}")
    return placed


def build(settings: type[Chosen], options: dict[str, Any]) -> Chosen:
    """Settings from plain values; what does not fit is answered with the rule and the remedy."""
    for name in options:
        if name not in settings.model_fields:
            raise unknown("setting", name, settings.model_fields)
    try:
        return settings.model_validate(options)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"]) or "settings"
        if first["type"] == "missing":
            raise UsageError(f"`{field}` is missing", remedy=_description(settings, field)) from error
        given = first.get("input")
        raise UsageError(
            f"`{field}` must fit its rule, got {given!r}", why=first["msg"], remedy=_description(settings, field)
        ) from error


def _description(settings: type[Settings], field: str) -> str:
    known = settings.model_fields.get(field.split(".")[0])
    return f"It is: {known.description}" if known and known.description else ""


def _signature(settings: type[Settings]) -> inspect.Signature:
    """What editors and `help()` show: the subject first, the rest by keyword."""
    parameters = []
    for name, field in settings.model_fields.items():
        kind: Any = inspect.Parameter.POSITIONAL_OR_KEYWORD if is_argument(field) else inspect.Parameter.KEYWORD_ONLY
        kind = inspect.Parameter.POSITIONAL_ONLY if is_subject(field) else kind
        default = inspect.Parameter.empty if field.is_required() else field.get_default(call_default_factory=True)
        parameters.append(inspect.Parameter(name, kind, default=default, annotation=cast(Any, field.annotation)))
    parameters.sort(key=lambda parameter: (parameter.kind, parameter.default is not inspect.Parameter.empty))
    return inspect.Signature(parameters)


def _as_tuple(value: Any) -> Any:
    if isinstance(value, str | Path):
        return (str(value),)
    return tuple(str(one) if isinstance(one, Path) else one for one in value) if isinstance(value, Iterable) else value


def _bare(annotation: Any) -> Any:
    return get_args(annotation)[0] if get_origin(annotation) is Annotated else annotation
