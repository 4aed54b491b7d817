"""The process of a job: calls a task with signals as they were before the scheduler's library."""

import signal
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

from harness import stopping
from harness.errors import UserError
from harness.text import one_line

USER_ERROR = 2


def run(function: str, folder: str) -> int:
    """Call one task under the signals that ask a process to end; its exit status.

    That is 2 for a user's mistake, which is told in one line, and 128 and its number for a signal.
    """
    for number in stopping.SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
    module, _, name = function.partition(":")
    task: Callable[[Path], int] = getattr(import_module(module), name)
    try:
        with stopping.catching():
            return task(Path(folder))
    except UserError as error:
        print(f"crosscast: {one_line(str(error))}", file=sys.stderr, flush=True)
        return USER_ERROR
    except KeyboardInterrupt as error:
        return stopping.exit_status(error)


def run_as_job(function: str, folder: str) -> None:
    """The same as the whole of a process, which ends with the task's status."""
    status = run(function, folder)
    sys.stdout.flush()
    if status:
        sys.exit(status)
