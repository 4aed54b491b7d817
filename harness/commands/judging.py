"""What the commands share whose exit status is a verdict."""

import contextlib
import traceback
from collections.abc import Iterator
from typing import Any

import click

from harness.errors import UserError
from harness.history.statuses import DID_NOT_RUN
from harness.text import one_line


class JudgingCommand(click.Command):
    """A command whose mistakes and faults end with 3, because 1 says that something regressed, 2 that it may."""

    def make_context(self, *args: Any, **kwargs: Any) -> click.Context:
        """Read the options."""
        with _ending():
            return super().make_context(*args, **kwargs)

    def invoke(self, ctx: click.Context) -> Any:
        """Run it."""
        with _ending():
            return super().invoke(ctx)


@contextlib.contextmanager
def _ending() -> Iterator[None]:
    """A mistake is told in one line, a fault of the program with where it is; both end with the same status."""
    try:
        yield
    except (click.exceptions.Exit, click.Abort):
        raise
    except UserError as error:
        raise _refused(str(error)) from None
    except click.ClickException as error:
        raise _refused(error.format_message()) from None
    except Exception as error:
        traceback.print_exc()
        raise _refused(f"this is a fault of crosscast: {type(error).__name__}: {error}") from None


def _refused(message: str) -> SystemExit:
    click.echo(f"crosscast: {one_line(message)}", err=True)
    return SystemExit(DID_NOT_RUN)
