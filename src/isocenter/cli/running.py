"""One command, loaded: its options from its settings, its result for a person or for a program."""

from __future__ import annotations

from inspect import cleandoc
from typing import Any, NoReturn

import click

from isocenter.cli import commands
from isocenter.cli._command import Command, given_values, parameters
from isocenter.cli.console import Shown, log, output, print_error, print_json
from isocenter.core import registry
from isocenter.core.errors import IsocenterError, StorageProblem
from isocenter.core.settings import build, is_argument, is_subject


def loaded(name: str) -> click.Command:
    """The command of that name, ready to be called."""
    command: Command = registry.get(commands, name)
    settings = command.verb.settings

    def callback(*, json_wanted: bool, debug: bool, **values: Any) -> None:
        try:
            shown = Shown(log())
            with shown.running():
                result = command.verb(build(settings, given_values(settings, values)), progress=shown)
        except IsocenterError as error:
            _fail(error, json_wanted=json_wanted, debug=debug)
        except OSError as error:
            what = f"{error.filename or 'A file'} cannot be used"
            remedy = (
                "Look whether it is there, may be used by you, and has room on its disk; then run the command again"
            )
            problem = StorageProblem(what, why=error.strerror or str(error), remedy=remedy)
            _fail(problem, json_wanted=json_wanted, debug=debug)
        if json_wanted:
            print_json(command.document(result))
        else:
            command.show(result, output())
        if command.failed(result):
            raise click.exceptions.Exit(1)

    return click.Command(name, callback=callback, params=parameters(settings), help=_help(command, settings))


def _help(command: Command, settings: Any) -> str:
    """The verb's docstring, and what its subject and other unnamed arguments are."""
    fields = settings.model_fields.items()
    unnamed = [(name, field.description) for name, field in fields if is_subject(field) or is_argument(field)]
    about = [f"{name.upper()}: {description}" for name, description in unnamed if description]
    return "\n\n".join([cleandoc(command.verb.__doc__ or ""), *about])


def _fail(error: IsocenterError, *, json_wanted: bool, debug: bool) -> NoReturn:
    if debug:
        raise error
    print_error(error, json_wanted=json_wanted)
    raise click.exceptions.Exit(error.exit_code)
