"""The `isocenter` command: finds the commands by file name and loads only the one that is called."""

from __future__ import annotations

from collections.abc import Sequence

import click

from isocenter.cli import commands
from isocenter.cli.console import log, output, print_error
from isocenter.core import registry
from isocenter.core.errors import IsocenterError, UsageError
from isocenter.core.optional import version

ORDER = (
    *("demo", "ingest", "show", "plan", "train", "compare", "evaluate", "explain", "layers", "predict"),
    *("package", "verify", "convert", "list", "doctor"),
)
"""The order in which help lists the commands: that of the work. Others follow by name."""


class Commands(click.Group):
    """The shelf of commands as a command group; help reads first docstring lines without importing anything."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The commands in the order of the work."""
        found = registry.names(commands)
        return sorted(found, key=lambda name: (ORDER.index(name) if name in ORDER else len(ORDER), name))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command:
        """The command, loaded only when it is called."""
        if cmd_name not in registry.names(commands):
            raise registry.unknown("command", cmd_name, self.list_commands(ctx))
        from isocenter.cli.running import loaded  # brings pydantic and rich, which help does without

        return loaded(cmd_name)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of commands, each with its first docstring line."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, registry.blurb(commands, name)) for name in self.list_commands(ctx)])


def _print_version(ctx: click.Context, _parameter: click.Parameter, wanted: bool) -> None:
    if wanted and not ctx.resilient_parsing:
        output().print(f"isocenter {version('isocenter')}")
        ctx.exit()


app = Commands(
    "isocenter",
    help="From a folder of medical images to a diagnostic model you can defend, on one machine.",
    epilog="`isocenter COMMAND --help` explains one command. Start with `isocenter demo`.",
    params=[
        click.Option(
            ["--version"],
            is_flag=True,
            is_eager=True,
            expose_value=False,
            callback=_print_version,
            help="Print the version and stop.",
        )
    ],
    no_args_is_help=True,
)


def run(arguments: Sequence[str]) -> int:
    """Run one command; returns the exit code."""
    try:
        outcome = app.main(args=list(arguments), prog_name="isocenter", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        output().print(error.format_message(), markup=False)
        return 2
    except click.ClickException as error:
        return _wrong_usage(error, json_wanted="--json" in arguments)
    except (click.exceptions.Abort, KeyboardInterrupt):
        log().print("isocenter: stopped. What was finished is kept; the same command takes it up again.", markup=False)
        return 130
    except IsocenterError as error:
        if "--debug" in arguments:
            raise
        print_error(error, json_wanted="--json" in arguments)
        return error.exit_code
    except Exception as error:  # a doctor is told one sentence; the traceback is one option away
        if "--debug" in arguments:
            raise
        print_error(_fault(error), json_wanted="--json" in arguments)
        return 1
    return outcome if isinstance(outcome, int) else 0


def _fault(error: Exception) -> IsocenterError:
    """What to say of an error that nobody foresaw."""
    return IsocenterError(
        "Something went wrong that should not have",
        why=f"{type(error).__name__}: {error}",
        remedy="Run the same command with `--debug` and report what it prints; nothing half done was kept",
    )


def _wrong_usage(error: click.ClickException, *, json_wanted: bool) -> int:
    remedy = ""
    if isinstance(error, click.UsageError) and error.ctx is not None:
        remedy = f"See `{error.ctx.command_path} --help`"
    print_error(UsageError(error.format_message(), remedy=remedy), json_wanted=json_wanted)
    return UsageError.exit_code
