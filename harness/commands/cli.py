"""The command line: a group that imports the module of a command when the command is asked for."""

import signal
import sys
from importlib import import_module

import click

from harness import __version__
from harness.errors import UserError, nearest
from harness.terminal import make_tolerant, problem_of_output
from harness.text import one_line

OUTPUT_LOST = 1

COMMANDS = {
    "baseline": "baseline:baseline",
    "bench": "bench:bench",
    "bundle": "bundle:bundle",
    "calibrate": "calibrate:calibrate",
    "cancel": "submit:cancel",
    "claims": "claims:claims",
    "convert": "convert:convert",
    "doctor": "doctor:doctor",
    "export": "export:export",
    "figures": "figures:figures",
    "gate": "gate:gate",
    "history": "history:history",
    "list": "listing:list_",
    "mapping": "mapping:mapping",
    "new": "new:new",
    "nightly": "nightly:nightly",
    "operators": "operators:operators",
    "paper": "paper:paper",
    "parity": "parity:parity",
    "power": "power:power",
    "prepare": "prepare:prepare",
    "project": "project:project",
    "rehearse": "rehearse:rehearse",
    "report": "report:report",
    "schemas": "schemas:schemas",
    "status": "submit:status",
    "submit": "submit:submit",
    "tables": "tables:tables",
    "traps": "traps:traps",
}
"""Module of harness.commands and command in it, by the name that the user types."""


class LazyGroup(click.Group):
    """A group of COMMANDS. Their modules import little at their top, so that `--help`, which reads all, is fast."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names, sorted."""
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of a name; None where there is none."""
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name].partition(":")
        command: click.Command = getattr(import_module(f"harness.commands.{module}"), name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does; a name that is none is answered with the nearest."""
        if args[0] not in COMMANDS and not args[0].startswith("-"):
            ctx.fail(f"No such command {args[0]!r}; {nearest(args[0], COMMANDS)}")
        return super().resolve_command(ctx, args)


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="crosscast")
def cli() -> None:
    """Speed, skill and joules of weather and ocean AI models, across chips and frameworks."""


def main() -> None:
    """Entry point: a user's mistake is one line and exit status 2, a signal is 128 and its number, lost output is 1."""
    from harness import stopping

    make_tolerant()
    try:
        with stopping.catching():
            cli.main(standalone_mode=False)
    except UserError as error:
        click.echo(f"crosscast: {one_line(str(error))}", err=True)
        sys.exit(2)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        sys.exit(2)
    except click.ClickException as error:
        click.echo(f"crosscast: {one_line(error.format_message())}", err=True)
        sys.exit(2)
    except (KeyboardInterrupt, click.Abort) as error:
        number = stopping.number_of(error)
        cause = "interrupted" if number == signal.SIGINT else stopping.cause_of(number)
        click.echo(f"crosscast: {cause}; run the same command again to go on", err=True)
        sys.exit(stopping.exit_status(error))
    if problem := problem_of_output():
        click.echo(f"crosscast: what was printed is lost: {problem}; files are written all the same", err=True)
        sys.exit(OUTPUT_LOST)
